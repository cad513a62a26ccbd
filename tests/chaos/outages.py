"""What services need goes away, is slow, or can be reached one way only: broker, database, the network between, the mail server."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tests.chaos.engines import Link, System, at_work, begin, until
from tests.chaos.mailing import Mood
from tests.chaos.probing import probe_of_broker, probe_of_database
from tests.chaos.proxy import Direction
from tests.chaos.results import spread
from tests.chaos.running import LONG, SHORT, Fault, Run
from tests.chaos.state import caught_up, database_of, pending

LAG_ZERO_SECONDS: Final = 10.0
ANSWERED_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.02
UNANSWERED_SECONDS: Final = 0.5


class BrokerAway(Fault):
    """The broker dies and comes back after a while; commands go on being accepted meanwhile."""

    def __init__(self, *, short: float, long: float) -> None:
        self._seconds = {SHORT: short, LONG: long}
        self._lag_zero: list[float] = []
        self._backlog: list[int] = []
        self._accepted = [0, 0]

    async def inject(self, run: Run, number: int) -> bool:  # noqa: ARG002 - each time alike
        kafka, experience = run.system.kafka, run.clients.experience
        kafka.kill()
        before = dict(experience.first)
        await asyncio.sleep(self._seconds[run.tier])
        asked = {name: count - before.get(name, 0) for name, count in experience.first.items()}
        self._accepted[0] += asked.get("answered", 0)
        self._accepted[1] += sum(asked.values())
        backlog = await pending(run.system)
        self._backlog.append(backlog)
        await begin(kafka)
        self._lag_zero.append(await caught_up(run.system))
        return backlog > 0

    async def conclude(self, run: Run) -> None:
        answered, asked = self._accepted
        run.figures |= {
            "broker away (s)": self._seconds[run.tier],
            "accepted while it was away (%)": round(100 * answered / asked, 2) if asked else 0.0,
            "largest backlog (messages)": max(self._backlog, default=0),
            **spread(self._lag_zero, "lag zero after its return"),
        }
        run.checks["commands are accepted while the broker is away"] = answered == asked > 0
        if run.is_long:
            run.checks[f"lag zero within {LAG_ZERO_SECONDS:g} s"] = max(self._lag_zero) <= LAG_ZERO_SECONDS


class DatabaseAway(Fault):
    """The database server dies with everybody's connections and comes back after a while."""

    def __init__(self, *, short: float, long: float) -> None:
        self._seconds = {SHORT: short, LONG: long}
        self._answered: list[float] = []
        self._caught_up: list[float] = []

    async def inject(self, run: Run, number: int) -> bool:  # noqa: ARG002 - each time alike
        run.system.postgres.kill()
        tried = run.clients.experience.tries["503"]
        await asyncio.sleep(self._seconds[run.tier])
        refused = run.clients.experience.tries["503"] - tried
        await begin(run.system.postgres)
        self._answered.append(await answered_by_all(run))
        self._caught_up.append(await caught_up(run.system))
        return refused > 0

    async def conclude(self, run: Run) -> None:
        experience = run.clients.experience
        run.figures |= {
            "database away (s)": self._seconds[run.tier],
            **spread(self._answered, "all services answer after its return"),
            **spread(self._caught_up, "backlog worked off"),
            "503 with Retry-After": experience.with_retry_after,
            "503 without": experience.tries["503"] - experience.with_retry_after,
        }
        run.checks["every 503 says when to come again"] = experience.tries["503"] == experience.with_retry_after


async def answered_by_all(run: Run) -> float:
    """Seconds until each service that takes commands answers a trivial question that needs its database."""
    began = time.monotonic()
    for service, path in (("partners", "/v1/organisations"), ("events", "/v1/events"), ("budget", "/v1/grants")):
        while await run.clients.get(service, path, limit=1) is None:
            if time.monotonic() - began > ANSWERED_SECONDS:
                raise TimeoutError(f"{service} does not answer")
            await asyncio.sleep(LOOK_SECONDS)
    return time.monotonic() - began


class SlowDatabase(Fault):
    """The database answers late, or a table is locked until every connection waits for it."""

    def __init__(self, *, short: float, long: float) -> None:
        self._seconds = {SHORT: short, LONG: long}
        self._waited: list[int] = []

    async def prepare(self, run: Run) -> None:
        await behind_proxies(run, "budget")

    async def inject(self, run: Run, number: int) -> bool:
        return await (self._late(run) if number % 2 == 0 else self._locked(run))

    async def _late(self, run: Run) -> bool:
        link, delay = run.system.to_postgres, 0.02 + run.random.random() / 10
        async with probe_of_database(run.system, "budget") as probe:
            link.delay(delay)
            began = time.monotonic()
            answered = await probe.answers()
            late = time.monotonic() - began >= delay
            await asyncio.sleep(self._seconds[run.tier])
            link.mend()
        return answered and late

    async def _locked(self, run: Run) -> bool:
        async with database_of(run.system, "budget") as connection, connection.transaction():
            await connection.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(self._seconds[run.tier])
            waiting = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
        self._waited.append(waiting)
        return bool(waiting > 0)

    async def mend(self, run: Run) -> None:
        await before_proxies(run, "budget")

    async def conclude(self, run: Run) -> None:
        experience = run.clients.experience
        total = sum(experience.tries.values())
        run.figures |= {
            "transactions that waited for the lock": max(self._waited, default=0),
            "503 with Retry-After (%)": round(100 * experience.with_retry_after / total, 2) if total else 0.0,
        }


type Misbehaviour = Callable[[Link], None]


def one_way(direction: Direction) -> Misbehaviour:
    return lambda link: link.swallow(direction)


CUTS: Final[Mapping[str, Misbehaviour]] = {
    "cut": lambda link: link.cut(),
    "answers swallowed": one_way(Direction.BACK),
    "blackhole": lambda link: link.blackhole(),
    "requests swallowed": one_way(Direction.THERE),
    "reset": lambda link: link.reset(),
    "half-open": lambda link: link.forget(),
}


class Partitioned(Fault):
    """The network between budget and its broker, or its database, breaks in one way after another."""

    def __init__(self, *, short: float, long: float, cuts: Sequence[str] = tuple(CUTS)) -> None:
        self._seconds = {SHORT: short, LONG: long}
        self._cuts = cuts
        self._recovered: list[float] = []
        self._how: dict[str, float] = {}

    async def prepare(self, run: Run) -> None:
        await behind_proxies(run, "budget")

    async def inject(self, run: Run, number: int) -> bool:
        how = self._cuts[number // 2 % len(self._cuts)]
        if number % 2 == 0:
            probing, link, target = probe_of_broker(run.system), run.system.to_kafka, "broker"
        else:
            probing, link, target = probe_of_database(run.system, "budget"), run.system.to_postgres, "database"
        async with probing as probe:
            before = await probe.answers()
            CUTS[how](link)
            during = await probe.answers(UNANSWERED_SECONDS)
            await asyncio.sleep(max(0.0, self._seconds[run.tier] - UNANSWERED_SECONDS))
            link.mend()
        self._recovered.append(await caught_up(run.system))
        self._how[f"{target} {how}"] = max(self._how.get(f"{target} {how}", 0.0), self._recovered[-1])
        return before and not during

    async def mend(self, run: Run) -> None:
        await before_proxies(run, "budget")

    async def conclude(self, run: Run) -> None:
        run.figures |= spread(self._recovered, "worked off after the network was whole")
        if run.is_long:
            run.figures |= {f"{how} (s)": round(seconds, 2) for how, seconds in sorted(self._how.items())}


async def behind_proxies(run: Run, service: str) -> None:
    await _restarted(run, service, run.system.behind_proxies(service))


async def before_proxies(run: Run, service: str) -> None:
    run.system.to_kafka.mend()
    run.system.to_postgres.mend()
    await _restarted(run, service, {})


async def _restarted(run: Run, service: str, environment: Mapping[str, str]) -> None:
    """By a kill: how a process ends is another row's question."""
    process = run.system.services[service]
    process.kill()
    process.begin(**environment)
    await at_work(process)


class Mails(Fault):
    """The mail server is down, slow, defers, hangs up, or stores a mail and drops the connection before it says so."""

    mix = "events"

    def __init__(self, *, short: float, long: float) -> None:
        self._seconds = {SHORT: short, LONG: long}
        self._moods = [Mood.DEFERRING, Mood.DROPPING, Mood.HANGING_UP, Mood.SLOW, None]

    async def inject(self, run: Run, number: int) -> bool:
        mail, mood = run.system.mail, self._moods[number % len(self._moods)]
        if mood is None:
            return await self._down(run)
        before = mail.met[mood]
        mail.mood = mood
        try:
            await until(lambda: mail.met[mood] > before, what=f"a mail that meets the mood {mood}")
            await asyncio.sleep(self._seconds[run.tier])
        finally:
            mail.mood = Mood.FINE
        return True

    async def _down(self, run: Run) -> bool:
        await run.system.mail.down()
        try:
            await until(lambda: _sender_is_in_trouble(run.system), what="a sender that finds nobody")
            await asyncio.sleep(self._seconds[run.tier])
        finally:
            await run.system.mail.up()
        return True

    async def conclude(self, run: Run) -> None:
        stored = len(list(run.system.mail.directory.glob("*.eml")))
        dropped = run.system.mail.met[Mood.DROPPING]
        run.figures |= {"mails stored": stored, "stored without an answer": dropped}


def _sender_is_in_trouble(system: System) -> bool:
    components = system.services["notifications"].report().get("components", ())
    return any(component["component"] == "sender" and component["trouble"] for component in components)
