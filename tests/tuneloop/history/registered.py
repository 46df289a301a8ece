"""A registry in one file, and rounds that were registered in it, for tests of promotions."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from tests.tuneloop.history.examples import make_round
from tuneloop.history.promotions import mark_registered, promote
from tuneloop.history.rounds import save_round
from tuneloop.history.verdict_signature import signature_tags, signing_key
from tuneloop.ports import ModelVersion
from tuneloop.results import Reason, Round, Verdict

RECIPE = "desk"


class FileRegistry:
    """The model registry's part of the port, in a JSON file, so that it outlives a killed process.

    With `killed_at` the process is killed by SIGKILL at that step: `champion` before the alias is set, `champion!`
    after it.
    """

    def __init__(self, file: Path, killed_at: str = "") -> None:
        self.file, self.killed_at = file, killed_at
        if not file.exists():
            self._write({"versions": {}, "aliases": {}})

    def add(self, version: str, tags: Mapping[str, str]) -> None:
        content = self._read()
        content["versions"][version] = dict(tags)
        self._write(content)

    def aliases(self) -> dict[str, str]:
        return self._read()["aliases"]

    def versions(self, model: str) -> list[ModelVersion]:
        content = self._read()
        names = {v: tuple(a for a, to in content["aliases"].items() if to == v) for v in content["versions"]}
        return [ModelVersion(v, "run", "2026-11-21", names[v], tags) for v, tags in content["versions"].items()]

    def set_alias(self, model: str, alias: str, version: str | None) -> None:
        self._die_at(alias)
        content = self._read()
        content["aliases"].pop(alias, None)
        if version is not None:
            content["aliases"][alias] = version
        self._write(content)
        self._die_at(f"{alias}!")

    def set_tags(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        self._die_at("tags")
        content = self._read()
        content["versions"][version] |= tags
        self._write(content)
        self._die_at("tags!")

    def champion(self, model: str) -> Mapping[str, str] | None:
        return next((v.tags | {"version": v.version} for v in self.versions(model) if "champion" in v.aliases), None)

    def _die_at(self, step: str) -> None:
        if step == self.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _read(self) -> dict:
        return json.loads(self.file.read_text())

    def _write(self, content: dict) -> None:
        draft = self.file.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(content))
        draft.replace(self.file)


class Desk:
    """A workspace with registered versions, and what one does with them."""

    def __init__(self, workspace: Path, killed_at: str = "") -> None:
        self.workspace = workspace
        self.registry = FileRegistry(workspace / "registry.json", killed_at)
        self.key = signing_key(workspace)

    def judged(self, number: int, decision: str = "promote", *, against: str | None = None) -> Round:
        """A round whose model lies on the disk and is registered under the round's number."""
        folder = self.workspace / "models" / f"m{number}"
        folder.mkdir(parents=True)
        (folder / "weights").write_text(f"hash-{number}")
        reason = Reason(rule="loss", passed=decision == "promote", text="as it came", low=-1.5)
        verdict = Verdict(
            decision=decision, reasons=[reason], candidate_hash=f"hash-{number}", champion_hash=against
        )  # fmt: skip
        example = make_round(number, recipe=RECIPE, verdict=verdict)
        training = example.training.model_copy(update={"model": str(folder), "model_hash": f"hash-{number}"})
        round_ = example.model_copy(update={"training": training})
        save_round(self.workspace, round_)
        tags = {"round": str(number), "model_hash": f"hash-{number}", "model_path": str(folder), "decision": decision}
        self.registry.add(str(number), tags | signature_tags(verdict, recipe=RECIPE, key=self.key))
        mark_registered(self.registry, self.workspace, recipe=RECIPE, version=str(number), decision=decision)
        return round_

    def promote(self, round_: Round, person: str | None = None, because: str = "it is better"):
        return promote(
            self.registry,
            self.workspace,
            recipe=RECIPE,
            version=str(round_.number),
            verdict=round_.verdict,
            because=because,
            person=person,
            hash_of=hash_of,
        )


def hash_of(folder: Path) -> str:
    """The test models hold their own hash."""
    return (folder / "weights").read_text()
