"""Which seeds run: `--simulation-seeds N` many from `--simulation-first`, or `--simulation-seed N` alone, with its schedule."""

import pytest


@pytest.fixture(scope="session")
def seeds(request: pytest.FixtureRequest) -> range:
    one = request.config.getoption("--simulation-seed")
    first = request.config.getoption("--simulation-first")
    return range(one, one + 1) if one is not None else range(first, first + request.config.getoption("--simulation-seeds"))
