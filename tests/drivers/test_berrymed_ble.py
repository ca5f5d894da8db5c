"""The stream of a BerryMed oximeter means the same wherever the notifications cut it."""

import random
from pathlib import Path

from drivers.berrymed_ble import STREAM, Bm1000
from drivers.capture import parse
from drivers.contract import Out, Rx

CAPTURE = Path(__file__).parent / "captures" / "berrymed-ble-normal.cap"


def told(cut: random.Random | None) -> list[Out]:
    reader, outs = Bm1000(), []
    for step in parse(CAPTURE.read_text()).steps:
        if step.rx is None:
            continue
        data = step.rx.data
        at = sorted(cut.randrange(len(data) + 1) for _ in range(3)) if cut else []
        for a, b in zip([0, *at], [*at, len(data)], strict=True):
            outs += reader.feed(Rx(STREAM, data[a:b], step.rx.t_ns))
    return outs


def test_notifications_may_cut_the_stream_anywhere() -> None:
    whole = told(None)
    assert len(whole) == 7
    for seed in range(100):
        assert told(random.Random(seed)) == whole, f"seed {seed}"
