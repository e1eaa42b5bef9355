"""The file of a dump: BSON documents, gzipped. A header, the documents, an end that says how many and their SHA-256.

So `zcat FILE | bsondump` shows it, and a file that was cut off or changed is told before anything of it is used.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import bson
from bson.codec_options import CodecOptions

from models.dump import Item
from server.settings import SettingsError

FORMAT: Final = "proctoring-dump/1"

_OPTIONS: Final[CodecOptions[dict[str, Any]]] = CodecOptions(tz_aware=True)
_MOST_BYTES: Final = 64 * 1024**2  # a length that is longer is none
_LEVEL: Final = 6


class DumpWriter:
    """Writes a dump within a `with` block. The file is there, for its owner alone, once the block has ended well."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self._path = path
        self._draft = path.with_name(f"{path.name}.part")
        self._hash = hashlib.sha256()
        self.counts: Counter[str] = Counter()
        descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb")
        self._packed = gzip.GzipFile(filename="", mode="wb", fileobj=self._file, compresslevel=_LEVEL)
        self._put({"format": FORMAT, **header})

    def write(self, item: Item) -> None:
        name, document = item
        self.counts[name] += 1
        self._put({"in": name, "document": document})

    def _put(self, document: dict[str, Any]) -> None:
        data = bson.encode(document)
        self._hash.update(data)
        self._packed.write(data)

    def __enter__(self) -> DumpWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        with self._file:
            if kind is None:
                self._packed.write(bson.encode({"counts": dict(self.counts), "sha256": self._hash.hexdigest()}))
                self._packed.close()
                self._file.flush()
                os.fsync(self._file.fileno())
        if kind is None:
            self._draft.replace(self._path)
        else:
            self._draft.unlink()


@dataclass
class Contents:
    """What a whole dump holds, beside its documents."""

    header: dict[str, Any]
    counts: dict[str, int]
    email_keys: list[str] = field(default_factory=list)


def check_dump(path: Path) -> Contents:
    """Read all of a dump; SettingsError where it is none, cut off or changed."""
    try:
        return _check(path)
    except OSError as error:  # gzip's own too
        raise SettingsError(f"{path}: {error.strerror or error}") from None
    except (EOFError, zlib.error, bson.errors.BSONError, struct.error, KeyError):
        raise SettingsError(f"{path}: it is cut off or damaged") from None


def read_dump(path: Path) -> Iterator[Item]:
    """The documents of a dump that was checked."""
    for document, _ in _documents(path):
        if "in" in document:
            yield document["in"], document["document"]


def _check(path: Path) -> Contents:
    digest, counts, keys = hashlib.sha256(), Counter[str](), list[str]()
    header: dict[str, Any] | None = None
    end: dict[str, Any] | None = None
    for document, data in _documents(path):
        if end is not None:
            raise EOFError
        if header is None:
            if document.get("format") != FORMAT:
                raise SettingsError(f"{path}: it is no {FORMAT}")
            header = document
        elif "sha256" in document:
            end = document
            continue
        else:
            counts[document["in"]] += 1
            if document["in"] == "users":
                keys.append(document["document"]["emailKey"])
        digest.update(data)
    if header is None or end is None or end["sha256"] != digest.hexdigest() or end["counts"] != counts:
        raise EOFError
    return Contents(header, dict(counts), keys)


def _documents(path: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    with gzip.open(path) as file:
        while size := file.read(4):
            (length,) = struct.unpack("<i", size)
            if not 4 < length < _MOST_BYTES:
                raise EOFError
            data = size + file.read(length - 4)
            yield bson.decode(data, _OPTIONS), data
