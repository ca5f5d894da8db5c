"""Who answers for a role or a roster, at any moment."""
