"""Kafka's jars: downloaded once per user, pinned by content, shared by all checkouts.

The one rule: **only what `kafka.lock` names gets on the class path, and only with the content it names.** The lock lists every jar, so nothing
is resolved at run time; a new Kafka version is a new lock (`python -m klaster_shared.embedded.jars`), reviewed like code.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from filelock import FileLock

from klaster_shared.embedded.engine import Progress
from klaster_shared.embedded.errors import EngineError

LOCK = Path(__file__).with_name("kafka.lock")
# slf4j-simple, because the POM of log4j's binding would drag kafka-clients down to another version.
WANTED = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-simple:1.7.36"
MUST_HOLD = "kafka-clients-4.3.1.jar"
STAMP = "verified"
DOWNLOAD_SECONDS = 60


@dataclass(frozen=True, slots=True, order=True)
class Jar:
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @classmethod
    def parse(cls, line: str) -> Self:
        coordinates, digest = line.split()
        group, artifact, number = coordinates.split(":")
        return cls(group, artifact, number, digest)

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version} {self.sha256}"


def cache_directory() -> Path:
    """`KLASTER_CACHE_DIR`, else `klaster` in the user's cache folder."""
    chosen = os.environ.get("KLASTER_CACHE_DIR")
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "klaster"


def locked_jars(lock: Path = LOCK) -> list[Jar]:
    lines = lock.read_text().splitlines()
    return sorted(Jar.parse(line) for line in lines if line and not line.startswith("#"))


def install(cache: Path, progress: Progress, lock: Path = LOCK) -> tuple[Path, ...]:
    """The locked jars on this machine, always in the same order; downloads and verifies them on first use.

    Safe when several processes ask at once. Raises EngineError when a jar cannot be had or has other content than the lock says.
    """
    jars = locked_jars(lock)
    digest = hashlib.sha256("\n".join(map(str, jars)).encode()).hexdigest()
    folder = cache / f"kafka-{digest[:16]}"
    if not (folder / STAMP).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "install.lock"):
            if not (folder / STAMP).exists():
                _fill(folder, jars, progress)
    return tuple(folder / jar.file for jar in jars)


def _fill(folder: Path, jars: Sequence[Jar], progress: Progress) -> None:
    repository = folder / "maven"
    shutil.rmtree(repository, ignore_errors=True)  # halves of an interrupted download
    for number, jar in enumerate(jars, start=1):
        target = folder / jar.file
        if target.exists() and _sha256(target) == jar.sha256:
            continue
        progress(f"Kafka: downloading {jar.file} ({number} of {len(jars)})")
        downloaded = _download(jar, repository)
        if _sha256(downloaded) != jar.sha256:
            raise EngineError(f"{jar.file} was refused: its content is not what {LOCK.name} promises.")
        downloaded.replace(target)
    shutil.rmtree(repository, ignore_errors=True)
    (folder / STAMP).touch()


def _download(jar: Jar, repository: Path) -> Path:
    # Imported here: it is slow, and needed once.
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext
    from requests import RequestException

    mirrors = GlobalSettings.load().repositories
    context = MavenContext(repo_cache=repository, remote_repos={"central": MAVEN_CENTRAL_URL, **mirrors}, timeout=DOWNLOAD_SECONDS)
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    try:
        return artifact.resolve()
    except (RequestException, RuntimeError, OSError) as error:
        raise EngineError(f"{jar.file} cannot be downloaded. The first start of Kafka needs the network, later ones do not.", str(error)) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_lock(wanted: str, lock: Path) -> None:
    """Resolves `wanted` (Maven coordinates joined by +) and writes every jar with the digest of its content."""
    import jgo

    jars = sorted(Jar(artifact.groupId, artifact.artifactId, artifact.version, _sha256(artifact.resolve())) for artifact in jgo.resolve(wanted))
    if MUST_HOLD not in {jar.file for jar in jars}:
        raise EngineError(f"The resolver chose other versions than asked for: {MUST_HOLD} is missing.")
    head = f"# Every jar of {wanted}, with the SHA-256 of its content. Written by python -m klaster_shared.embedded.jars\n"
    lock.write_text(head + "".join(f"{jar}\n" for jar in jars))


if __name__ == "__main__":
    write_lock(WANTED, LOCK)
    sys.stdout.write(f"{LOCK.name}: {len(locked_jars())} jars\n")
