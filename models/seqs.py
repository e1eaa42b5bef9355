"""Which numbers of one source are stored: enough to tell a repeat without an index."""

from __future__ import annotations


class Seqs:
    """Which `seq` of one source are stored: all up to `_dense`, and those in `_sparse`."""

    __slots__ = ("_dense", "_sparse")

    def __init__(self) -> None:
        self._dense = 0
        self._sparse: set[int] = set()

    def add(self, seq: int) -> None:
        if seq > self._dense:
            self._sparse.add(seq)
        while self._dense + 1 in self._sparse:
            self._dense += 1
            self._sparse.discard(self._dense)

    def __contains__(self, seq: int) -> bool:
        return 0 < seq <= self._dense or seq in self._sparse

    @property
    def last(self) -> int:
        """The highest stored; 0 where there is none."""
        return max(self._sparse, default=self._dense)
