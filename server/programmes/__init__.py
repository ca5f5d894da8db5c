"""The programmes as an administrator sees them: which are in force, what would change, and what is put in force."""
