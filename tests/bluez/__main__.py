"""`python -m tests.bluez [PYTEST OPTIONS]`: every proof in the machine, and a short table."""

import os
import shlex
import sys

from tests.bluez import image
from tests.bluez.image import MachineError
from tests.bluez.machine import TROUBLE, Ran, run

_PYTEST = "python3 -m pytest -q -p no:cacheprovider tests/bluez/proofs"


def main(options: list[str]) -> int:
    """The exit status of the proofs. Without the means it says what is left out; CI leaves nothing out."""
    lacking = image.lacking()
    if lacking:
        print(f"LEFT OUT: the proofs on the real Bluetooth stack: there is no {', no '.join(lacking)}", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    try:
        ran = run(shlex.join([*shlex.split(_PYTEST), *options]), say=_print)
    except MachineError as error:
        print(error, file=sys.stderr)
        return TROUBLE
    print(_table(ran))
    return ran.status


def _table(ran: Ran) -> str:
    indications = next((line for line in ran.output.splitlines() if line.startswith("indications: ")), "")
    return "\n".join(
        [
            f"image         {f'{ran.build_s:.0f} s' if ran.build_s else 'was there'}",
            f"boot          {ran.boot_s:.0f} s",
            f"proofs        {ran.run_s:.0f} s",
            f"indications   {indications.removeprefix('indications: ') or 'not counted'}",
        ]
    )


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
