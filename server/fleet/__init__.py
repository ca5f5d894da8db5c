"""The gateways and devices out there, and what of theirs could not be filed."""
