"""What the page says of itself."""

from pydantic import Field

from server.api import Shape


class Looking(Shape):
    """Which patient's page is open. `stream`: as the live stream's `hello` named it. None: no patient's."""

    stream: str = Field(pattern="^[0-9a-f]{32}$")
    patient_id: str | None = Field(max_length=64)
