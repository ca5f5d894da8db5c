"""The box in the home: reads devices, keeps what they tell on disk, and hands it to the server.

Row after row the same bargain is kept. A device is told to forget a record only when the spool has it on disk; the
spool forgets a row only when the server says it is committed. Everything between may fail at any time.
"""

VERSION = "0.1.0"
