"""A new patient's first weeks: limits that are learned, proposed, and never set by themselves."""
