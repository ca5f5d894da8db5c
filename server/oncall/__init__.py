"""Who answers for a role at a moment."""
