"""The gateway on the real Linux Bluetooth stack, without hardware: a small virtual machine, and proofs that run in it.

`image` builds what the machine boots, `machine` boots it and runs a command, `guest/` is what runs in it as the first
process, `proofs/` is what is proved. The kernel's `hci_vhci` gives BlueZ an adapter whose controller is Bumble's.
"""
