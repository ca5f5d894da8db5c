"""An alarm that was escalated to somebody: what they were told, that they read it, and what they answered."""
