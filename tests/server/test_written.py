"""A reason is asked for where somebody must be able to read it later: blanks are none, whatever it is a reason for."""

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

import server.rooms
from server.api import Shape

assert server.rooms.ROUTES, "importing the rooms has made every shape known"


def shapes(above: type[Shape] = Shape) -> Iterator[type[Shape]]:
    for shape in above.__subclasses__():
        yield shape
        yield from shapes(shape)


REASONS = sorted(
    {
        (shape, name)
        for shape in shapes()
        for name, field in shape.model_fields.items()
        if name in ("why", "reason") and any(getattr(one, "min_length", 0) >= 3 for one in field.metadata)
    },
    key=str,
)


def test_there_are_reasons() -> None:
    assert len(REASONS) >= 8


@pytest.mark.parametrize(("shape", "name"), REASONS, ids=lambda one: getattr(one, "__name__", one))
def test_blanks_are_no_reason(shape: type[Shape], name: str) -> None:
    said = shape.model_construct()
    with pytest.raises(ValidationError, match="at least"):
        shape.__pydantic_validator__.validate_assignment(said, name, " " * 20)
