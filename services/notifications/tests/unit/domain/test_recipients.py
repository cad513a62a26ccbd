import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaster_notifications.domain.recipients import email_address, mailbox
from klaster_notifications.testing import a_recipient


def test_two_spellings_of_one_mailbox_are_one_address() -> None:
    assert email_address("  Office@Example.ORG\n") == email_address("office@example.org") == "office@example.org"


@pytest.mark.parametrize(
    ("address", "mailed_to"),
    [
        ("zin-member-01@example.org", "zin-member-01@example.org"),
        ("o'neill+events@sub.example.org", "o'neill+events@sub.example.org"),
        ("office@bücher.example", "office@xn--bcher-kva.example"),
        ("office@localhost", "office@localhost"),
    ],
)
def test_a_mailbox_is_written_in_ascii(address: str, mailed_to: str) -> None:
    assert mailbox(email_address(address)) == mailed_to


@pytest.mark.parametrize(
    "address",
    [
        "",
        "office",
        "@example.org",
        "office@",
        "two words@example.org",
        "a..b@example.org",
        ".a@example.org",
        "a@b@example.org",
        "zażółć@example.org",
        "office@-example.org",
        "office@exa_mple.org",
        f"{'x' * 65}@example.org",
        f"office@{'.'.join(['x' * 60] * 5)}",
        "office@example.org\r\nBcc: all@example.org",
        "<office@example.org>",
        '"office"@example.org',
    ],
)
def test_what_is_no_mailbox_has_no_form(address: str) -> None:
    assert mailbox(email_address(address)) is None


@given(st.text(max_size=80) | st.emails())
def test_a_mailbox_never_holds_what_a_header_or_a_command_line_could_break_on(text: str) -> None:
    found = mailbox(email_address(text))

    assert found is None or (found.isascii() and found.isprintable() and not set(found) & set(' <>()[],;:\\"'))


def test_the_text_form_of_a_recipient_shows_neither_name_nor_address() -> None:
    shown = repr(a_recipient("zin-member-01@example.org", name="ZIN member 01"))

    assert "example.org" not in shown
    assert "ZIN" not in shown
