"""The radio and the ports: each link the sole user of its hardware library, loaded only where it is asked for.

contract.py         what a session may expect of a connection
ble.py              Bluetooth LE through bleak: one scanner, a visit when a device wakes
target.py           a configured device, and what it told that nobody has taken yet
gatt.py             a device that is connected to, and its pipes
radios.py           which radio: BlueZ, or a controller of our own
bluez.py            what BlueZ must be asked beside bleak; bluez_objects.py what it knows; bluez_agent.py whom it asks
bumble_backend.py   bleak over Bumble; bumble_host.py its host; bumble_bonds.py the bonds in a file
sightings.py        who advertises here, for a person who looks; bonding.py makes a bond that one asks for
slots.py            the few connections of an adapter, and who is next
recovery.py         what a failed connection says about a bond; pure
serial.py           ports that may vanish and come back
"""
