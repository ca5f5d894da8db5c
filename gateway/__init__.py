"""The box in the home: reads devices, keeps what they tell on disk, and hands it to the server.

Row after row the same bargain is kept. A device is told to forget a record only when the spool has it on disk; the
spool forgets a row only when the server says it is committed. Everything between may fail at any time.

The rooms, from the top; each stands on those below it, never on one above (`import-linter` holds that):

    commands/   what a person does here by hand: look who advertises, pair a device, write a session down
    visits/     the conversations with the devices, and the orders to them
    home/       what the patient sees, hears and is asked; and the rules, while the server is away
    uplink/     the way to the server and back
    afar/       what the server wants of this hub: its configuration, and what the home is asked
    links/      the radio and the ports; nothing else here touches hardware
    identity/   who this hub is, and whom it believes
    spool/      what the devices told, on disk until the server has it
    clock/      what time it is
    config/     what stands in gateway.toml

`app` puts them together. `metrics` tells a monitor how they are. `door`, `files`, `tasks` and `backoff` are what many
of them need: a question over HTTP, a file that is whole, a task that has ended, a wait that grows.
"""

VERSION = "0.1.0"
