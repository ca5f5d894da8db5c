"""Readings that do not fit the person they are assigned to: kept, asked about, and filed only if they are theirs."""
