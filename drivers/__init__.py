"""Bytes in, meaning out: one file per device, pure, found by import."""
