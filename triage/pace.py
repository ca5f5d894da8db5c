"""Which readings a course is made of, in numbers: without NumPy, for a hub that must keep just these.

The last good reading of each STEP of time, the newest SAMPLES of them, none further than REACH before the newest
(`triage.course` says why).
"""

from vitals.clock import NS

STEP_NS = 6 * 3600 * NS
REACH_NS = 30 * 86_400 * NS
SAMPLES = 16
