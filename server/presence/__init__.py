"""Who has which patient's page open just now."""
