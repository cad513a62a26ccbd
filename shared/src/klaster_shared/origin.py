"""Who asked for a transaction and which message or command caused it.

The actor comes from a header until authentication exists; nothing but this module and the edge that reads the header
knows how it was found.
"""

from dataclasses import dataclass

LOCAL_ACTOR = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """`actor` acts; `correlation_id` is the flow all of it belongs to; `causation_id` the command or message just before."""

    actor: str = LOCAL_ACTOR
    correlation_id: str
    causation_id: str
