"""Whatever is fed to the command line ends in a sentence that names it: in 20 seconds of work, and 512 MiB.

Every file is made here in a few lines. All of a kind are given to one process, whose peak of memory is measured: that
of the worst of them, with the imports. Seconds are those of the processor: on a busy machine the clock tells of others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hostile.data_files import DATA_FILES, QUARANTINED
from tests.hostile.models import MODELS
from tests.hostile.recipes import RECIPES
from tests.hostile.sheets import SHEETS

pytestmark = pytest.mark.integration

SECONDS, MIB = 20, 512
NEVER_ENDS_SECONDS = 300
LAUNCHER = """
import json, os, sys
child = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[2:]], os.environ)
_, status, used = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), used.ru_maxrss / 1024], file)
"""
"""A small process between ours and the measured one, which would begin with our peak of memory."""

FEED = """
import json, sys, time
from typer.testing import CliRunner
from tuneloop.cli.app import app
for arguments in json.load(sys.stdin):
    began = time.process_time()
    ended = CliRunner().invoke(app, arguments)
    if ended.exception and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    print(json.dumps([ended.exit_code, time.process_time() - began, ended.output]), flush=True)
"""
"""Runs the command line on each of the lists of arguments it is given, as a shell would, after one import."""

PREPARE = """
import json, sys, time
from pathlib import Path
from tuneloop.errors import TuneloopError
from tuneloop.recipes import Model
from tuneloop.training.base_models import prepare_base
for folder in json.load(sys.stdin):
    began = time.process_time()
    try:
        said = f"ACCEPTED {prepare_base(Model(base=folder), Path(folder).parent / 'cache')}"
    except TuneloopError as error:
        said = f"error: {error}"
    print(json.dumps([int(said.startswith("error")), time.process_time() - began, said]), flush=True)
"""
"""What `tuneloop train` and `run` do with a base model, without the data version that they want to see before."""


@dataclass
class Ended:
    code: int
    seconds: float
    output: str


def fed(tmp_path: Path, script: str, feed: Sequence[object]) -> list[Ended]:
    """What came of each, in a process that kept within its memory."""
    measured, output, given = tmp_path / "measured.json", tmp_path / "output.txt", tmp_path / "given.json"
    given.write_text(json.dumps(feed))
    environment = {**os.environ, "TUNELOOP_ROOT": str(Path.cwd()), "TUNELOOP_WORKSPACE": str(tmp_path / "ws")}
    with output.open("w") as stream, given.open() as source:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", LAUNCHER, str(measured), "-c", script],
            stdin=source,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=True,
            timeout=NEVER_ENDS_SECONDS,
            env=environment,
        )
    code, mib = json.loads(measured.read_text())
    assert code == 0, output.read_text()[-2000:]
    assert mib <= MIB
    return [Ended(*json.loads(line)) for line in output.read_text().splitlines() if line.startswith("[")]


def made(tmp_path: Path, name: str, make: Callable[[Path], object]) -> Path:
    """The file, made in a process of its own: some need much memory to be made."""
    path = tmp_path / name
    child = os.fork()
    if child == 0:
        try:
            make(path)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return path


def require_sentences(ended: Sequence[Ended], files: Sequence[Path]) -> None:
    """Each is refused, by name, in time, and with no traceback."""
    for one, file in zip(ended, files, strict=True):
        assert one.code in (1, 2), one.output[-500:]
        assert file.name in one.output, one.output[-500:]
        assert "Traceback" not in one.output
        assert one.seconds <= SECONDS, file


def test_there_are_at_least_forty_hostile_files() -> None:
    assert len({*SHEETS, *RECIPES, *DATA_FILES, *MODELS}) > 40


def test_hostile_sheets_are_refused_by_import(tmp_path: Path) -> None:
    files = [made(tmp_path, *one) for one in SHEETS.values()]

    ended = fed(tmp_path, FEED, [["review", "import", str(file), "--reviewer", "Ann"] for file in files])

    require_sentences(ended, files)


def test_hostile_recipes_are_refused_by_validate_recipe(tmp_path: Path) -> None:
    files = [made(tmp_path, *one) for one in RECIPES.values()]

    ended = fed(tmp_path, FEED, [["validate-recipe", str(file)] for file in files])

    require_sentences(ended, files)
    assert all(one.output.startswith("WRONG") for one in ended)


def test_hostile_data_files_are_refused_by_validate(tmp_path: Path) -> None:
    files = [made(tmp_path, *one) for case, one in DATA_FILES.items() if case not in QUARANTINED]

    ended = fed(tmp_path, FEED, [["validate", str(file)] for file in files])

    require_sentences(ended, files)


def test_bad_rows_of_data_files_are_set_aside_by_validate(tmp_path: Path) -> None:
    files = [made(tmp_path, *DATA_FILES[case]) for case in QUARANTINED]

    assert fed(tmp_path, FEED, [["validate", *map(str, files)]])[0].code == 1

    said = (tmp_path / "output.txt").read_text()  # the check is a process of its own, and writes there itself
    assert "would be set aside" in said
    assert all(file.name in said for file in files)


def test_hostile_base_models_are_refused_before_anything_is_built(tmp_path: Path) -> None:
    folders = [made(tmp_path, *one) for one in MODELS.values()]

    require_sentences(fed(tmp_path, PREPARE, list(map(str, folders))), folders)


def test_an_estimate_reads_no_hostile_configuration_either(tmp_path: Path) -> None:
    cases = ("a billion layers", "attention from the hub", "no heads", "a configuration nested deep")
    folders = [made(tmp_path, *MODELS[case]) for case in cases]
    for folder in folders:
        sources = "{sources: [{name: a, path: none.jsonl}]}"
        folder.with_suffix(".yaml").write_text(f"name: tea\ndata: {sources}\nmodel: {{base: {folder}}}\n")

    recipes = [str(folder.with_suffix(".yaml")) for folder in folders]
    ended = fed(tmp_path, FEED, [["train", recipe, "--estimate"] for recipe in recipes])

    require_sentences(ended, [folder / "config.json" for folder in folders])
