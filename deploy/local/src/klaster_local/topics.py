"""Brings a broker's topics to what `deploy/kafka/topics.yaml` declares, and says where the two differ.

The one rule: only what cannot hurt is done. Missing topics are created and settings corrected; a partition count is never touched, because
keys would move to other partitions and lose their order, and nothing is ever deleted. Planning is pure; three functions talk to the broker
or the disk: `declared` reads the file, `look` the broker, `apply` carries a plan out.

    topics = declared(Path("deploy/kafka/topics.yaml"))
    planned = plan(topics, look(admin), replication_factor=1)     # `klaster topics plan` shows it, `check` exits 1 if planned.is_drift
    applied = apply(planned, admin)                               # exits 1 if applied.failures or planned.refusals

`admin` is a confluent_kafka `AdminClient` made by the caller; keep it in a variable, its futures die with it.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from klaster_shared.contracts.topics import Topic

OURS: Final = "klaster."
"""What the names of all topics of Klaster begin with."""

MANAGED: Final = ("cleanup.policy", "min.insync.replicas", "retention.bytes", "retention.ms")
"""Settings that decide whether facts survive. All others are left to whoever runs the broker."""

POLL_SECONDS: Final = 0.1


class UnreadableDeclaration(Exception):
    """The file is missing, no YAML, or not of the expected shape; the sentence says where."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    owner: str
    key: str
    readers: list[str]
    partitions: Annotated[int, Field(ge=1)]
    retention_ms: Annotated[int, Field(ge=-1)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    topics: dict[Annotated[str, Field(pattern=r"^klaster\.[a-z0-9_-]+\.[a-z0-9_-]+\.v[0-9]+$")], _Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A topic as the broker has it. `replicas` is the smallest number that any of its partitions has; `settings` are the effective values of
    what is MANAGED, whether set on the topic or inherited.
    """

    partitions: int
    replicas: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    topic: str
    partitions: int
    replication_factor: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alteration:
    """`settings` to be set on the topic; `instead_of` is what is in force now."""

    topic: str
    settings: Mapping[str, str]
    instead_of: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A difference that only people may mend, and why."""

    topic: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`unknown` are topics of ours by name that nobody declared."""

    creations: tuple[Creation, ...]
    alterations: tuple[Alteration, ...]
    refusals: tuple[Refusal, ...]
    unknown: tuple[str, ...]

    @property
    def is_drift(self) -> bool:
        return bool(self.creations or self.alterations or self.refusals or self.unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """Names of topics. `failures` are what the broker refused, or did not show in time."""

    created: tuple[str, ...]
    altered: tuple[str, ...]
    failures: tuple[Refusal, ...]


def declared(path: Path) -> tuple[Topic, ...]:
    """The topics of a declaration file. Raises UnreadableDeclaration."""
    try:
        read = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UnreadableDeclaration(f"{path}: {error}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        raise UnreadableDeclaration(f"{path}: {problems}") from error
    return tuple(
        Topic(
            name=name,
            owner=entry.owner,
            key=entry.key,
            readers=tuple(entry.readers),
            partitions=entry.partitions,
            retention_ms=entry.retention_ms,
        )
        for name, entry in read.topics.items()
    )


def settings_of(topic: Topic, *, replication_factor: int) -> dict[str, str]:
    """The MANAGED settings that a topic shall have. A write needs all replicas but one: none, and an acknowledged fact could be lost with one
    broker; all, and one broker away would stop every write.
    """
    return {
        "cleanup.policy": "delete",
        "min.insync.replicas": str(max(1, replication_factor - 1)),
        "retention.bytes": "-1",
        "retention.ms": str(topic.retention_ms),
    }


def plan(topics: Iterable[Topic], found: Mapping[str, Found], *, replication_factor: int) -> Plan:
    """What has to be done to `found`, as `look` gives it, to have `topics`."""
    creations: list[Creation] = []
    alterations: list[Alteration] = []
    refusals: list[Refusal] = []
    wanted = {topic.name: topic for topic in topics}
    for name, topic in wanted.items():
        settings = settings_of(topic, replication_factor=replication_factor)
        there = found.get(name)
        if there is None:
            creations.append(Creation(topic=name, partitions=topic.partitions, replication_factor=replication_factor, settings=settings))
            continue
        refusals += [Refusal(topic=name, reason=reason) for reason in _only_for_people(topic, there, replication_factor)]
        if differing := {key: value for key, value in settings.items() if there.settings.get(key) != value}:
            instead_of = {key: there.settings[key] for key in differing if key in there.settings}
            alterations.append(Alteration(topic=name, settings=differing, instead_of=instead_of))
    unknown = tuple(sorted(name for name in found if name.startswith(OURS) and name not in wanted))
    return Plan(creations=tuple(creations), alterations=tuple(alterations), refusals=tuple(refusals), unknown=unknown)


def _only_for_people(topic: Topic, there: Found, replication_factor: int) -> Iterable[str]:
    if there.partitions != topic.partitions:
        yield (
            f"has {there.partitions} partitions instead of {topic.partitions}: another count moves keys to other partitions and breaks their "
            "order. Declare a topic of the next version and move its readers"
        )
    if there.replicas != replication_factor:
        yield f"has {there.replicas} replicas instead of {replication_factor}: reassign its partitions with Kafka's own tool"


def look(admin: AdminClient, *, timeout: float = 10) -> dict[str, Found]:
    """The topics of ours on a broker. Raises confluent_kafka.KafkaException when it cannot be asked within `timeout` seconds."""
    there = {name: metadata for name, metadata in admin.list_topics(timeout=timeout).topics.items() if name.startswith(OURS) and metadata.partitions}
    if not there:
        return {}
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in there], request_timeout=timeout)
    settings = {resource.name: future.result(timeout) for resource, future in asked.items()}
    return {
        name: Found(
            partitions=len(metadata.partitions),
            replicas=min(len(partition.replicas) for partition in metadata.partitions.values()),
            settings={key: settings[name][key].value for key in MANAGED if key in settings[name]},
        )
        for name, metadata in there.items()
    }


def apply(planned: Plan, admin: AdminClient, *, timeout: float = 30) -> Applied:
    """Carries out the creations and alterations of a plan, and returns when the broker shows them. One topic's failure does not hold up the
    others. Raises confluent_kafka.KafkaException when the broker cannot be asked at all.
    """
    deadline = time.monotonic() + timeout
    failures = _create(planned.creations, admin, timeout) + _alter(planned.alterations, admin, timeout)
    failed = {failure.topic for failure in failures}
    created = tuple(creation.topic for creation in planned.creations if creation.topic not in failed)
    altered = tuple(alteration.topic for alteration in planned.alterations if alteration.topic not in failed)
    hidden = _not_yet_shown(planned, failed, look(admin))
    while hidden and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        hidden = _not_yet_shown(planned, failed, look(admin))
    failures += [Refusal(topic=topic, reason=f"is not as asked for after {timeout:g} s") for topic in hidden]
    return Applied(created=created, altered=altered, failures=tuple(failures))


def _create(creations: Sequence[Creation], admin: AdminClient, timeout: float) -> list[Refusal]:
    if not creations:
        return []
    wanted = [
        NewTopic(
            creation.topic,
            num_partitions=creation.partitions,
            replication_factor=creation.replication_factor,
            config=dict(creation.settings),
        )
        for creation in creations
    ]
    return _failures(admin.create_topics(wanted, request_timeout=timeout), timeout)


def _alter(alterations: Sequence[Alteration], admin: AdminClient, timeout: float) -> list[Refusal]:
    """Incrementally: the plain call would wipe every setting that it does not name."""
    if not alterations:
        return []
    wanted = [
        ConfigResource(
            ResourceType.TOPIC,
            alteration.topic,
            incremental_configs=[ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in alteration.settings.items()],
        )
        for alteration in alterations
    ]
    answers = admin.incremental_alter_configs(wanted, request_timeout=timeout)
    return _failures({resource.name: answer for resource, answer in answers.items()}, timeout)


def _failures(answers: Mapping[str, Any], timeout: float) -> list[Refusal]:
    failures = []
    for topic, answer in answers.items():
        try:
            answer.result(timeout)
        except KafkaException as error:
            cause = error.args[0]
            # Somebody else was quicker. Whether what they made is right shows when the broker is looked at again.
            if cause.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                failures.append(Refusal(topic=topic, reason=cause.str()))
    return failures


def _not_yet_shown(planned: Plan, failed: set[str], found: Mapping[str, Found]) -> list[str]:
    asked = {creation.topic: creation.settings for creation in planned.creations}
    asked |= {alteration.topic: alteration.settings for alteration in planned.alterations}
    return [topic for topic, settings in asked.items() if topic not in failed and not _shows(found.get(topic), settings)]


def _shows(there: Found | None, settings: Mapping[str, str]) -> bool:
    return there is not None and all(there.settings.get(key) == value for key, value in settings.items())
