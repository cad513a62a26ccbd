from klaster_partners.domain.contacts import email_address


def test_two_spellings_of_one_mailbox_are_one_address() -> None:
    assert email_address("  Office@Example.ORG\n") == email_address("office@example.org") == "office@example.org"
