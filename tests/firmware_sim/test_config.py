"""The simulator's configuration: what is found where, and what is refused."""

import re
from pathlib import Path

import msgspec
import pytest

from firmware_sim.__main__ import main
from firmware_sim.config import home_name, load
from firmware_sim.kinds import kinds
from gateway.config.file import load as load_gateway
from vitals.errors import ConfigError

ROOT = Path(__file__).parents[2]
OXIMETER = '[[homes.devices]]\nkind = "oximeter"\nid = "oxi"\naddress = "F0:00:00:00:00:01"\n'
KARI = """
person = "Kari"
scenario = "stable"
devices = ["and-ua651", "scale", { kind = "scale", battery = 8 }, "mt-sics"]
"""
HOME = '[[homes]]\nname = "h"\nscenario = "stable"\nradio = "unix-server:run/h.hci"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "sim.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_loads() -> None:
    config = load(ROOT / "configs" / "sim.toml")
    assert {device.kind for home in config.homes for device in home.furnished} == {"oximeter", "scale", "dispenser"}


def test_paths_are_relative_to_the_file_and_scenarios_are_found(tmp_path: Path) -> None:
    port = '[[homes.devices]]\nkind = "dispenser"\nid = "d"\nport = "../ports/d"\n'
    config = load(written(tmp_path, HOME + OXIMETER + port))
    (home,) = config.homes
    assert home.radio == f"unix-server:{tmp_path}/run/h.hci"
    assert home.furnished[1].port == str(tmp_path.parent / "ports" / "d")
    assert Path(home.scenario) == ROOT / "configs" / "scenarios" / "stable.toml"
    assert home.furnished[0].serial == "OXI"


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
        (HOME + OXIMETER.replace("oximeter", "dispenser"), "is on a serial line and has an address"),
        (HOME + OXIMETER + 'port = "p"', "is on the air and has a port"),
        (HOME.replace("unix-server", "usb"), "unix-server:PATH"),
        (HOME + OXIMETER.replace("address", "adress"), "did you mean 'address'?"),
        (
            HOME + OXIMETER.replace("oximeter", "oxymeter"),
            "no simulated device is called 'oxymeter': did you mean 'oximeter'",
        ),
        (HOME + OXIMETER + "options = { unit = 'lb' }", "the kind oximeter has no options"),
        (HOME + "devices = [{ kind = 'mt-sics', options = { unt = 'lb' } }]", "did you mean 'unit'?"),
        (
            KARI.replace("and-ua651", "and-ua615"),
            "kari: and-ua615: no simulated device is called 'and-ua615': did you mean",
        ),
        (KARI.replace("stable", "unstable"), "sepsis"),
        (KARI.replace("person", "persona"), "did you mean 'person'?"),
        (KARI + HOME, "person beside [[homes]]"),
        ("person = 'Kari'\nscenario = 'stable'", "no devices"),
        ("[clock]\nspeed = 0\n" + HOME, "speed 0"),
        (HOME + OXIMETER + "[homes.devices.faults]\ndrop = 2", "drop"),
        (HOME.replace("run/h", "r" * 120), "shorter"),
        ("seed = 1", "give person, scenario and devices, or a table of [[homes]]"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, text))
    assert said in str(refused.value)


def test_a_home_of_a_few_lines_is_furnished_and_the_same_each_time(tmp_path: Path) -> None:
    (home,) = load(written(tmp_path, KARI)).homes
    assert (home.name, home.radio) == ("kari", f"unix-server:{tmp_path}/kari/radio")
    cuff, scale, worn_out, line = home.furnished
    assert [device.id for device in home.furnished] == ["kari-and-ua651", "kari-scale", "kari-scale-2", "kari-mt-sics"]
    assert len({cuff.address, scale.address, worn_out.address}) == 3
    assert (worn_out.battery, scale.battery) == (8, 90)
    assert (line.port, line.address) == (str(tmp_path / "kari" / "kari-mt-sics"), "")
    assert load(written(tmp_path, KARI)).homes == (home,)
    moved = load(written(tmp_path, KARI + 'folder = "../run"\n')).homes[0]
    assert moved.radio == f"unix-server:{tmp_path.parent}/run/kari/radio"
    assert [device.address for device in moved.furnished] == [device.address for device in home.furnished]


def test_a_home_without_devices_on_the_air_needs_no_radio(tmp_path: Path) -> None:
    (home,) = load(written(tmp_path, 'person = "Kari"\nscenario = "stable"\ndevices = ["bci"]')).homes
    assert home.radio == ""


@pytest.mark.parametrize(
    ("person", "name"),
    [
        ("Kari", "kari"),
        ("Bjørn Åse Ærlig", "bjorn-ase-aerlig"),
        ("  ", "home"),
        ("李雷", "home"),
        ("J. R. " * 9, "j-r-j-r"),
    ],
)
def test_a_person_s_name_makes_a_home_s_name_that_a_gateway_may_have(person: str, name: str) -> None:
    assert home_name(person).startswith(name)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,29}", home_name(person))


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "homes").glob("*.toml")), ids=lambda path: path.stem)
def test_the_gateway_of_an_example_home_can_use_what_is_printed_for_it(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gateway", str(path), "--speed", "60"]) == 0
    printed = tmp_path / "gateway.toml"
    printed.write_text(capsys.readouterr().out, encoding="utf-8")
    gateway, home = load_gateway(printed), load(path).homes[0]
    assert gateway.clock.speed == 60
    assert gateway.name == home.name
    assert gateway.radio.transport == home.radio.replace("unix-server:", "unix:")
    assert [(one.id, one.address or one.port) for one in gateway.devices] == [
        (device.id, device.address or device.port) for device in home.furnished
    ]


def test_a_home_is_chosen_by_name_where_there_are_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = HOME.replace('"h"', '"other"').replace("h.hci", "o.hci")
    path = str(written(tmp_path, HOME + OXIMETER + other + "devices = ['bci']"))
    assert main(["gateway", path, "other"]) == 0
    assert 'driver = "bci"' in capsys.readouterr().out
    assert main(["gateway", path]) == 2
    assert main(["gateway", path, "another"]) == 2
    assert main(["gateway", path, "h", "--speed", "0"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "there are several homes: name one: h, other",
        "there is no home 'another': there are: h, other",
        "clock speed 0: time goes forward: above 0, at most 100000",
    ]


def test_the_list_has_every_device_and_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert main(["list", "--json"]) == 0
    told = msgspec.json.decode(capsys.readouterr().out)
    assert [device["name"] for device in told["devices"]] == list(kinds())
    assert {one["name"] for one in told["scenarios"]} == {path.stem for path in (ROOT / "configs/scenarios").glob("*")}
    for one in (*told["devices"], *told["scenarios"]):
        assert any(line.startswith(one["name"]) and one["title"] in line for line in text.splitlines())


def test_a_clock_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = written(tmp_path, HOME)
    clock = tmp_path / "gateway.toml"
    for text, said in (("name = 'x'", "has no [clock]"), ("[clock]\nsped = 2", "did you mean 'speed'?"), ("[", "read")):
        clock.write_text(text, encoding="utf-8")
        assert main(["run", str(config), "--clock", str(clock)]) == 2
        assert said in capsys.readouterr().err


def test_check_says_in_one_line_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(ROOT / "configs" / "sim.toml")]) == 0
    assert "home-01" in capsys.readouterr().out
    assert main(["check", str(written(tmp_path, "sed = 1"))]) == 2
    assert main(["run", str(tmp_path / "none.toml")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2
