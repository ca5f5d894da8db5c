"""Messages to people: one outbox, many ways out."""
