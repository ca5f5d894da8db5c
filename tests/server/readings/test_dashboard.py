"""The Grafana dashboard of the bucket: each of its queries asks a real InfluxDB, and gets rows."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient

from server.config import Influx
from server.readings.contract import Entry
from server.readings.flux import rows_of
from server.readings.influx import InfluxStore
from server.readings.moments import moment
from tests.server.readings.made import reading
from vitals.clock import NS

BOARD = json.loads(
    (Path(__file__).parents[3] / "configs" / "grafana" / "hjemvakt-readings.json").read_text(encoding="utf-8")
)
VARIABLES = {one["name"]: one for one in BOARD["templating"]["list"]}
HOUR_NS = 3600 * NS

Row = dict[str, str]


def queries() -> dict[str, str]:
    """Every query there is, by the title of its panel or the name of its variable."""
    found = {name: one["query"]["query"] for name, one in VARIABLES.items() if one["type"] == "query"}
    return found | {panel["title"]: target["query"] for panel in BOARD["panels"] for target in panel.get("targets", ())}


class Grafana:
    """Asks as Grafana does: its own words are put in, and the reader's choice."""

    def __init__(self, bucket: Influx, now_ns: int) -> None:
        self._words = {
            "v.defaultBucket": f'"{bucket.bucket}"', "v.timeRangeStart": moment(now_ns - 48 * HOUR_NS),
            "v.timeRangeStop": moment(now_ns + NS), "v.windowPeriod": "10m", "${patient}": "eva", "${channel}": "spo2",
        }  # fmt: skip
        self._client = InfluxDBClient(bucket.url, bucket.token() or "", org="-")

    def ask(self, query: str) -> list[Row]:
        for word, meaning in self._words.items():
            query = query.replace(word, meaning)
        assert not re.search(r"\$\{|\bv\.", query), "a word that Grafana would not know"
        annotated = self._client.query_api().query_raw(query).data.decode()
        return list(rows_of("\n".join(line for line in annotated.splitlines() if not line.startswith("#"))))

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def asked(influx: InfluxStore, bucket: Influx) -> Any:
    now_ns = time.time_ns()
    readings = [
        reading(90 + n % 8, now_ns - n * HOUR_NS // 6, status=("motion",) if n % 5 == 0 else ()) for n in range(60)
    ]
    readings += [reading(80 + n / 10, now_ns - n * 24 * HOUR_NS, channel="weight", device="scale") for n in range(2)]
    readings += [reading(70, now_ns - n * HOUR_NS, channel="pulse_rate", patient="odd") for n in range(5)]
    influx.take([Entry(1, now_ns, tuple(readings))])
    grafana = Grafana(bucket, now_ns)
    yield {title: grafana.ask(query) for title, query in queries().items()}
    grafana.close()


@pytest.mark.influx
def test_every_query_of_the_dashboard_returns_what_it_is_about(asked: dict[str, list[Row]]) -> None:
    assert [title for title, rows in asked.items() if not rows] == []
    assert {row["_value"] for row in asked["patient"]} == {"eva", "odd"}
    assert {row["_value"] for row in asked["channel"]} == {"spo2", "weight"}
    chart = asked["${channel}"]
    assert len(chart) == 60
    assert {row["device"] for row in chart} == {"oximeter"}
    assert all(90 <= float(row["_value"]) <= 97 for row in chart)
    counts = {"Readings an hour": 62, "Readings an hour that the device doubts": 12, "Readings an hour, everybody": 67}
    assert {title: sum(int(row["_value"]) for row in asked[title]) for title in counts} == counts
    newest = [(row["channel"], row["device"], float(row["_value"])) for row in asked["Newest of each device"]]
    assert newest == [("spo2", "oximeter", 90), ("weight", "scale", 80)]
    assert max(float(row["_value"]) for row in asked["From measurement to server"]) == pytest.approx(24 * 3600, abs=1)
    assert 0 <= float(asked["Since the newest reading"][0]["_value"]) < 600
    assert [row["_value"] for row in asked["Patients with readings"]] == ["2"]


def test_every_panel_has_the_chosen_source_an_explanation_and_a_place_of_its_own() -> None:
    panels = [one for one in BOARD["panels"] if one["type"] != "row"]
    assert len(queries()) == len(panels) + 2
    sources = [one["datasource"] for one in panels] + [
        one["datasource"] for one in VARIABLES.values() if "datasource" in one
    ]
    assert all(one == {"type": "influxdb", "uid": "${source}"} for one in sources)
    assert VARIABLES["source"]["query"] == "influxdb"
    assert all(one["description"] for one in panels)
    places = [
        (x, y)
        for grid in (one["gridPos"] for one in BOARD["panels"])
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(places) == len(set(places))
    assert len({one["id"] for one in BOARD["panels"]}) == len(BOARD["panels"])
