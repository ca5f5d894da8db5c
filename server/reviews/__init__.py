"""When a patient was last gone through, and by whom."""
