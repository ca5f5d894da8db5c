"""The simulator's configuration: what is found where, and what is refused."""

from pathlib import Path

import pytest

from firmware_sim.__main__ import main
from firmware_sim.config import load
from vitals.errors import ConfigError

ROOT = Path(__file__).parents[2]
OXIMETER = '[[homes.devices]]\nkind = "oximeter"\nid = "oxi"\naddress = "F0:00:00:00:00:01"\n'
HOME = '[[homes]]\nname = "h"\nscenario = "stable"\nradio = "unix-server:run/h.hci"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "sim.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_loads() -> None:
    config = load(ROOT / "configs" / "sim.toml")
    assert {device.kind for home in config.homes for device in home.devices} == {"oximeter", "scale", "dispenser"}


def test_paths_are_relative_to_the_file_and_scenarios_are_found(tmp_path: Path) -> None:
    port = '[[homes.devices]]\nkind = "dispenser"\nid = "d"\nport = "../ports/d"\n'
    config = load(written(tmp_path, HOME + OXIMETER + port))
    (home,) = config.homes
    assert home.radio == f"unix-server:{tmp_path}/run/h.hci"
    assert home.devices[1].port == str(tmp_path.parent / "ports" / "d")
    assert Path(home.scenario) == ROOT / "configs" / "scenarios" / "stable.toml"
    assert home.devices[0].serial == "OXI"


def test_scenarios_beside_the_file_come_first(tmp_path: Path) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "stable.toml").write_text('title = "mine"', encoding="utf-8")
    assert Path(load(written(tmp_path, HOME)).homes[0].scenario).parent == tmp_path / "scenarios"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HOME + HOME.replace('"unix-server:run/h.hci"', '"tcp-server:127.0.0.1:9000"'), "'h' stands twice"),
        (HOME + OXIMETER + OXIMETER, "'oxi' stands twice"),
        (HOME.replace("stable", "unstable") + OXIMETER, "sepsis"),
        (HOME + OXIMETER.replace("F0:", "20:"), "static random"),
        (HOME.replace("radio", "#") + OXIMETER, "give the home a radio"),
        (HOME + OXIMETER.replace("oximeter", "dispenser"), "has no port"),
        (HOME.replace("unix-server", "usb"), "unix-server:PATH"),
        (HOME + OXIMETER.replace("address", "adress"), "did you mean 'address'?"),
        (HOME + OXIMETER.replace("oximeter", "toaster"), "toaster"),
        ("[clock]\nspeed = 0\n" + HOME, "speed 0"),
        (HOME + OXIMETER + "[homes.devices.faults]\ndrop = 2", "drop"),
        (HOME.replace("run/h", "r" * 120), "shorter"),
        ("seed = 1", "homes"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, text))
    assert said in str(refused.value)


def test_check_says_in_one_line_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(ROOT / "configs" / "sim.toml")]) == 0
    assert "home-01" in capsys.readouterr().out
    assert main(["check", str(written(tmp_path, "sed = 1"))]) == 2
    assert main(["run", str(tmp_path / "none.toml")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2
