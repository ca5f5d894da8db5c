"""What stands in `gateway.toml`: what the hub is called, whom it reports to, and which devices it reads.

model.py    the tables and keys that there are
file.py     a file read, into a configuration that can be used; and what is wanted from afar, put in its place
checks.py   what can be checked before the first device is switched on
"""
