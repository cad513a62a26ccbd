"""What a failure of a handler means for its message: try again now, try again later, or hold it for a human.

Only classes and codes decide; the text kept beside the message names the failure, never a value of the message.
"""

from klaster_shared.consuming.parking import State, Verdict
from klaster_shared.db.failures import is_transient, sqlstate_of
from klaster_shared.errors import KlasterError

UNCLASSIFIED = "error"


def is_worth_repeating(error: BaseException) -> bool:
    """Transient: the same message, alone, may succeed within the second."""
    return is_transient(error)


def verdict_on(error: BaseException) -> Verdict:
    """For a failure that repeating did not mend."""
    if isinstance(error, KlasterError):
        return Verdict(reason=error.slug, state=State.DUE if error.retryable else State.HELD, error=f"{type(error).__name__}: {error.message}")
    state = sqlstate_of(error)
    if state is not None and state[:2] in {"22", "23"} and not is_transient(error):
        constraint = getattr(error, "constraint_name", None)
        return Verdict(reason="database-refused", state=State.HELD, error=f"{type(error).__name__} {state} {constraint or ''}".strip())
    return Verdict(reason=UNCLASSIFIED, state=State.DUE, error=type(error).__name__ + (f" {state}" if state else ""))
