import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from klaster_shared.embedded import jars
from klaster_shared.embedded.engine import silent
from klaster_shared.embedded.errors import EngineError
from klaster_shared.embedded.jars import Jar, install, locked_jars

CONTENT = b"classes"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Registry:
    """Serves jars from memory and remembers who asked."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.asked: list[str] = []

    def download(self, jar: Jar, repository: Path) -> Path:
        self.asked.append(jar.artifact)
        file = repository / jar.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.content)
        return file


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    registry = Registry()
    monkeypatch.setattr(jars, "_download", registry.download)
    return registry


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    lock = tmp_path / "a.lock"
    lock.write_text(f"# two jars\norg.example:beta:2.0 {DIGEST}\norg.example:alpha:1.0 {DIGEST}\n")
    return lock


def test_the_committed_lock_pins_the_broker_and_its_clients_at_one_version() -> None:
    kafka = {jar.version for jar in locked_jars() if jar.group == "org.apache.kafka"}
    assert kafka == {"4.3.1"}


def test_a_line_of_the_lock_reads_back_as_written() -> None:
    jar = Jar("org.example", "alpha", "1.0", DIGEST)
    assert Jar.parse(str(jar)) == jar


def test_the_first_use_downloads_every_locked_jar(registry: Registry, lock: Path, tmp_path: Path) -> None:
    paths = install(tmp_path / "cache", silent, lock)
    assert [path.name for path in paths] == ["alpha-1.0.jar", "beta-2.0.jar"]
    assert {path.read_bytes() for path in paths} == {CONTENT}


def test_the_first_use_tells_what_it_downloads(registry: Registry, lock: Path, tmp_path: Path) -> None:
    told: list[str] = []
    install(tmp_path / "cache", told.append, lock)
    assert told == ["Kafka: downloading alpha-1.0.jar (1 of 2)", "Kafka: downloading beta-2.0.jar (2 of 2)"]


def test_later_uses_download_nothing(registry: Registry, lock: Path, tmp_path: Path) -> None:
    install(tmp_path / "cache", silent, lock)
    registry.asked.clear()
    install(tmp_path / "cache", silent, lock)
    assert registry.asked == []


def test_a_jar_with_other_content_is_refused(registry: Registry, lock: Path, tmp_path: Path) -> None:
    registry.content = b"something else"
    with pytest.raises(EngineError, match=r"alpha-1\.0\.jar was refused"):
        install(tmp_path / "cache", silent, lock)


def test_a_refused_jar_is_not_left_where_it_would_be_used(registry: Registry, lock: Path, tmp_path: Path) -> None:
    registry.content = b"something else"
    with pytest.raises(EngineError):
        install(tmp_path / "cache", silent, lock)
    assert list((tmp_path / "cache").glob("kafka-*/*.jar")) == []


def test_an_interrupted_download_goes_on_where_it_stopped(registry: Registry, lock: Path, tmp_path: Path) -> None:
    alpha, beta = install(tmp_path / "cache", silent, lock)
    (alpha.parent / jars.STAMP).unlink()
    beta.write_bytes(b"half")
    registry.asked.clear()
    install(tmp_path / "cache", silent, lock)
    assert registry.asked == ["beta"]


def test_simultaneous_first_uses_download_each_jar_once(registry: Registry, lock: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: install(tmp_path / "cache", silent, lock), range(4)))
    assert sorted(registry.asked) == ["alpha", "beta"]


def test_another_lock_gets_a_folder_of_its_own(registry: Registry, lock: Path, tmp_path: Path) -> None:
    (first, *_) = install(tmp_path / "cache", silent, lock)
    lock.write_text(f"org.example:alpha:1.1 {DIGEST}\n")
    (second,) = install(tmp_path / "cache", silent, lock)
    assert first.parent != second.parent
    assert first.exists()


def test_the_cache_lies_where_the_setting_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KLASTER_CACHE_DIR", str(tmp_path))
    assert jars.cache_directory() == tmp_path


def test_the_cache_lies_in_the_users_cache_folder_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KLASTER_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jars.cache_directory() == tmp_path / "klaster"
