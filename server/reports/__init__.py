"""What the watching costs and what it is good for, in numbers."""
