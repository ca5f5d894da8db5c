"""What triage asks of a home: measurements sooner than planned, questions, and what a home is told of itself."""
