"""Who is getting worse, and why: pure functions on arrays of patients."""
