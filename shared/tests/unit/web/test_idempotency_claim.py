import pytest
from starlette.requests import Request

from klaster_shared.web.idempotency import Claim, claim_of
from klaster_shared.web.protocol import MalformedHeader


def claim(
    key: bytes | None, *, method: str = "POST", path: bytes = b"/v1/grants", query: bytes = b"", body: bytes = b"{}", actor: str = "local"
) -> Claim | None:
    headers = [] if key is None else [(b"idempotency-key", key)]
    return claim_of(Request({"type": "http", "method": method, "raw_path": path, "query_string": query, "headers": headers}), body, actor)


def test_a_request_without_the_header_claims_nothing() -> None:
    assert claim(None) is None


def test_a_quoted_key_and_a_bare_one_are_the_same_key() -> None:
    assert claim(b'"8e03978e-40d5"') == claim(b"8e03978e-40d5") == claim(b" 8e03978e-40d5 ")


@pytest.mark.parametrize("key", [b"", b'""', b"a b", b'"a', b'a"b', b"a\xc5\xbc", b"x" * 256, b'"' + b"x" * 256 + b'"', b'"a\tb"'])
def test_what_is_no_key_is_refused(key: bytes) -> None:
    with pytest.raises(MalformedHeader, match="Idempotency-Key"):
        claim(key)


def test_a_key_of_255_characters_is_taken() -> None:
    assert claim(b"x" * 255) is not None


def test_escapes_in_a_quoted_key_are_read() -> None:
    assert claim(b'"a\\"b"') != claim(b'"a\\\\b"')


def test_two_actors_do_not_share_a_key() -> None:
    one, other = claim(b"k", actor="one"), claim(b"k", actor="other")
    assert one is not None
    assert other is not None
    assert one.scope != other.scope


def test_actor_and_key_cannot_be_shifted_into_each_other() -> None:
    one, other = claim(b"bc", actor="a"), claim(b"c", actor="ab")
    assert one is not None
    assert other is not None
    assert one.scope != other.scope


@pytest.mark.parametrize("change", [{"method": "PATCH"}, {"path": b"/v1/rates"}, {"query": b"dry=1"}, {"body": b"{ }"}])
def test_method_path_query_and_body_tell_requests_apart(change: dict[str, object]) -> None:
    one, other = claim(b"k"), claim(b"k", **change)  # type: ignore[arg-type]  # one named argument each
    assert one is not None
    assert other is not None
    assert one.scope == other.scope
    assert one.fingerprint != other.fingerprint


def test_the_lock_fits_postgresqls_bigint() -> None:
    locks = [found.lock for number in range(100) if (found := claim(b"key-%d" % number)) is not None]
    assert all(-(2**63) <= lock < 2**63 for lock in locks)
    assert min(locks) < 0 < max(locks)
