"""Store and forward: what the devices told, on disk until the server has it.

One SQLite file with one writer. `put` returns when a commit has survived a power cut; a row goes when the server itself
says that it has it. Whatever must not come apart is in one transaction: rows, how far their device was read, how far an
order has come, and the bytes that the rows were made of.

store.py     the spool as everybody sees it: asynchronous, with many puts in one commit
file.py      its rows in their file, in the spool's one thread
rows.py      what is handed in and out
schema.py    the tables, and what SQLite's errors mean
ledger.py    the table of orders
boots.py     the table of boots: in which of them a row was received
raw.py       the table of bytes that nobody has understood yet
reserve.py   room on the disk, taken in advance
shed.py      what goes first when a spool runs full
"""
