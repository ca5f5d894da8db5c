"""The machine itself: what comes back from it, and what is said when it does not come up."""

import pytest

from tests.bluez.machine import run
from vitals.errors import HjemvaktError


@pytest.mark.qemu
def test_a_command_gives_its_output_and_its_status() -> None:
    ran = run("echo $((6 * 7)); id -u; exit 3")
    assert ran.output == "42\n0\n"
    assert ran.status == 3


@pytest.mark.qemu
def test_a_command_that_does_not_end_is_told_in_time() -> None:
    with pytest.raises(HjemvaktError, match="did not end within 1 s"):
        run("sleep 100", within_s=1)
