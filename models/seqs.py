"""Which numbers of one source are stored: enough to tell a repeat without an index."""

from __future__ import annotations

from collections.abc import Iterable


class Seqs:
    """Which `seq` of one source are stored: all up to `dense`, and those in `sparse`.

    `offsets`: where in the log they are; empty until it is asked for, since few sources ever repeat.
    """

    __slots__ = ("dense", "offsets", "sparse")

    def __init__(self, dense: int = 0, sparse: Iterable[int] = ()) -> None:
        self.dense = dense
        self.sparse = set(sparse)
        self.offsets: dict[int, int] = {}

    def add(self, seq: int, offset: int) -> None:
        if seq > self.dense:
            self.sparse.add(seq)
        while self.dense + 1 in self.sparse:
            self.dense += 1
            self.sparse.discard(self.dense)
        if self.offsets:
            self.offsets[seq] = offset

    def __contains__(self, seq: int) -> bool:
        return 0 < seq <= self.dense or seq in self.sparse

    @property
    def last(self) -> int:
        """The highest stored; 0 where there is none."""
        return max(self.sparse, default=self.dense)
