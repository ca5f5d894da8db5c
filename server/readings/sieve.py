"""What has surely not been seen before: a filter in front of the question whether a reading is new.

It says "surely new" or "perhaps known". The first is true without exception; the second is looked up where it can be
known exactly (`server.readings.chunks`). So it decides nothing, and spares a search on disk for each new reading.

Each identity sets five bits in one 64-bit word, so that a question costs one look into memory. A word has two
identities on average when a layer is full; then about one new identity in 3,000 is looked up for nothing. A full layer
is left as it is and one of twice its size put beside it. It takes 4 to 8 bytes an identity.

Until it is whole, which is until somebody says that it is filled (`server.readings.filling`), it says "perhaps known"
of all.
"""

import threading

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_FIRST = 1 << 15
_PER_WORD = 2
_BITS = 5


class Sieve:
    """Grows by itself. `hi` and `lo` are the two halves of identities, which are digests and so spread evenly.

    Several threads may add to it, and while they do, one may ask of what it has added itself or knows to be in it.
    """

    def __init__(self, expected: int = 0) -> None:
        size = _FIRST
        while size * _PER_WORD < expected:
            size *= 2
        self._layers = [np.zeros(size, np.uint64)]
        self._room = size * _PER_WORD
        self._lock = threading.Lock()
        self.whole = False

    def filled(self) -> None:
        """All that is stored has been added."""
        self.whole = True

    def add(self, hi: Words, lo: Words) -> None:
        """These are known from now on."""
        with self._lock:  # two who write a word at once would lose what one of them has written
            if len(hi) > self._room:
                size = len(self._layers[-1]) * 2
                while size * _PER_WORD < len(hi):
                    size *= 2
                self._layers.append(np.zeros(size, np.uint64))
                self._room = size * _PER_WORD
            self._room -= len(hi)
            layer = self._layers[-1]
            np.bitwise_or.at(layer, _place(hi, layer), _bits(lo))

    def perhaps(self, hi: Words, lo: Words) -> NDArray[np.bool_]:
        """Where False, it has surely never been added."""
        if not self.whole:
            return np.ones(len(hi), np.bool_)
        bits = _bits(lo)
        found = np.zeros(len(hi), np.bool_)
        for layer in self._layers:
            found |= (layer[_place(hi, layer)] & bits) == bits
        return found


def _place(hi: Words, layer: Words) -> NDArray[np.int64]:
    return (hi.astype(np.uint64, copy=False) & np.uint64(len(layer) - 1)).astype(np.int64)


def _bits(lo: Words) -> Words:
    lo = lo.astype(np.uint64, copy=False)
    one, six, low = np.uint64(1), np.uint64(6), np.uint64(63)
    bits = one << (lo & low)
    for _ in range(_BITS - 1):
        lo = lo >> six
        bits |= one << (lo & low)
    return bits
