"""Search for better values of the training section, one trial after the other, by Optuna's tree-structured Parzen
estimator (TPE; Bergstra et al. 2011).

The study lies in the search's folder, and a search that was killed is taken up where it stopped: finished trials stay,
the one that was cut off goes on from its checkpoint. Each trial draws from a generator seeded by the search's seed and
the trial's number, so a killed search tries exactly what an unkilled one would have tried.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.errors import RecipeError, TrainingError
from tuneloop.recipes import Search, Training
from tuneloop.results import LossPoint, TrainingReport
from tuneloop.results.search import Trial, TrialResult
from tuneloop.training.fine_tuning import fine_tune
from tuneloop.training.search.space import Space, own_values, space_of, with_values

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)
STUDY = "study.db"
RANDOM_TRIALS = 4
"""Trials before TPE begins to learn and pruning begins to compare. Optuna's ten would leave nothing of a dozen."""
PRUNE_FROM_PERCENT = 40
"""No trial is given up before this share of its training: high rates look best early, low ones catch up late."""
MOST_STARTS = 3
"""A trial that was cut off this often is given up: perhaps it is what kills the process."""


class Searcher:
    """One search in its folder. `trials` may be raised later; the search then goes on.

    Raises:
        RecipeError: nothing to search, or a recipe that goes on from the champion's adapters.
    """

    def __init__(self, folder: Path, search: Search, config: Training, *, trials: int | None = None) -> None:
        if config.start_from != "base":
            raise RecipeError("a search trains from the base, where rank and targets are free: set start_from: base")
        self.folder = folder
        self.trials = trials or search.trials
        self._search = search
        self._config = config
        self._space: Space = space_of(search, config)
        if not self._space.choices and self._space.rates is None:
            raise RecipeError("the recipe's search section leaves nothing to try: give a key more than one value")
        self._study = _open(folder, self._space, search, config)

    def next_trial(self) -> Trial | None:
        """The trial that was cut off, else a new one; None when all are done."""
        from optuna.trial import TrialState

        for cut_off in self._study.get_trials(states=(TrialState.RUNNING,)):
            if cut_off.user_attrs.get("starts", 0) < MOST_STARTS:
                return self._trial(cut_off.number, cut_off.params)
            self._fail(cut_off.number, f"cut off {MOST_STARTS} times")
        known = self._study.get_trials()
        waiting = any(trial.state == TrialState.WAITING for trial in known)
        begun = sum(trial.state != TrialState.WAITING for trial in known)
        if begun >= self.trials or (self._space.rates is None and not waiting):
            return None
        self._study.sampler = _sampler(self._search.seed, begun)
        asked = self._study.ask(self._space.distributions())
        return self._trial(asked.number, asked.params)

    def run(
        self,
        trial: Trial,
        *,
        base: Path,
        train_file: Path,
        validation_file: Path,
        system_prompt: str,
        max_tokens: int,
        data_version: str,
        threads: int | None = None,
        on_progress: Callable[[LossPoint], None] | None = None,
    ) -> TrialResult:
        """Train with the trial's values, giving up half-way if the validation loss is worse than that of most.

        Arguments are those of `fine_tune`.

        Raises:
            TrainingError: the recipe's own values cannot be trained with, or the disk is full.
        """
        live = self._live(trial.number)
        live.set_user_attr("starts", live.user_attrs.get("starts", 0) + 1)
        config = with_values(self._config, trial.values)
        try:
            report = fine_tune(
                base=base, train_file=train_file, validation_file=validation_file, out=self.out(trial.number),
                system_prompt=system_prompt, max_tokens=max_tokens, config=config, data_version=data_version,
                threads=threads, on_progress=on_progress, merge=False,
                should_stop=_Judge(live, config.epochs, self._study.get_trials()[trial.number].intermediate_values),
            )  # fmt: skip
        except TrainingError as error:
            if trial.number == 0 or error.__cause__ is not None:  # the recipe's or the disk's fault
                raise
            self._fail(trial.number, str(error))
        else:
            self._tell(live, report, config)
        self._forget_weights()
        return self.results()[trial.number]

    def results(self) -> list[TrialResult]:
        """All trials that have begun, in their order."""
        from optuna.trial import TrialState

        return [
            _result(trial, self._space.values(trial.params))
            for trial in self._study.get_trials()
            if trial.state != TrialState.WAITING
        ]

    def best(self) -> int | None:
        """Number of the finished trial with the lowest loss."""
        done = [(t.loss, t.number) for t in self.results() if t.state == "finished" and t.loss is not None]
        return min(done)[1] if done else None

    def out(self, number: int) -> Path:
        """Where a trial is trained."""
        return self.folder / "trials" / f"{number:03d}"

    def adapter(self, number: int) -> Path:
        """Weights of trial 0 or of the best one; those of the others are not kept."""
        return self.out(number) / ("model" if self._config.method == "full" else "adapter")

    def _trial(self, number: int, params: dict[str, Any]) -> Trial:
        return Trial(number=number, values=self._space.values(params))

    def _live(self, number: int) -> Any:
        from optuna.trial import Trial as LiveTrial

        # The way back to a trial that another process had asked for; Optuna has no public one.
        return LiveTrial(self._study, self._study.get_trials()[number]._trial_id)  # noqa: SLF001

    def _tell(self, live: Any, report: TrainingReport, config: Training) -> None:
        from optuna.trial import TrialState

        live.set_user_attr("seconds", report.cost.seconds)
        if "pruned_at" in live.user_attrs:
            self._study.tell(live.number, state=TrialState.PRUNED)
        else:
            self._study.tell(live.number, kept_loss(report, config))

    def _fail(self, number: int, reason: str) -> None:
        """Optuna is told of a pruned trial without a loss, which TPE takes for the worst; a failed one it ignores."""
        from optuna.trial import TrialState

        self._live(number).set_user_attr("failed", reason)
        self._study.tell(number, state=TrialState.PRUNED)
        log.warning("trial %d failed: %s", number, reason)

    def _forget_weights(self) -> None:
        for result in self.results():
            if result.number not in {0, self.best()} and result.state != "unfinished":
                shutil.rmtree(self.out(result.number), ignore_errors=True)


def kept_loss(report: TrainingReport, config: Training) -> float:
    """Validation loss of the weights that a run has kept."""
    seen = [point.eval_loss for point in report.losses if point.eval_loss is not None]
    if not seen:
        raise TrainingError("a search needs validation rows to judge by; raise data.validation_share")
    return min(seen) if config.keep == "best" else seen[-1]


def _open(folder: Path, space: Space, search: Search, config: Training) -> Study:
    """The study in `folder`; a new one begins with the recipe's own values, and tries all there is if that is few."""
    import optuna
    from optuna.pruners import MedianPruner

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / STUDY}",
        study_name="search",
        direction="minimize",
        load_if_exists=True,
        pruner=MedianPruner(n_startup_trials=RANDOM_TRIALS, n_warmup_steps=PRUNE_FROM_PERCENT),
    )
    wanted = [own_values(space, config), *([] if space.rates else space.combinations(search.seed))]
    for values in wanted:
        study.enqueue_trial(space.params(values), skip_if_exists=True)
    return study


def _sampler(seed: int, number: int) -> Any:
    import numpy as np
    from optuna.samplers import TPESampler

    mixed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])  # neighbouring seeds draw alike at first
    return TPESampler(seed=mixed, n_startup_trials=RANDOM_TRIALS)


class _Judge:
    """Whether a trial should end: worse than the median of those before it, at the same share of its training.

    Not at the same step: a longer schedule still has a high rate where a shorter one has already come down.
    """

    def __init__(self, live: Any, epochs: float, known: Iterable[int]) -> None:
        self._live = live
        self._epochs = epochs
        self._known = set(known)  # a trial that goes on from a checkpoint passes some points a second time

    def __call__(self, point: LossPoint) -> bool:
        if "pruned_at" in self._live.user_attrs:
            return True
        if point.eval_loss is None:
            return False
        percent = round(100 * point.epoch / self._epochs)
        if percent not in self._known:
            self._known.add(percent)
            self._live.report(point.eval_loss, percent)
        if percent >= 100 or not self._live.should_prune():  # noqa: PLR2004
            return False
        self._live.set_user_attr("pruned_at", percent / 100)
        return True


def _result(trial: FrozenTrial, values: dict[str, Any]) -> TrialResult:
    from optuna.trial import TrialState

    kept = trial.user_attrs
    state = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned"}.get(trial.state, "unfinished")
    seen = [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)]
    return TrialResult(
        number=trial.number,
        values=values,
        state="failed" if "failed" in kept else state,  # type: ignore[arg-type]
        loss=trial.value if state == "finished" else (seen[-1] if seen else None),
        seconds=kept.get("seconds"),
        pruned_at=kept.get("pruned_at"),
        reason=kept.get("failed", ""),
    )
