"""Many worlds, or one again.

    python -m tests.swarm [--seed N] [--seeds N] [--steps N] [--seconds S]

Ends with 1 and says how to see it again when a promise was broken.
"""

import argparse
import sys
import time

from tests.swarm.many import Sum, live
from tests.swarm.world import Failed


def main(argv: list[str]) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="swarm", description="Lives whole worlds, and breaks them.")
    parser.add_argument("--seed", type=int, default=1, help="the first world (1)")
    parser.add_argument("--seeds", type=int, help="so many worlds (1 where --seed is given, else as --seconds allows)")
    parser.add_argument("--steps", type=int, default=300, help="so many steps in each (300)")
    parser.add_argument("--seconds", type=float, default=60.0, help="begin no new world after so long (60)")
    said = parser.parse_args(argv)
    named = any(word.split("=")[0] == "--seed" for word in argv)
    seeds = said.seeds or (1 if named else 1_000_000)
    total, begun_s = Sum(), time.monotonic()
    try:
        for done in live(range(said.seed, said.seed + seeds), said.steps, said.seconds):
            total.add(done)
            if seeds <= 20:
                print(f"seed {done.seed}: {done.stored:,} stored, trace {done.trace}", flush=True)
    except Failed as failure:
        print(f"BROKEN: {failure}", file=sys.stderr)
        return 1
    print(total.report(time.monotonic() - begun_s))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
