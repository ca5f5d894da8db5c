"""A BerryMed BM1000 finger oximeter: the BCI stream of `bci.py` through a Bluetooth module that replaces a cable.

The module knows nothing of packets: it passes on what has come, at most 20 bytes at a time. Here that is ten packets of
five bytes every tenth of a second, cut without regard to where a packet begins.

Source: the BCI protocol as BerryMed publishes it (zh2x/BCI_Protocol); the module's transparent serial service.
"""

from firmware_sim.device import Can, Pipe
from firmware_sim.devices import _gatt
from firmware_sim.devices._worn import CableDevice
from firmware_sim.devices.bci import BciOximeter
from firmware_sim.kinds import Kind

SERVICE = "49535343-fe7d-4ae5-8fa9-9fafd205e455"
STREAM = "49535343-1e4d-4bd9-ba61-23c647249616"


class Bm1000(CableDevice):
    """The firmware."""

    name = "BerryMed"
    model = "BM1000"
    advertised = (SERVICE,)
    cable = BciOximeter
    stream = STREAM
    most = 18
    pace_s = 0.1
    pipes = (Pipe(SERVICE, STREAM, Can.NOTIFY), *_gatt.CLOCKLESS_PIPES)


KINDS = (Kind("berrymed-ble", "BerryMed finger oximeter, over Bluetooth", "berrymed-ble", "air", "oximeter", Bm1000),)
