"""A bar for work that takes long: on standard error, and only where somebody looks at a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """A function to be told how much of how much is done; it shows a bar, or nothing."""
    if not sys.stderr.isatty():
        yield lambda done, of: None
        return
    from tqdm import tqdm  # type: ignore[import-untyped]

    with tqdm(unit=unit, leave=False, file=sys.stderr, dynamic_ncols=True) as shown:

        def tell(done: int, of: int) -> None:
            shown.total = of
            shown.update(done - shown.n)

        yield tell
