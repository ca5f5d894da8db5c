"""The shared words: what a measurement, an event, an alarm and a message are, for both ends of the wire.

Pure by rule (import-linter holds it): no I/O, no logging, and no clock but the one in `vitals.clock`.
"""
