"""Searches on a tiny model: real trainings, a real study on disk, a real kill."""

from __future__ import annotations

import json
import logging
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuneloop.errors import RecipeError, TrainingError
from tuneloop.recipes import Search, Training
from tuneloop.results.search import Trial, TrialResult
from tuneloop.training.search.row_losses import compare, row_losses
from tuneloop.training.search.searching import Searcher
from tuneloop.training.search.space import with_values

pytestmark = pytest.mark.integration

CONFIG = Training(epochs=2, batch_size=4, learning_rate=5e-3, lora_rank=4, lora_alpha=8, save_every_steps=2)
SEARCH = Search(
    trials=4, lora_rank=(2, 4, 8), learning_rate=(1e-3, 1e-2), target_modules=("all-linear", "q_proj,v_proj")
)
UNTIL_KILLED_SECONDS = 240


@pytest.fixture(scope="session")
def arguments(tiny: Path, train_file: Path, validation_file: Path) -> dict[str, Any]:
    return {
        "base": tiny, "train_file": train_file, "validation_file": validation_file, "system_prompt": "Be brief.",
        "max_tokens": 400, "data_version": "v1", "threads": 1,
    }  # fmt: skip


def run_all(searcher: Searcher, arguments: dict[str, Any]) -> list[TrialResult]:
    while (trial := searcher.next_trial()) is not None:
        searcher.run(trial, **arguments)
    return searcher.results()


def outcomes(results: list[TrialResult]) -> list[dict[str, Any]]:
    return [result.model_dump(exclude={"seconds"}) for result in results]


@pytest.fixture(scope="session")
def searched(arguments: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    searcher = Searcher(tmp_path_factory.mktemp("search"), SEARCH, CONFIG)
    run_all(searcher, arguments)
    return searcher


def test_the_recipes_own_values_are_tried_first(searched: Searcher) -> None:
    own = {"learning_rate": 5e-3, "lora_rank": 4, "target_modules": "all-linear"}
    assert searched.results()[0].values == own
    assert len(searched.results()) == 4


def test_a_finished_search_asks_for_nothing_until_more_trials_are_wanted(searched: Searcher, tmp_path: Path) -> None:
    copy = shutil.copytree(searched.folder, tmp_path / "copy")
    assert Searcher(copy, SEARCH, CONFIG).next_trial() is None
    more = Searcher(copy, SEARCH, CONFIG, trials=5).next_trial()
    assert more is not None
    assert more.number == 4


def test_only_the_weights_of_the_first_and_the_best_trial_are_kept(searched: Searcher) -> None:
    kept = {number for number in range(4) if searched.adapter(number).is_dir()}
    assert kept == {0, searched.best()}


def test_losses_by_row_add_up_to_the_validation_loss_of_the_trial(
    searched: Searcher, arguments: dict[str, Any]
) -> None:
    best = searched.best()
    assert best is not None
    result = searched.results()[best]
    names = ("base", "validation_file", "system_prompt", "max_tokens")
    config = with_values(CONFIG, result.values)
    losses = row_losses(adapter=searched.adapter(best), config=config, **{name: arguments[name] for name in names})
    assert losses.mean == pytest.approx(result.loss, rel=0.01)
    same = compare(losses, losses, candidates=3)
    assert (same.difference, same.low, same.high, same.is_better) == (0, 0, 0, False)


ROOT = Path(__file__).parents[4]
KILLED = textwrap.dedent(
    """
    import json, sys
    from pathlib import Path
    from tests.tuneloop.training.search.test_searching import CONFIG, SEARCH
    from tuneloop.training.search.searching import Searcher

    arguments = json.loads(sys.argv[2])
    for name in ("base", "train_file", "validation_file"):
        arguments[name] = Path(arguments[name])

    def show(point):
        print(point.step, flush=True)

    searcher = Searcher(Path(sys.argv[1]), SEARCH, CONFIG)
    while (trial := searcher.next_trial()) is not None:
        print("trial", trial.number, flush=True)
        searcher.run(trial, on_progress=show, **arguments)
    """
)


def kill_when(folder: Path, arguments: dict[str, Any], enough: Callable[[list[str]], bool]) -> list[str]:
    """Search in a process of its own and end it with SIGKILL once its lines are `enough`; returns them."""
    texts = {name: str(v) if isinstance(v, Path) else v for name, v in arguments.items()}
    command = [sys.executable, "-c", KILLED, str(folder), json.dumps(texts)]
    lines: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # it imports this file
        assert process.stdout is not None
        deadline = time.monotonic() + UNTIL_KILLED_SECONDS
        while not enough(lines) and time.monotonic() < deadline and (line := process.stdout.readline()):
            lines.append(line.strip())
        process.send_signal(signal.SIGKILL)
    return lines


@pytest.mark.slow
def test_a_killed_search_goes_on_and_ends_as_one_that_was_not(
    searched: Searcher, arguments: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def in_the_second_trial(lines: list[str]) -> bool:
        return "trial 1" in lines and "5" in lines[lines.index("trial 1") :]

    kill_when(tmp_path, arguments, in_the_second_trial)
    searcher = Searcher(tmp_path, SEARCH, CONFIG)
    assert [result.state for result in searcher.results()] == ["finished", "unfinished"]
    before = (searcher.out(0) / "report.json").stat().st_mtime_ns
    cut_off = searcher.next_trial()
    assert cut_off is not None
    assert cut_off.number == 1
    with caplog.at_level(logging.INFO, "tuneloop.training"):
        searcher.run(cut_off, **arguments)
    assert "going on at step 4" in caplog.messages
    run_all(searcher, arguments)
    assert (searcher.out(0) / "report.json").stat().st_mtime_ns == before
    assert outcomes(searcher.results()) == outcomes(searched.results())


def test_a_trial_that_is_cut_off_again_and_again_is_given_up(arguments: dict[str, Any], tmp_path: Path) -> None:
    def stop(_: Any) -> bool:
        raise KeyboardInterrupt

    searcher = Searcher(tmp_path, SEARCH, CONFIG)
    for _ in range(3):
        trial = searcher.next_trial()
        assert trial is not None
        assert trial.number == 0
        with pytest.raises(KeyboardInterrupt):
            searcher.run(trial, on_progress=stop, **arguments)
    following = searcher.next_trial()
    assert following is not None
    assert following.number == 1
    assert searcher.results()[0].state == "failed"
    assert searcher.results()[0].reason == "cut off 3 times"


def fifth_trial(searched: Searcher, folder: Path, config: Training = CONFIG) -> tuple[Searcher, Trial]:
    """The search with one more trial to run, in a folder of its own."""
    shutil.copytree(searched.folder, folder)
    searcher = Searcher(folder, SEARCH, config, trials=5)
    trial = searcher.next_trial()
    assert trial is not None
    return searcher, trial


def test_a_trial_that_is_worse_than_most_is_given_up_half_way(
    searched: Searcher, arguments: dict[str, Any], tmp_path: Path
) -> None:
    searcher, trial = fifth_trial(searched, tmp_path / "search")
    learns_nothing = trial.model_copy(update={"values": {**trial.values, "learning_rate": 1e-9}})
    result = searcher.run(learns_nothing, **arguments)
    assert result.state == "pruned"
    assert result.pruned_at == 0.5
    assert not searcher.adapter(trial.number).exists()
    assert searcher.next_trial() is None


def test_a_trial_that_diverges_is_noted_and_the_search_goes_on(
    searched: Searcher, arguments: dict[str, Any], tmp_path: Path
) -> None:
    # Weights that decay by ten times the highest rate change sign and grow a hundredfold at each step.
    diverging = CONFIG.model_copy(update={"weight_decay": 10.0, "lora_alpha": 2**16})
    searcher, trial = fifth_trial(searched, tmp_path / "search", diverging)
    result = searcher.run(trial.model_copy(update={"values": {"learning_rate": 10.0}}), **arguments)
    assert result.state == "failed"
    assert "learning_rate" in result.reason
    assert searcher.best() == searched.best()


def test_without_a_rate_every_combination_is_tried_once(tmp_path: Path) -> None:
    search = Search(trials=50, lora_rank=(2, 4), learning_rate=None, target_modules=("all-linear", "q_proj"))
    searcher = Searcher(tmp_path, search, CONFIG)
    tried = []
    while (trial := searcher.next_trial()) is not None:
        tried.append(tuple(trial.values.values()))
        searcher._fail(trial.number, "not run here")
    assert tried[0] == (4, "all-linear")
    assert sorted(tried) == [(2, "all-linear"), (2, "q_proj"), (4, "all-linear"), (4, "q_proj")]


def test_a_search_without_validation_rows_says_what_is_missing(arguments: dict[str, Any], tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    empty = tmp_path / "validation.parquet"
    pq.write_table(pq.read_table(arguments["validation_file"]).slice(0, 0), empty)
    searcher = Searcher(tmp_path / "search", SEARCH, CONFIG)
    trial = searcher.next_trial()
    assert trial is not None
    with pytest.raises(TrainingError, match="validation_share"):
        searcher.run(trial, **{**arguments, "validation_file": empty})


def test_a_search_that_leaves_nothing_to_try_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="nothing to try"):
        Searcher(tmp_path, Search(lora_rank=(4,), learning_rate=None, target_modules=()), CONFIG)


def test_a_search_from_the_champions_adapters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="start_from: base"):
        Searcher(tmp_path, SEARCH, CONFIG.model_copy(update={"start_from": "champion"}))
