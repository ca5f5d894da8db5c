"""Orders to devices: what a nurse asks of a dispenser, and what became of it."""
