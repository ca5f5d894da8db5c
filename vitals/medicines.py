"""Classes of medicine whose time matters: a dose of these that is missed is told to a nurse at once.

Source: general knowledge (check): a missed dose of these can do harm within hours, of most others it cannot. A class
is named in a dispenser's schedule (`vitals.schedule`); the dispenser itself knows only that the time matters.
"""

TIME_CRITICAL = ("anticoagulant", "antiepileptic", "parkinson", "insulin", "immunosuppressant")
