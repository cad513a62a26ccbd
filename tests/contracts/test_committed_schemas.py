from pathlib import Path

from klaster_shared.contracts.registry import all_messages
from klaster_shared.contracts.schemas import compare

COMMITTED = Path(__file__).parents[2] / "shared" / "schemas"


def test_no_message_breaks_what_its_committed_schema_promised() -> None:
    """A field that was removed, renamed, demanded or narrowed needs a class of the next version (`EventCancelledV2`) beside the old one."""
    assert compare(COMMITTED, all_messages()).breaking == ()


def test_the_committed_schemas_are_those_of_the_models() -> None:
    """Record an additive change with `python -m klaster_shared.contracts.schemas --write`."""
    assert compare(COMMITTED, all_messages()).outdated == ()
