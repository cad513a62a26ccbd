from klaster_shared.embedded.kafka import java_properties


def test_plain_settings_are_lines() -> None:
    assert java_properties({"node.id": "1", "log.dirs": "/srv/data"}) == "node.id=1\nlog.dirs=/srv/data\n"


def test_letters_beyond_ascii_are_escaped() -> None:
    assert java_properties({"log.dirs": "/home/żaneta"}) == "log.dirs=/home/\\u017caneta\n"


def test_letters_beyond_the_basic_plane_are_escaped_as_a_pair() -> None:
    assert java_properties({"log.dirs": "/😀"}) == "log.dirs=/\\ud83d\\ude00\n"


def test_a_backslash_stays_a_backslash() -> None:
    assert java_properties({"log.dirs": "a\\b"}) == "log.dirs=a\\\\b\n"
