"""A configuration is either good or answered with one line that says what to do."""

import logging
import stat
from pathlib import Path

import pytest

from drivers import catalogue
from drivers.contract import Driver, Serial
from gateway.__main__ import main
from gateway.config.file import load
from tests.gateway.visits.scripted import DRIVERS
from vitals.errors import ConfigError

ROOT = Path(__file__).parents[3]

GOOD = """
name = "home-01"
[uplink]
password_file = "password"
[radio]
kind = "bluez"
[[devices]]
id = "oxi-0001"
driver = "scripted"
address = "f0:00:00:00:00:01"
[[devices]]
id = "disp-0001"
driver = "on-serial"
port = "/dev/ttyUSB0"
"""


def find(name: str) -> type[Driver]:
    if name not in DRIVERS:
        raise ConfigError(f"no driver is called {name!r}", "did you mean 'scripted'?")
    return DRIVERS[name]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "password").chmod(0o600)
    path = tmp_path / "gateway.toml"
    path.write_text(GOOD)
    return path


def test_a_good_configuration_has_absolute_paths_and_addresses_in_capitals(file: Path) -> None:
    config = load(file, find)
    assert config.summary() == "home-01, 2 devices, broker 127.0.0.1:1883"
    assert config.devices[0].address == "F0:00:00:00:00:01"
    assert config.uplink.password() == "secret"
    assert Path(config.data) == file.parent / "data"
    assert Path(config.data).is_dir()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"scripted"', '"scriptid"', "device 'oxi-0001': no driver is called 'scriptid': did you mean 'scripted'?"),
        ('address = "f0:00:00:00:00:01"', "", "'oxi-0001' is a Bluetooth device: give it address"),
        ("f0:00:00:00:00:01", "f0-00", "address 'F0-00': write it as AA:BB"),
        ('port = "/dev/ttyUSB0"', "", "'disp-0001' is on a serial port: give it port"),
        ('port = "/dev/ttyUSB0"', 'port = "x"\naddress = "F0:00:00:00:00:02"', "and no address"),
        ('"disp-0001"', '"oxi-0001"', "2 devices have the id 'oxi-0001': give each its own"),
        ('"bluez"', '"none"', "'oxi-0001' needs a radio: add [radio]"),
        ('"bluez"', '"bumble"', "bumble without a transport: add transport"),
        ('"bluez"', '"bluez"\ntransport = "unix:x"', "bluez has no transport: remove it"),
        ('"bluez"', '"blues"', "blues"),
        ('"home-01"', '"Home 01"', "name 'Home 01': use small letters"),
        ('"oxi-0001"', '"oxi/0001"', "device id 'oxi/0001': use letters"),
        ('password_file = "password"', 'password_file = "passwd"', "passwd cannot be read"),
        ('password_file = "password"', "port = 0", "uplink.port"),
        ('password_file = "password"', 'passwd_file = "x"', "did you mean 'password_file'?"),
        ('password_file = "password"', 'tls = {ca = "no.pem"}', "no.pem is not there: name the authority"),
        ('password_file = "password"', 'password_file = "password"\ntls = {}', "take password_file out"),
        ('password_file = "password"', "tls = {claim_port = 0}", "claim_port"),
        ('name = "home-01"', 'name = "home-01"\ndata = "password"', "the data folder"),
        ('name = "home-01"', 'name = "home-01"\nheartbeat_s = 0', "heartbeat_s"),
        ('name = "home-01"', 'name = "home-01"\nheartbeat_s = inf', "heartbeat_s"),
        ("[radio]", "[radio", "is not TOML"),
        ('"scripted"', '"scripted"\nbaud = 2400', "'oxi-0001' has no serial line, but baud: remove what is for serial"),
        ('"on-serial"', '"on-serial"\nparity = "X"', "parity"),
        ('"on-serial"', '"on-serial"\nbaud = 0', "baud"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_the_mend(file: Path, old: str, new: str, says: str) -> None:
    assert GOOD.count(old) == 1
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as raised:
        load(file, find)
    assert says in str(raised.value)
    assert str(file) in str(raised.value) or "password file" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_scale_whose_menu_says_otherwise_is_read_with_the_settings_given(file: Path) -> None:
    card = DRIVERS["on-serial"].card
    file.write_text(GOOD.replace('"on-serial"', '"on-serial"\nbaud = 4800\nparity = "E"\nbits = 7'))
    assert load(file, find).devices[1].line(card) == Serial(4800, 7, "E", 1)
    file.write_text(GOOD)
    assert load(file, find).devices[1].line(card) == (card.serial or Serial(9600))


def test_two_devices_with_one_address_are_refused_however_it_is_spelled(file: Path) -> None:
    file.write_text(GOOD + '[[devices]]\nid = "x"\ndriver = "scripted"\naddress = "F0:00:00:00:00:01"\n')
    with pytest.raises(ConfigError, match="2 devices have the address 'F0:00:00:00:00:01'"):
        load(file, find)


def test_two_devices_on_one_port_are_refused_however_it_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links = {"/dev/serial/by-id/usb-box": "/dev/ttyUSB7"}
    monkeypatch.setattr("os.path.realpath", lambda port: links.get(port, port))
    devices = "".join(
        f'[[devices]]\nid = "{name}"\ndriver = "on-serial"\nport = "{port}"\n'
        for name, port in (("x", "/dev/ttyUSB7"), ("y", "/dev/serial/by-id/usb-box"))
    )
    file.write_text(GOOD + devices)
    with pytest.raises(ConfigError, match="2 devices have the port '/dev/ttyUSB7'"):
        load(file, find)


def test_a_password_that_everyone_can_read_is_warned_of(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    (file.parent / "password").chmod(0o644)
    with caplog.at_level(logging.WARNING):
        load(file, find)
    assert "can be read by everyone on this machine: chmod 600 it" in caplog.text


def test_what_is_measured_is_the_hubs_alone_and_a_folder_that_everyone_can_read_is_warned_of(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = Path(load(file, find).data)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert "chmod 700" not in caplog.text
    data.chmod(0o755)
    load(file, find)
    assert f"the data folder {data} can be read by everyone on this machine: chmod 700 it" in caplog.text


def test_the_example_configuration_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gateway.toml").write_text((ROOT / "configs" / "gateway.toml").read_text())
    (tmp_path / "password").write_text("secret")
    (tmp_path / "password").chmod(0o600)
    assert main(["check", str(tmp_path / "gateway.toml")]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/gateway.toml: ok: home-01, 3 devices, broker 127.0.0.1:1883\n"
    assert {"plx-1822", "wss-181d", "hjemvakt-dispenser"} <= set(catalogue.catalogue())


def test_check_says_what_is_wrong_on_stderr_and_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tmp_path / "none.toml")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "none.toml cannot be read" in said.err


@pytest.mark.parametrize("programme", ["rules = [", "rules = 7"])
def test_check_says_what_is_wrong_with_the_programme_of_the_home(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], programme: str
) -> None:
    (tmp_path / "bad.toml").write_text(programme)
    (tmp_path / "gateway.toml").write_text(
        'name = "home-01"\n[uplink]\n[local]\nprogramme = "bad.toml"\ntell = ["say"]\n'
    )
    assert main(["check", str(tmp_path / "gateway.toml")]) == 2
    assert "bad.toml" in capsys.readouterr().err


@pytest.mark.parametrize(("limits", "code"), [("{ spo2_floor = 88 }", 0), ("{ spo2_flor = 88 }", 2)])
def test_check_tries_what_is_to_watch_over_the_home(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], limits: str, code: int
) -> None:
    programme = ROOT / "configs" / "programmes" / "copd.toml"
    (tmp_path / "gateway.toml").write_text(
        f'name = "home-01"\n[uplink]\n[local]\nprogramme = "{programme}"\nlimits = {limits}\ntell = ["say"]\n'
    )
    assert main(["check", str(tmp_path / "gateway.toml")]) == code
    said = capsys.readouterr()
    assert ("did you mean 'spo2_floor'" in said.err) == bool(code)
