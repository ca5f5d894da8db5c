"""docs/reference/metrics.md as data: what the page says there is, by its sections."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from prometheus_client.metrics_core import Metric

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"
OURS = "hjemvakt_"


class Line(NamedTuple):
    """A metric: its name as it is queried (a histogram's without its endings), its kind and its labels."""

    name: str
    kind: str
    labels: frozenset[str]


def section(title: str) -> set[Line]:
    """The metrics of the page's section of that title."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", text, re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows}), "each metric once"
    return {Line(name, kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def told(families: Iterable[Metric]) -> set[Line]:
    """The same of what was scraped; the moment a counter was created is the library's own remark."""
    return {
        Line(_queried(one), _kind(one), frozenset(name for sample in one.samples for name in sample.labels) - {"le"})
        for one in families
        if one.name.startswith(OURS) and not one.name.endswith("_created")
    }


def _queried(one: Metric) -> str:
    return one.name + {"counter": "_total"}.get(one.type, "")


def _kind(one: Metric) -> str:
    return "info" if one.name.endswith("_info") else one.type
