from pathlib import Path

from klaster_shared.embedded.jvm import Java

ALPHA, BETA = Path("/jars/alpha.jar"), Path("/jars/beta.jar")


def test_a_cache_of_another_class_path_order_is_another_cache(tmp_path: Path) -> None:
    assert Java((ALPHA, BETA), tmp_path).aot != Java((BETA, ALPHA), tmp_path).aot


def test_a_cache_of_the_same_class_path_is_found_again(tmp_path: Path) -> None:
    assert Java((ALPHA, BETA), tmp_path).aot == Java((ALPHA, BETA), tmp_path).aot


def test_a_cache_is_used_once_it_is_there(tmp_path: Path) -> None:
    java = Java((ALPHA,), tmp_path)
    java.aot.touch()
    assert f"-XX:AOTCache={java.aot}" in java.command("Main", temporary=tmp_path)


def test_without_a_cache_java_is_not_told_of_one(tmp_path: Path) -> None:
    assert not any("AOT" in word for word in Java((ALPHA,), tmp_path).command("Main", temporary=tmp_path))
