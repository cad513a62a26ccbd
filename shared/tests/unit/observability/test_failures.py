import pytest

from klaster_shared.observability.failures import described


class UnluckyError(Exception):
    sqlstate = "23505"
    constraint_name = "uq_contact_email"


def raised(error: Exception, cause: Exception | None = None) -> BaseException:
    with pytest.raises(type(error)) as caught:
        raise error from cause
    return caught.value


def test_a_failure_is_described_by_type_and_place_and_not_by_its_text() -> None:
    found = described(raised(ValueError("name@example.org")))
    assert found["error"] == "ValueError"
    assert str(found["at"][-1]).endswith("raised")
    assert "example.org" not in str(found)


def test_a_database_failure_names_its_state_and_constraint() -> None:
    found = described(raised(UnluckyError()))
    assert (found["sqlstate"], found["constraint"]) == ("23505", "uq_contact_email")


def test_causes_are_named_by_type() -> None:
    assert described(raised(ValueError(), KeyError("secret")))["because"] == ["KeyError"]
