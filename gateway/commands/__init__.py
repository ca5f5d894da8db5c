"""What a person does on the hub by hand, standing beside a device.

scan.py      who advertises here, and which drivers would take them
pair.py      a bond that a device tells nothing without
capture.py   one live session written down, for the test of a driver
"""
