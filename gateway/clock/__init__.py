"""What time it is, on a machine that may begin in 1970 and whose clock anybody may set.

steady.py   the clock that nobody sets, counted from the boot
hub.py      the hub's own time, and the server's until that was ever set
"""
