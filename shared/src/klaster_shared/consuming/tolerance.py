"""aiokafka, made to survive a header name that is not text.

Names of headers are UTF-8 by convention only: the broker checks nothing, and C and Go clients write any bytes. aiokafka raises while it
unpacks what it has fetched, drops what it had unpacked before, and raises again at every later fetch, for ever. The one rule: a batch that
cannot be unpacked is unpacked once more with the offending bytes replaced by question marks; nothing else about it changes.
Source of the layout: Kafka's documentation, "Message format", record batch and record of magic 2.
"""

import struct
from collections.abc import Iterator
from itertools import islice
from typing import Any

from aiokafka import codec
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords

_LENGTH_AT, _MAGIC_AT, _ATTRIBUTES_AT, _COUNT_AT, _RECORDS_AT = 8, 16, 21, 57, 61
_OVERHEAD = 12
_OLDEST_WITH_HEADERS = 2
_CODEC_BITS = 0x07
_DECODERS = {1: codec.gzip_decode, 2: codec.snappy_decode, 3: codec.lz4_decode, 4: codec.zstd_decode}


def survive_unreadable_names() -> None:
    """Stands the reader below in the place where aiokafka's fetcher looks for its own. Idempotent; a test holds the seam."""
    fetcher.MemoryRecords = TolerantRecords


class TolerantRecords:
    """What a fetch has brought of one partition, batch by batch."""

    def __init__(self, fetched: bytes) -> None:
        self._fetched = fetched
        self._position = 0
        self._records: Any = MemoryRecords(fetched)

    def size_in_bytes(self) -> int:
        return len(self._fetched)

    def has_next(self) -> bool:
        found: bool = self._records.has_next()
        return found

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        start, (length,) = self._position, struct.unpack_from(">i", self._fetched, self._position + _LENGTH_AT)
        self._position += _OVERHEAD + length
        if batch is None or self._fetched[start + _MAGIC_AT] < _OLDEST_WITH_HEADERS:
            return batch
        return TolerantBatch(batch, memoryview(self._fetched)[start : self._position])


class TolerantBatch:
    """Everything aiokafka asks of a batch is answered by its own; only the walk over the records is guarded."""

    def __init__(self, batch: Any, raw: memoryview) -> None:
        self._batch = batch
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        given = 0
        try:
            for record in self._batch:
                yield record
                given += 1
        except UnicodeDecodeError:
            yield from islice(MemoryRecords(with_readable_names(bytes(self._raw))).next_batch(), given, None)


def with_readable_names(batch: bytes) -> bytes:
    """The batch uncompressed, its checksum not renewed, with a question mark for every byte beyond ASCII in a header name that is no UTF-8."""
    header, records = bytearray(batch[:_RECORDS_AT]), batch[_RECORDS_AT:]
    (attributes,) = struct.unpack_from(">h", header, _ATTRIBUTES_AT)
    (count,) = struct.unpack_from(">i", header, _COUNT_AT)
    decode = _DECODERS.get(attributes & _CODEC_BITS)
    mended = bytearray(records if decode is None else decode(records))
    struct.pack_into(">h", header, _ATTRIBUTES_AT, attributes & ~_CODEC_BITS)
    struct.pack_into(">i", header, _LENGTH_AT, len(header) + len(mended) - _OVERHEAD)
    for start, end in _names(mended, count):
        try:
            mended[start:end].decode()
        except UnicodeDecodeError:
            mended[start:end] = mended[start:end].decode("ascii", "replace").encode("ascii", "replace")
    return bytes(header + mended)


def _names(records: bytearray, count: int) -> Iterator[tuple[int, int]]:
    """Where the header names of all records lie."""
    following = 0
    for _ in range(count):
        length, at = _varint(records, following)
        following = at + length
        _, at = _varint(records, at + 1)  # attributes; the time
        _, at = _varint(records, at)  # the offset
        for _part in ("key", "value"):
            length, at = _varint(records, at)
            at += max(length, 0)
        headers, at = _varint(records, at)
        for _header in range(headers):
            length, at = _varint(records, at)
            yield at, at + length
            length, at = _varint(records, at + length)
            at += max(length, 0)


def _varint(data: bytearray, at: int) -> tuple[int, int]:
    """A zigzag varint and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the bit that says another byte follows
            return (value >> 1) ^ -(value & 1), at
