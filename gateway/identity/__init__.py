"""Who this hub is, and whom it believes.

A hub makes its own key, redeems a code for a certificate, and comes in by that; what it sends is sealed, and what it is
told is believed only with the server's seal or signature.

held.py      the identity on disk
draft.py     another in the making, and how it becomes the hub's
secure.py    the connection to the broker, made safe by it
claim.py     `hjemvakt gateway claim CODE`: become one of the server's gateways
renewal.py   the next certificate, asked for in time
moment.py    what time it is at least, for certificates
seals.py     the keys that what goes up is sealed with, and what comes down is held against
"""
