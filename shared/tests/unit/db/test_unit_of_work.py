"""What may be published when: the message of a fact with its fact, a scheduled one at its time, and neither the other way."""

from datetime import UTC, datetime

import pytest

from klaster_shared.contracts.events import ApprovalFellDue
from klaster_shared.contracts.partners import NetworkRegistered
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.ids import new_id
from klaster_shared.origin import Origin

NOON = datetime(2011, 4, 4, 12, tzinfo=UTC)


@pytest.fixture
def work() -> UnitOfWork:
    return UnitOfWork(None, now=NOON, origin=Origin(correlation_id="flow", causation_id="cause"))


def test_the_message_of_a_fact_cannot_be_scheduled(work: UnitOfWork) -> None:
    with pytest.raises(TypeError, match="NetworkRegistered"):
        work.publish_at(NetworkRegistered(network_id=new_id(), code="X", name="X"), due=NOON, dedupe="x", sequence=1, happened=NOON)
    assert work.first_due is None


def test_a_scheduled_message_cannot_be_published_at_once(work: UnitOfWork) -> None:
    with pytest.raises(TypeError, match="ApprovalFellDue"):
        work.publish(ApprovalFellDue(approval_id=new_id(), event_id=new_id(), deadline=NOON), sequence=1, happened=NOON)
