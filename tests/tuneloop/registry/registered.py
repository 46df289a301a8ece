"""A registry in one file, and rounds that were registered in it, for tests of promotions."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.tuneloop.reports.examples import make_round
from tuneloop.files import contents_hash, file_digests
from tuneloop.ports import ARTEFACT_TAG, ModelVersion
from tuneloop.registry.model_versions import version_tags
from tuneloop.registry.promotions import mark_registered, promote
from tuneloop.registry.rounds import save_round
from tuneloop.registry.sealed_folders import seal_folders
from tuneloop.registry.verdict_signature import signature_tags, signing_key
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

    def log_round(self, experiment: str, run_name: str, **_: Any) -> str:
        return f"run of {run_name}"

    def register(self, model: str, run_id: str, *, artifact: Path, tags: Mapping[str, str]) -> str:
        """Equal artefacts are one version; numbers of versions that were deleted are not given again."""
        digest, content = contents_hash(file_digests(artifact)), self._read()
        known = [v for v, own in content["versions"].items() if own.get(ARTEFACT_TAG) == digest]
        if known:
            self.set_tags(model, known[0], tags)
            return known[0]
        content["last"] = max([content.get("last", 0), *map(int, content["versions"])]) + 1
        content["versions"][str(content["last"])] = {**tags, ARTEFACT_TAG: digest}
        self._write(content)
        return str(content["last"])

    def delete(self, version: str) -> None:
        content = self._read()
        content["last"] = max(map(int, content["versions"]))
        del content["versions"][version]
        content["aliases"] = {a: v for a, v in content["aliases"].items() if v != version}
        self._write(content)

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

    def _die_at(self, step: str) -> None:
        if step == self.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _read(self) -> dict:
        return json.loads(self.file.read_text())

    def _write(self, content: dict) -> None:
        draft = self.file.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(content))
        draft.replace(self.file)


class RecordingBackend:
    """A workspace with registered versions, and what one does with them."""

    def __init__(self, workspace: Path, killed_at: str = "") -> None:
        self.workspace = workspace
        self.registry = FileRegistry(workspace / "registry.json", killed_at)
        self.key = signing_key(workspace)

    def judged(
        self, number: int, decision: str = "promote", *, against: str | None = None, sealed: bool = True
    ) -> Round:
        """A round whose model lies on the disk and is registered under the round's number; not `sealed`: as releases
        before folders were sealed wrote it."""
        folder = self.workspace / "models" / f"m{number}"
        folder.mkdir(parents=True)
        (folder / "weights").write_text(f"hash-{number}")
        reason = Reason(rule="loss", passed=decision == "promote", text="as it came", low=-1.5)
        verdict = Verdict(
            decision=decision, reasons=[reason], candidate_hash=f"hash-{number}", champion_hash=against
        )  # fmt: skip
        example = make_round(number, recipe=RECIPE, verdict=verdict)
        adapter = self.workspace / "models" / f"a{number}"
        adapter.mkdir()
        (adapter / "adapter_model.safetensors").write_text(f"adapter {number}")
        training = example.training.model_copy(
            update={"model": str(folder), "adapter": str(adapter), "model_hash": f"hash-{number}"}
        )
        candidate = example.candidate.model_copy(update={"model_hash": f"hash-{number}"})
        round_ = example.model_copy(update={"training": training, "candidate": candidate})
        if sealed:
            round_ = seal_folders(round_, key=self.key, digests_of=file_digests, hash_of=hash_of)
        save_round(self.workspace, round_)
        self.registry.add(str(number), version_tags(round_) | signature_tags(verdict, recipe=RECIPE, key=self.key))
        mark_registered(self.registry, self.workspace, recipe=RECIPE, version=str(number), decision=decision)
        return round_

    def promote(self, round_: Round, person: str | None = None, because: str = "it is better"):
        return promote(
            self.registry,
            self.workspace,
            recipe=RECIPE,
            version=str(round_.number),
            round_=round_,
            because=because,
            person=person,
            hash_of=hash_of,
        )


def hash_of(folder: Path) -> str:
    """The test models hold their own hash."""
    return (folder / "weights").read_text()
