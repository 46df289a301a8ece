"""Upstream's own unit tests, run on our search engine and with our speed-ups in place.

What may fail is listed, with the reason, in `exclusions.toml`; everything else has to pass, and nothing may stay listed
that passes.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from archive import unpack_into
from argilla_embedded.launcher import listen
from argilla_embedded.valkey import Valkey

HERE = Path(__file__).parent
ENGINE_TESTS = "tests/unit/search_engine/"
PLUGINS = ["-p", "binding", "-p", "outcomes", "-p", "no:cacheprovider", "-p", "no:randomly"]
OPTIONS = ["-o", "addopts=", "-o", "log_cli=false", "-W", "ignore", "--quiet", "--tb=short"]

pytestmark = pytest.mark.slow


class Exclusions(dict[str, str]):
    """From a test's id to what it is about; an id without parameters stands for all of them."""

    def entry_for(self, test: str) -> str | None:
        return next((entry for entry in (test, test.split("[", maxsplit=1)[0]) if entry in self), None)

    def is_counted(self, test: str) -> bool:
        entry = self.entry_for(test)
        return test.startswith(ENGINE_TESTS) and (entry is None or self[entry] != "elasticsearch")


@pytest.fixture(scope="module")
def exclusions() -> Exclusions:
    groups = tomllib.loads((HERE / "exclusions.toml").read_text())["excluded"]
    return Exclusions({test: group["about"] for group in groups for test in group["tests"]})


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What became of every test of upstream's unit suite."""
    folder = tmp_path_factory.mktemp("upstream")
    with _valkey(folder) as redis_url:
        return _run(unpack_into(folder), folder, redis_url)


@contextmanager
def _valkey(folder: Path) -> Iterator[str]:
    with closing(listen(0)) as probe:
        port = probe.getsockname()[1]
    (folder / "valkey").mkdir()
    valkey = Valkey(folder / "valkey", port, "password")
    valkey.start()
    try:
        yield valkey.url
    finally:
        valkey.stop()


def _run(root: Path, home: Path, redis_url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ARGILLA_", "HF_", "PYTEST_"))}
    (home / "tmp").mkdir()
    environment = {
        "PYTHONPATH": str(HERE),
        "ARGILLA_HOME_PATH": str(home),
        "ARGILLA_DATABASE_URL": f"sqlite+aiosqlite:///{home}/argilla.db?check_same_thread=False",
        "ARGILLA_REDIS_URL": redis_url,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "1",
        "TMPDIR": str(home / "tmp"),
        "OUTCOMES_FILE": str(home / "outcomes.json"),
    }
    command = [sys.executable, "-m", "pytest", *PLUGINS, *OPTIONS, "tests/unit"]
    with (home / "log").open("w") as log:
        subprocess.run(command, cwd=root, env=kept | environment, stdout=log, stderr=log, check=False)
    report = home / "outcomes.json"
    assert report.exists(), (home / "log").read_text()[-5000:]
    print((home / "log").read_text().splitlines()[-1])
    return json.loads(report.read_text())


def test_all_but_one_of_the_92_engine_tests_pass(outcomes: dict[str, str], exclusions: Exclusions) -> None:
    engine = [outcome for test, outcome in outcomes.items() if exclusions.is_counted(test)]
    assert len(engine) == 92
    assert engine.count("passed") >= 91


def test_only_listed_tests_fail_or_are_skipped(outcomes: dict[str, str], exclusions: Exclusions) -> None:
    assert len(outcomes) == 1509
    not_passed = [test for test, outcome in outcomes.items() if outcome != "passed"]
    assert [test for test in not_passed if exclusions.entry_for(test) is None] == []


def test_no_exclusion_is_out_of_date(outcomes: dict[str, str], exclusions: Exclusions) -> None:
    excluded = {test: entry for test in outcomes if (entry := exclusions.entry_for(test)) is not None}
    assert [test for test in excluded if outcomes[test] == "passed"] == []
    assert exclusions.keys() - excluded.values() == set()
