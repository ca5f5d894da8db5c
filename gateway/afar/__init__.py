"""What the server wants of this hub: signed documents that come down, of which the newest counts.

Each is looked at as a whole, believed or refused, and on disk before it counts, so that a restart finds it; the
heartbeat says which version that is, and the server sends it until then.

configuration.py   other devices, another heartbeat: on trial first, then in place of the file's own
wishes.py          what the home is asked and told, and the programme it is watched by while the server is away
"""
