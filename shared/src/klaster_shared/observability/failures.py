"""What a log line may say of an exception: its type and where it happened, never its text.

Exception texts repeat values (a driver's detail line holds the row); types, SQLSTATEs and code lines do not.
"""

import traceback
from pathlib import PurePath

_FRAMES = 12


def described(error: BaseException) -> dict[str, str | list[str]]:
    """Fields of a log line: `error` (type), `sqlstate` where there is one, `at` (innermost lines last), `because` (causes' types)."""
    fields: dict[str, str | list[str]] = {"error": _name(error), "at": _places(error)}
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        fields["sqlstate"] = state
    constraint = getattr(error, "constraint_name", None)
    if isinstance(constraint, str):
        fields["constraint"] = constraint
    causes = _causes(error)
    if causes:
        fields["because"] = causes
    return fields


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _places(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{'/'.join(PurePath(frame.filename).parts[-3:])}:{frame.lineno} {frame.name}" for frame in frames]


def _causes(error: BaseException) -> list[str]:
    seen: list[BaseException] = [error]
    while (before := seen[-1].__cause__ or seen[-1].__context__) is not None and before not in seen:
        seen.append(before)
    return [_name(cause) for cause in seen[1:]]
