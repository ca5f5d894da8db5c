"""The conversations with the devices, from connection to connection, and the orders to them.

A link brings bytes, a driver says what they mean, and a session stands between: it keeps each burst on disk before the
driver sees it, and tells the device to forget a record only when that is stored.

devices.py   which devices there are, and the visits to them
session.py   one device, from connection to connection
talk.py      one connection: the driver's contract, carried out to the letter
meaning.py   what a driver made of a burst; pure
account.py   what the device told, stored, and what is known of it by that
packets.py   its packets on disk, and how far its driver has come with them
frame.py     its time, though the hub's clock may jump
orders.py    what the server asks of a device: on disk before each step, done at most once
"""
