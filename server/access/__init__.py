"""Who is signed in, and what their role may do."""
