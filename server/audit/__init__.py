"""Who saw what, and who did what."""
