"""Readings and events: kept once, found fast."""
