"""Why an alarm is as it is: what was decided, on what grounds, and the same decided once more."""
