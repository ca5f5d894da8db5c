"""Homes that do not exist: people with a physiology, and the firmware of the devices they own.

The simulator knows nothing of the gateway's drivers. Its devices are written from the published specifications, so a
misreading in a driver meets an independent reading here instead of its own mirror image. It has no opinion on who is
ill either: a scenario moves a body, a device measures it, and what comes of it is for others to find out.
"""
