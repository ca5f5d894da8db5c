"""What the people who run the server may see of it: numbers for a monitor, and nothing of any person."""
