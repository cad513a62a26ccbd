from klaster_events.domain.registrant import email_address


def test_two_spellings_of_one_mailbox_are_one_address() -> None:
    assert email_address("  ZIN-member-01@Example.ORG ") == email_address("zin-member-01@example.org")
