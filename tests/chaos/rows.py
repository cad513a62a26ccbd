"""The fault table: each row as data. Adding a fault is adding a row; how it is done lies in the modules of faults."""

from types import MappingProxyType
from typing import Final

from tests.chaos.killing import CleanStops, Kills, KillsUnderLoad, LostAnswers, Rebalances, TwoOfEach, Zombie
from tests.chaos.outages import CUTS, BrokerAway, DatabaseAway, Mails, Partitioned, SlowDatabase
from tests.chaos.poisoning import Poison
from tests.chaos.racing import Races
from tests.chaos.resending import Duplicates, OutOfOrder
from tests.chaos.running import LONG, SHORT, Row, Size
from tests.chaos.strangers import Backlog, Huge, Incompatible

COMMITTED = ("after_commit", None)
SENT = ("after_send", "after_outbox_delete")
EFFECT = ("after_effect_commit", "before_offset_commit", None)
ANSWER = ("after_http_commit",)


def _sizes(short: int, long: int, *, rates: tuple[float, float] = (10.0, 12.0), seconds: float = 0.0) -> MappingProxyType[str, Size]:
    """Injections and commands a second of both tiers; `seconds` the long tier lasts at least."""
    return MappingProxyType({SHORT: Size(injections=short, rate=rates[0]), LONG: Size(injections=long, rate=rates[1], seconds=seconds)})


_ALL_CUTS: Final = 2 * len(CUTS)
_KILL_EVERY: Final = 20.0

ROWS: Final = (
    Row(
        id="F1",
        words="kill -9 between the commit and the send to Kafka, and at any time",
        fault=lambda: Kills("contacts", ["partners"], COMMITTED),
        sizes=_sizes(2, 500),
        invariants=["I1", "I2", "I3", "I4", "I5"],
    ),
    Row(
        id="F2",
        words="kill -9 between Kafka's acknowledgement and the deletion of the outbox rows",
        fault=lambda: Kills("contacts", ["partners"], SENT),
        sizes=_sizes(2, 200),
        invariants=["I2"],
    ),
    Row(
        id="F3",
        words="kill -9 of a consumer between the effect's commit and the offset's, and at any time",
        fault=lambda: Kills("memberships", ["notifications"], EFFECT, most=4),
        sizes=_sizes(3, 500),
        invariants=["I2", "I3"],
    ),
    Row(
        id="F4",
        words="kill -9 between the commit of a command and its answer; clients ask again with the same key",
        fault=lambda: LostAnswers("office", ["partners", "events", "budget"], ANSWER),
        sizes=_sizes(3, 200),
        invariants=["I1"],
    ),
    Row(
        id="F5",
        words="the broker is away",
        fault=lambda: BrokerAway(short=3, long=60),
        sizes=_sizes(1, 3, rates=(20.0, 200.0)),
        invariants=["I1", "I2", "I5", "I9"],
    ),
    Row(
        id="F8",
        words="the database server crashes and restarts",
        fault=lambda: DatabaseAway(short=2, long=30),
        sizes=_sizes(1, 10, rates=(20.0, 40.0)),
        invariants=["I1", "I5"],
    ),
    Row(
        id="F9",
        words="the database is slow, a table is locked, the pool is exhausted",
        fault=lambda: SlowDatabase(short=1, long=20),
        sizes=_sizes(2, 20, rates=(30.0, 60.0)),
        invariants=["I5", "I6"],
    ),
    Row(
        id="F10",
        words="the network between a service and its broker or database: cut, reset, black hole, one way, half-open",
        fault=lambda: Partitioned(short=0.7, long=20),
        sizes=_sizes(4, 2 * _ALL_CUTS, rates=(10.0, 20.0)),
        invariants=["I1", "I2", "I5"],
    ),
    Row(
        id="F11",
        words="a process stands still (SIGSTOP), another takes its partitions, the first goes on",
        fault=lambda: Zombie(short=0, long=60),
        sizes=_sizes(1, 6, rates=(10.0, 20.0)),
        invariants=["I2", "I3"],
    ),
    Row(
        id="F12",
        words="every message once, 3, 10 and 100 times more",
        fault=Duplicates,
        sizes=_sizes(2, 40, rates=(10.0, 20.0)),
        invariants=["I2"],
    ),
    Row(
        id="F13",
        words="out of order: the log shuffled, and messages before what they need",
        fault=OutOfOrder,
        sizes=_sizes(2, 16, rates=(10.0, 20.0)),
        invariants=["I3", "I7"],
    ),
    Row(
        id="F14",
        words="poison: bad JSON, wrong schema, unknown sender, what the domain cannot take",
        fault=lambda: Poison(short=100, long=1000, rate=200.0),
        sizes=_sizes(4, 60, rates=(5.0, 5.0)),
        invariants=["I6", "I2"],
    ),
    Row(
        id="F15",
        words="unknown types, newer versions, incompatible bodies",
        fault=Incompatible,
        sizes=_sizes(6, 300, rates=(10.0, 20.0)),
        invariants=["I6"],
    ),
    Row(
        id="F16",
        words="messages and requests at the limit, one byte over it, and far over it",
        fault=Huge,
        sizes=_sizes(5, 100, rates=(10.0, 20.0)),
        invariants=["I6", "I9"],
    ),
    Row(
        id="F18",
        words="a consumer that was away meets its backlog",
        fault=lambda: Backlog(short=500, long=50_000),
        sizes=_sizes(1, 1, rates=(10.0, 20.0)),
        invariants=["I9"],
    ),
    Row(
        id="F19",
        words="rebalance storm: a second process joins and leaves, again and again",
        fault=Rebalances,
        sizes=_sizes(2, 40, rates=(10.0, 40.0)),
        invariants=["I2", "I3"],
    ),
    Row(
        id="F21",
        words="two relays and two senders at once, and the one that leads is killed",
        fault=lambda: TwoOfEach(["notifications", "partners", "events", "budget"]),
        sizes=_sizes(1, 40, rates=(10.0, 20.0)),
        invariants=["I2"],
    ),
    Row(
        id="F23",
        words="SIGTERM under load",
        fault=lambda: CleanStops(["budget", "partners", "events", "notifications"]),
        sizes=_sizes(2, 80, rates=(20.0, 60.0)),
        invariants=["I1", "I2"],
    ),
    Row(
        id="F24",
        words="the mail server is down, slow, defers, hangs up, or accepts and drops the connection",
        fault=lambda: Mails(short=0.5, long=10),
        sizes=_sizes(4, 25, rates=(10.0, 20.0)),
        invariants=["I2", "I5"],
    ),
    Row(
        id="F26",
        words="200 clients at once for the same seats and the same money",
        fault=Races,
        sizes=_sizes(3, 60, rates=(5.0, 20.0)),
        invariants=["I7"],
    ),
    Row(
        id="KILLS",
        words=f"kill -9 of any service every {_KILL_EVERY:g} s for ten minutes",
        fault=lambda: KillsUnderLoad(short=1.0, long=_KILL_EVERY),
        sizes=_sizes(2, 30, rates=(20.0, 200.0)),
        invariants=["I1", "I2", "I3", "I4", "I5", "I7"],
    ),
)
BY_ID: Final = {row.id: row for row in ROWS}
