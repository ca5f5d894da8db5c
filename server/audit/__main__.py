"""`hjemvakt audit verify`: is the audit trail what it was?"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from server.audit import heads
from server.audit.verify import verify
from server.config import load
from server.db import Database
from server.fleet.seals import Signer
from vitals.errors import ConfigError, HjemvaktError

OK, ALTERED, UNUSABLE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 for a trail that is what it was, 1 for one that is not, 2 when it cannot be told."""
    said = _parser().parse_args(argv)
    try:
        code: int = said.do(said)
    except HjemvaktError as error:
        print(f"error: {error}", file=sys.stderr)
        return UNUSABLE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hjemvakt audit", description="Who saw what, and who did what.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "verify", help="is the trail what it was?",
        description="Reads the whole audit trail beside the running server, makes every link anew, and holds it "
        "against the signed heads. Prints one line; exits with 1 where something was altered, taken out or cut off.",
    )  # fmt: skip
    check.add_argument("--config", type=Path, required=True, metavar="CONFIG", help="server.toml")
    check.add_argument("--heads", type=Path, metavar="FILE", help="a copy of the heads kept elsewhere (else: [audit])")
    check.add_argument("--key", type=Path, metavar="FILE", help="the server's public key, kept elsewhere (server.pub)")
    check.set_defaults(do=_verify)
    return parser


def _verify(said: argparse.Namespace) -> int:
    config = load(said.config)
    where = config.database.where(config.data)
    if isinstance(where, Path) and not where.exists():
        raise ConfigError(f"there is no database {where}", "start the server once: it begins the trail then")
    path = said.heads or config.heads
    lines = heads.read(path, _key(said.key, config.data / "authority")) if said.heads or path.exists() else ()
    db = Database(where)
    try:
        db.reach()
        with db.read() as tx:
            verdict = verify(tx, lines)
    finally:
        db.close()
    if verdict.wrong is not None:
        print(f"{db.name}: {verdict.wrong}")
        return ALTERED
    held = f"held against {verdict.heads} heads" if verdict.heads else f"without heads ({path} is not there)"
    print(f"{db.name}: ok: {verdict.entries} entries, {held}")
    return OK


def _key(file: Path | None, authority: Path) -> Ed25519PublicKey:
    if file is None:
        return heads.public_key(Signer(authority).public_pem(), str(authority))
    try:
        return heads.public_key(file.read_bytes(), str(file))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror})", "give the server.pub of that server") from error


if __name__ == "__main__":
    sys.exit(main())
