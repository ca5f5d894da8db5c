"""What was seen and done stands as it was written, or the chain says where it does not."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as some

from server import revisions
from server.audit import chain, heads
from server.audit.__main__ import main
from server.audit.chain import BEGINNING, Entry, link
from server.audit.heads import Heads
from server.audit.store import Looks, Said, audit, head, write, write_all
from server.audit.verify import Verdict, verify
from server.config import Database as DatabaseConfig
from server.db import Database
from server.fleet.seals import Signer
from tests.lite import lay
from vitals.clock import NS

TEXTS = some.text(some.characters(exclude_categories=["Cs"]), max_size=20)
ENTRIES = some.builds(
    Entry, some.integers(1, 2**60), some.integers(-(2**60), 2**60), TEXTS, TEXTS, some.none() | TEXTS, TEXTS
)


@given(ENTRIES, ENTRIES, some.binary(min_size=32, max_size=32))
def test_no_two_entries_have_the_same_link(one: Entry, other: Entry, before: bytes) -> None:
    assert (link(before, one) == link(before, other)) == (one == other)
    assert link(before, one) != link(link(before, one), one)


def test_a_field_cannot_move_into_its_neighbour() -> None:
    one, other = Entry(1, 0, "ab", "c", None, ""), Entry(1, 0, "a", "bc", None, "")
    assert link(BEGINNING, one) != link(BEGINNING, other)
    assert link(BEGINNING, Entry(1, 0, "", "", "", "")) != link(BEGINNING, Entry(1, 0, "", "", None, ""))


def test_the_first_links_are_what_they_have_always_been() -> None:
    """They stand in files that are kept for years: the way to make them does not change."""
    entries = [Entry(1, 1_000, "kari", "see patient", "solveig", ""), Entry(2, 2_000, "kari", "sign out", None, "æøå")]
    assert [one.hex()[:16] for one in chain.links(BEGINNING, entries)] == ["eee842a84b2ba29f", "9cd645e335ce88f1"]


class Trail:
    """A database with a trail, the server's key, and a file of heads elsewhere."""

    def __init__(self, folder: Path, database: DatabaseConfig) -> None:
        lay(database.where(folder))
        self.db = Database(database.where(folder))
        self.signer = Signer(folder / "authority")
        self.path = folder / "elsewhere" / "heads"
        self.heads = Heads(self.db, self.signer, self.path)

    def write(self, count: int, first: int = 0) -> None:
        with self.db.write() as tx:
            write_all(tx, [Said(n * NS, "kari", "see patient", f"p-{n}", "") for n in range(first, first + count)])
        self.heads.export(count * NS)

    def damage(self, statement: sa.Executable) -> None:
        """Somebody with the database's password."""
        with self.db.write() as tx:
            tx.execute(statement)

    def verdict(self) -> Verdict:
        key = heads.public_key(self.signer.public_pem(), "the server's key")
        with self.db.read() as tx:
            return verify(tx, heads.read(self.path, key) if self.path.exists() else ())

    def made_anew(self, first: int) -> None:
        """Somebody who knows how the chain is made makes it fit again from there."""
        with self.db.write() as tx:
            rows = tx.execute(sa.select(audit).order_by(audit.c.id)).all()
            tie = BEGINNING
            for row in rows:
                tie = link(tie, Entry(*row[:6])) if row.id >= first else bytes(row.link)
                tx.execute(audit.update().where(audit.c.id == row.id).values(link=tie))


@pytest.fixture
def trail(tmp_path: Path, database: DatabaseConfig) -> Iterator[Trail]:
    made = Trail(tmp_path, database)
    yield made
    made.db.close()


def test_a_trail_that_nobody_touched_is_well(trail: Trail) -> None:
    assert trail.verdict() == Verdict(0, 0)
    trail.write(30)
    trail.write(30, first=30)
    assert trail.verdict() == Verdict(60, 2)


@pytest.mark.parametrize("column", ["t_ns", "who", "what", "patient_id", "detail", "link"])
def test_the_first_altered_entry_is_pointed_at(trail: Trail, column: str) -> None:
    trail.write(30)
    kinds = {"t_ns": 1, "link": b"x" * 32}
    for number in (17, 21):
        trail.damage(audit.update().where(audit.c.id == number).values({column: kinds.get(column, "mallory")}))
    assert trail.verdict() == Verdict(16, 1, "entry 17 is not what it was when it was written")


def test_so_is_one_that_was_taken_out_and_one_that_was_put_in(trail: Trail) -> None:
    trail.write(30)
    trail.damage(audit.delete().where(audit.c.id.in_([5, 6])))
    assert trail.verdict() == Verdict(4, 1, "entries 5 to 6 are missing: somebody took it out")
    trail.damage(audit.insert().values(id=5, t_ns=0, who="kari", what="sign in", detail="", link=b"x" * 32))
    assert trail.verdict() == Verdict(4, 1, "entry 5 is not what it was when it was written")


def test_an_end_that_was_cut_off_shows_by_the_heads_alone(trail: Trail) -> None:
    trail.write(30)
    trail.write(10, first=30)
    trail.damage(audit.delete().where(audit.c.id > 33))
    wrong = "entries 34 to 40 are missing: the end was cut off, line 2 of the heads knew it"
    assert trail.verdict() == Verdict(33, 2, wrong)
    with trail.db.read() as tx:
        assert verify(tx).wrong is None, "what is left of a chain is a chain"


def test_a_chain_that_was_made_anew_does_not_fit_the_heads(trail: Trail) -> None:
    for first in (0, 10, 20):
        trail.write(10, first=first)
    trail.damage(audit.update().where(audit.c.id == 15).values(who="mallory"))
    trail.made_anew(15)
    wrong = "the trail was made anew somewhere after entry 10: entry 20 is not that of line 2"
    assert trail.verdict() == Verdict(20, 3, wrong)


def test_a_head_that_the_server_did_not_sign_is_no_head(trail: Trail) -> None:
    trail.write(3)
    line = json.loads(trail.path.read_text())
    line["head"] = line["head"].replace('"entries":3', '"entries":2')
    with trail.path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    assert trail.verdict().wrong == "line 2 of the heads is not signed by this server"


def test_a_head_is_exported_once_and_a_half_written_line_is_none(trail: Trail) -> None:
    trail.write(3)
    trail.heads.export(99)
    assert len(trail.path.read_text().splitlines()) == 1
    with trail.path.open("a") as file:
        file.write('{"head":"cut off by a power fai')
    assert trail.verdict() == Verdict(3, 1)
    trail.write(2)
    assert trail.verdict() == Verdict(5, 2), "nor does it spoil the line that comes after it"


def test_writers_of_one_moment_share_a_transaction_and_each_look_is_written(trail: Trail) -> None:
    looks, begun = Looks(trail.db), []
    write_before = trail.db.write

    def counting():  # type: ignore[no-untyped-def]
        begun.append(1)
        return write_before()

    trail.db.write = counting  # type: ignore[method-assign]
    everybody = threading.Barrier(20)

    def look(number: int) -> None:
        everybody.wait(10)
        looks.saw(NS, "kari", "patient", f"p-{number}")
        looks.saw(2 * NS, "kari", "patient", f"p-{number}")

    threads = [threading.Thread(target=look, args=(n,)) for n in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    with trail.db.read() as tx:
        assert head(tx)[0] == 20, "each once: the second look is the same"
        assert verify(tx).wrong is None
    assert len(begun) < 20


def test_a_look_that_cannot_be_written_is_refused_and_comes_again(trail: Trail) -> None:
    looks, well = Looks(trail.db), trail.db.write

    def full():  # type: ignore[no-untyped-def]
        raise OSError(28, "no space")

    trail.db.write = full  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no space"):
        looks.saw(NS, "kari", "patient", "p-1")
    trail.db.write = well  # type: ignore[method-assign]
    looks.saw(2 * NS, "kari", "patient", "p-1")
    with trail.db.read() as tx:
        assert tx.execute(sa.select(audit.c.t_ns)).scalars().all() == [2 * NS]


def test_what_was_rolled_back_was_not_written(trail: Trail) -> None:
    with trail.db.write() as tx:
        write(tx, 1, "kari", "close", "p-1")
        tx.get_transaction().rollback()  # type: ignore[union-attr]
    trail.write(2)
    assert trail.verdict() == Verdict(2, 1)


def test_a_trail_of_before_is_chained_as_it_stands(tmp_path: Path, database: DatabaseConfig) -> None:
    db = Database(database.where(tmp_path))
    with db.write() as tx:
        if database.url:  # a copy of one that is at the newest revision
            tx.execute(sa.text("DROP SCHEMA public CASCADE"))
            tx.execute(sa.text("CREATE SCHEMA public"))
        revisions.upgrade_to(tx, "0017")
        for number in (3, 4, 9):
            tx.execute(
                sa.text("INSERT INTO audit (id, t_ns, who, what, detail) VALUES (:n, 1, 'kari', 'see page', '')"),
                {"n": number},
            )
    revisions.upgrade(db)
    with db.write() as tx:
        assert verify(tx) == Verdict(3, 0)
        write(tx, 2, "kari", "sign out")
        assert verify(tx) == Verdict(4, 0)
    db.close()


def test_the_command_says_where_and_exits_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    trail = Trail(tmp_path / "data", DatabaseConfig())
    trail.write(5)
    config = tmp_path / "server.toml"
    config.write_text('name = "Salten"\n[audit]\nheads = "data/elsewhere/heads"\n', encoding="utf-8")
    public = tmp_path / "server.pub"
    public.write_bytes(trail.signer.public_pem())
    said = ["verify", "--config", str(config), "--key", str(public), "--heads", str(trail.path)]
    assert main(["verify", "--config", str(config)]) == 0
    assert "ok: 5 entries, held against 1 heads" in capsys.readouterr().out
    trail.damage(audit.update().where(audit.c.id == 2).values(who="mallory"))
    assert main(said) == 1
    assert "entry 2 is not what it was when it was written" in capsys.readouterr().out
    public.write_text("no key")
    assert main(said) == 2
    assert "server.pub holds no public key" in capsys.readouterr().err
    trail.db.close()
