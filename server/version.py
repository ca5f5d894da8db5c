"""Which version of Hjemvakt runs."""

from importlib.metadata import PackageNotFoundError, version


def program_version() -> str:
    """As the package says, or "0" where it is not installed."""
    try:
        return version("hjemvakt")
    except PackageNotFoundError:
        return "0"
