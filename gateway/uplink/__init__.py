"""The way to the server and back, over a broker that may lose anything.

A row stays in the spool until the server itself says that it is committed; the broker's word is never taken for that.

sending.py    connect, send what waits, say that we live, release what is acknowledged: for ever
window.py     what is under way and what goes next; pure
batch.py      rows as they travel
answered.py   which answer of the server's was heard last, by which it knows when a message was sent
broker.py     one connection to a broker
"""
