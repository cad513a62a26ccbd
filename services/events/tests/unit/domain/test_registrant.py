import pytest

from klaster_events.domain.registrant import email_address
from klaster_shared.errors import Invalid


def test_two_spellings_of_one_mailbox_are_one_address() -> None:
    assert email_address("  ZIN-member-01@Example.ORG ") == email_address("zin-member-01@example.org")


@pytest.mark.parametrize(
    "text", ["", "zin", "zin@", "@example.org", "zin@example", "a b@example.org", "a@b@example.org", "a@example..org", f"{'a' * 250}@example.org"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        email_address(text)

    assert refusal.value.field == "email"
