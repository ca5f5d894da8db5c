"""The ladder: who is told next when nobody acts."""
