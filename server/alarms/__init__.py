"""What people are told, and what they do about it."""
