"""Samples of every message, written once and never changed: whoever can read them can read the log.

Who changes a message adds a sample (`<ce_type>+<what is special>.json`) and leaves the others as they are. The producer's side is held by
writing each body from the model again, the reader's by reading it as a record.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from klaster_shared.contracts.envelope import Envelope, decode
from klaster_shared.contracts.registry import all_messages, by_ce_type, parse

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))

UNKNOWN_TO_US = "posted_by"
"""What the minimal invoice says besides, as any foreign system may."""


def ce_type_of(sample: Path) -> str:
    return sample.stem.partition("+")[0]


def record_of(sample: Path) -> Envelope:
    return Envelope(
        id="4711",
        source="/golden/sample",
        type=ce_type_of(sample),
        subject=None,
        time=datetime(2011, 10, 6, tzinfo=UTC),
        recorded_time=None,
        sequence=None,
        partition_key=None,
        correlation_id=None,
        causation_id=None,
        data_schema=None,
        data=sample.read_bytes(),
    )


def within(part: Any, whole: Any) -> bool:
    """Whether every member that `part` has is in `whole` too; lists must be the same length."""
    match part, whole:
        case dict(), dict():
            return all(name in whole and within(member, whole[name]) for name, member in part.items())
        case list(), list():
            return len(part) == len(whole) and all(map(within, part, whole))
        case _:
            return bool(part == whole)


def test_every_message_type_has_a_sample() -> None:
    assert {kind.ce_type for kind in all_messages()} <= {sample.stem for sample in SAMPLES}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_a_reader_accepts_the_sample(sample: Path) -> None:
    record = record_of(sample)
    assert parse(decode(record.data, record.headers())) is not None


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_a_producer_can_still_say_all_that_the_sample_says(sample: Path) -> None:
    kind = by_ce_type(ce_type_of(sample))
    assert kind is not None
    written = json.loads(kind.model.model_validate_json(sample.read_bytes(), strict=True).model_dump_json())
    said = {name: member for name, member in json.loads(sample.read_bytes()).items() if name != UNKNOWN_TO_US}
    assert within(said, written)
