"""People, the devices assigned to them, and the programmes they follow."""
