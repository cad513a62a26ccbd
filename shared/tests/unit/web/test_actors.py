import pytest
from starlette.requests import Request

from klaster_shared.errors import Invalid
from klaster_shared.web.actors import actor_of


def request_of(actor: bytes | None) -> Request:
    headers = [] if actor is None else [(b"x-klaster-actor", actor)]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize("given", [None, b"", b"  "])
def test_without_a_name_it_is_the_local_actor(given: bytes | None) -> None:
    assert actor_of(request_of(given)) == "local"


def test_a_name_may_have_any_letters() -> None:
    assert actor_of(request_of("biuro Żywiec ".encode())) == "biuro Żywiec"


@pytest.mark.parametrize("given", [b"x" * 201, b"a\x1bb", b"a\tb", b"\xff"])
def test_what_does_not_print_or_is_too_long_is_refused(given: bytes) -> None:
    with pytest.raises(Invalid, match="X-Klaster-Actor"):
        actor_of(request_of(given))
