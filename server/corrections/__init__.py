"""Readings that somebody has said are wrong: kept, and counted no longer until that is taken back."""
