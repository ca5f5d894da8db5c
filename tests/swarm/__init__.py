"""The swarm: homes, broker and server in one process, under simulated time, network and disk.

A world is drawn from a seed and nothing else, so what fails once fails again: same seed, same steps, same trace. What
is real is our own code, from `gateway.spool` and `gateway.uplink` to `server.app`, and the SQLite files under it. What
is simulated is what we cannot choose in a real house: when time passes (`loop`), what a network does (`net`), where the
power fails (`home`, `centre`), what there is to measure (`bodies`). After each step the promises are checked (`checks`)
against what is on the server's disk (`look`), and the alarms against a second opinion (`evaluator`).

    python -m tests.swarm                        many seeds for a minute
    python -m tests.swarm --seed 7 --steps 300   one world
"""
