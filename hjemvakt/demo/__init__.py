"""A small municipality on one machine: every part a process of its own, every wire a real one, only the people made up.

town.py     who lives there; writes the configuration each part reads
stage.py    starts the processes, waits until they are ready, stops them
staff.py    a nurse and a doctor as the server sees them: a session, a stream, commands
story.py    what must happen and what has happened; pure
telling.py  the lines on the terminal
"""
