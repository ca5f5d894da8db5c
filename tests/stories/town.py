"""A whole town in one process: bodies, device firmware, drivers, spools and the server, on a clock that a story moves.

Only the wires are missing. A home's devices answer the gateway's own sessions through memory, and what the spool holds
is handed to the server as the uplink would send it; the acknowledgements that come back release it. So a story can
cut any of these at any moment and look at what is left.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import tomli_w

from drivers.catalogue import find
from drivers.contract import Driver, Rx
from firmware_sim import scenario as stories
from firmware_sim.app import Firmware, household_firmware
from firmware_sim.body import Body
from firmware_sim.devices.dispenser import Dispenser
from firmware_sim.devices._spot import SpotDevice
from gateway.session import Session
from gateway.spool import Spool
from server.alarms import store as alarms
from server.alarms import table
from server.alarms.model import Alarm
from server.app import Server
from server.broker.accounts import hash_password
from server.config import Config
from server.notify.phone import messages
from vitals import wire
from vitals.clock import NS, ManualClock
from vitals.errors import LinkError
from vitals.wire import Ack, Batch, Health, Row
