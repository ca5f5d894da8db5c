"""What changed, once, to every screen that is open."""
