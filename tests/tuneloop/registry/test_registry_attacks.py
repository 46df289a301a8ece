"""What another user of the machine can do who can write to MLflow, or to a model's folder, on a real MLflow store.

Everything is done with MLflow's own client, as anyone would; what must hold is asked of the commands and the cycle.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner

from tests.tuneloop.reports.examples import make_round
from tuneloop.adapters.mlflow_registry import MlflowRegistry
from tuneloop.cli import export_command, lineage_command, models_command, repair_command
from tuneloop.cli.app import PlainErrors
from tuneloop.errors import ModelError
from tuneloop.files import contents_hash, file_digests
from tuneloop.ports import ARTEFACT_TAG
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.champion import ChampionError, require_champion
from tuneloop.registry.model_versions import version_tags
from tuneloop.registry.promotions import mark_registered, promote, roll_back
from tuneloop.registry.rounds import load_rounds, save_round
from tuneloop.registry.sealed_folders import seal_folders
from tuneloop.registry.verdict_signature import signature_tags, signing_key
from tuneloop.results import Round, Verdict
from tuneloop.training.export.served import artefact_hash, require_hash

pytestmark = pytest.mark.integration

FILES = {
    "model.safetensors": "weights",
    "config.json": "{}",
    "generation_config.json": "{}",
    "tokenizer.json": "{}",
    "tokenizer_config.json": "{}",
    "chat_template.jinja": "{{ messages }}",
}


@dataclass
class Place:
    """A project on a real store; round 2 is the champion, 1 was it before, 3 passed and was never promoted."""

    home: Path
    recipe: str

    @property
    def url(self) -> str:
        return f"sqlite:///{self.home.parents[1]}/mlflow.db"

    @property
    def workspace(self) -> Path:
        return self.home / "workspace"

    @property
    def registry(self) -> MlflowRegistry:
        return MlflowRegistry(self.url)

    @property
    def intruder(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.url, registry_uri=self.url)

    def judged(self, number: int, against: str | None) -> Round:
        run, recipe = self.workspace / "models" / str(number), self.recipe
        model, adapter = run / "model", run / "adapter"
        for folder, files in (
            (model, FILES),
            (adapter, {"adapter_model.safetensors": "a", "adapter_config.json": "{}"}),
        ):
            folder.mkdir(parents=True)
            for name, text in files.items():
                (folder / name).write_text(f"{text}\n{recipe} {number}" if "json" not in name else f'{{"n": {number}}}')
        digest, example = artefact_hash(model), make_round(number, recipe=recipe)
        hashes = {"model_hash": digest, "adapter_hash": contents_hash(file_digests(adapter))}
        training = example.training.model_copy(update={"model": str(model), "adapter": str(adapter), **hashes})
        verdict = Verdict(decision="promote", reasons=[], candidate_hash=digest, champion_hash=against)
        candidate = example.candidate.model_copy(update={"model_hash": digest})
        round_ = example.model_copy(update={"training": training, "verdict": verdict, "candidate": candidate})
        key = signing_key(self.workspace)
        round_ = seal_folders(round_, key=key, digests_of=file_digests, hash_of=artefact_hash)
        run_id = self.registry.log_round(recipe, f"r{number}", params={}, metrics={}, tags={}, artifacts=[])
        tags = version_tags(round_) | signature_tags(verdict, recipe=recipe, key=key)
        version = self.registry.register(recipe, run_id, artifact=adapter, tags=tags)
        mark_registered(self.registry, self.workspace, recipe=recipe, version=version, decision="promote")
        round_ = round_.model_copy(update={"model_version": version})
        save_round(self.workspace, round_)
        return round_

    def promote(self, round_: Round, person: str | None = None):
        return promote(
            self.registry, self.workspace, recipe=self.recipe, version=str(round_.model_version), round_=round_,
            because="better", person=person, hash_of=artefact_hash,
        )  # fmt: skip

    def champion(self):
        return require_champion(self.registry, self.workspace, recipe=self.recipe, hash_of=artefact_hash)

    def folder(self, name: str, number: int = 2) -> Path:
        return self.workspace / "models" / str(number) / name

    def tuneloop(self, *arguments: str, code: int = 0) -> str:
        app = typer.Typer(cls=PlainErrors)
        export_command.register(app)
        models_command.register(app)
        for command in (lineage_command, repair_command):
            command.register(models_command.models_app)
        environment = {
            "TUNELOOP_ROOT": str(self.home), "TUNELOOP_WORKSPACE": "workspace", "TUNELOOP_MLFLOW_URL": self.url,
            "TUNELOOP_USER": "Ada",
        }  # fmt: skip
        result = CliRunner().invoke(app, list(arguments), env=environment)
        assert result.exit_code == code, result.output
        return result.output


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store for all tests: making its tables takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("attacks")
        patch.chdir(home)  # MLflow's store in a file keeps artefacts beside where it is opened
        yield home


@pytest.fixture
def place(store, request):
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[-50:].strip("-")
    found = Place(store / "projects" / name, name)
    found.workspace.mkdir(parents=True)
    first = found.judged(1, None)
    found.promote(first)
    second = found.judged(2, first.training.model_hash)
    found.promote(second)
    found.judged(3, second.training.model_hash)
    assert found.champion()["version"] == "2"
    return found


def registers_one(place: Place) -> None:
    client = place.intruder
    run = client.create_run(client.create_experiment(f"evil {place.recipe}"))
    tags = place.registry.versions(place.recipe)[1].tags | {"served_path": "/tmp/evil", "model_path": "/tmp/evil"}
    made = client.create_model_version(
        place.recipe, source=f"runs:/{run.info.run_id}/evil", run_id=run.info.run_id, tags=dict(tags)
    )
    client.set_registered_model_alias(place.recipe, "champion", made.version)


def moves_the_alias(place: Place) -> None:
    place.intruder.set_registered_model_alias(place.recipe, "champion", "3")


def takes_the_alias_away(place: Place) -> None:
    place.intruder.delete_registered_model_alias(place.recipe, "champion")


def deletes_the_version(place: Place) -> None:
    place.intruder.delete_model_version(place.recipe, "2")


def renames_the_model(place: Place) -> None:
    place.intruder.rename_registered_model(place.recipe, f"{place.recipe}-old")


def deletes_the_model(place: Place) -> None:
    place.intruder.delete_registered_model(place.recipe)


def deletes_the_model_and_takes_its_numbers(place: Place) -> None:
    deletes_the_model(place)
    place.intruder.create_registered_model(place.recipe)
    registers_one_of(place, 3)


def registers_one_of(place: Place, number: int) -> None:
    """Under the champion's number, with the artefact and all tags of another round that passed."""
    (round_,) = (r for r in load_rounds(place.workspace, place.recipe) if r.number == number)
    tags = version_tags(round_) | signature_tags(round_.verdict, recipe=place.recipe, key=signing_key(place.workspace))
    run_id = place.registry.log_round(place.recipe, "evil", params={}, metrics={}, tags={}, artifacts=[])
    for other in ("one", "two"):
        folder = place.home / other
        folder.mkdir()
        (folder / "x").write_text(other)
        version = place.registry.register(place.recipe, run_id, artifact=folder, tags=tags)
    assert version == "2"
    place.intruder.set_registered_model_alias(place.recipe, "champion", "2")


def overwrites_the_hashes(place: Place) -> None:
    for name in ("model_hash", "served_hash", ARTEFACT_TAG):
        place.intruder.set_model_version_tag(place.recipe, "2", name, "f" * 64)


ON_THE_REGISTRY = [
    registers_one,
    moves_the_alias,
    takes_the_alias_away,
    deletes_the_version,
    renames_the_model,
    deletes_the_model,
    deletes_the_model_and_takes_its_numbers,
    overwrites_the_hashes,
]


@pytest.mark.parametrize("attack", ON_THE_REGISTRY)
def test_a_registry_that_was_written_to_is_a_fault_everywhere_and_is_repaired_by_one_command(place, attack):
    (third,) = (r for r in load_rounds(place.workspace, place.recipe) if r.number == 3)
    attack(place)
    with pytest.raises(ChampionError, match="tuneloop models repair"):
        place.champion()
    for person in (None, "ada"):
        with pytest.raises(ChampionError):
            place.promote(third, person)
    for command in (("models", "list"), ("models", "audit"), ("models", "compare", "base", "champion"), ("export",)):
        said = place.tuneloop(*command[:2], *([place.recipe] if len(command) < 3 else command[2:]), code=1)
        assert "differ" in said
        assert "tuneloop models repair" in said
    assert "FAULT" in place.tuneloop("models", "lineage", "--round", "2", "--recipe", place.recipe, code=1)
    said = place.tuneloop("models", "repair")
    assert "audit trail  version 2 is the champion" in said
    assert "registry     " in said
    place.tuneloop("models", "audit")
    assert place.champion()["model_hash"] == third.verdict.champion_hash
    client = place.intruder
    now = client.get_model_version_by_alias(place.recipe, "champion")
    assert now.tags["model_hash"] == third.verdict.champion_hash
    kept = client.download_artifacts(now.run_id, now.source.split("/", 2)[2], str(place.home))
    assert file_digests(Path(kept)) == file_digests(place.folder("adapter"))
    assert "they agree" in place.tuneloop("models", "repair")


@pytest.mark.parametrize("attack", [registers_one, overwrites_the_hashes, deletes_the_model])
def test_what_was_written_to_the_registry_is_not_adopted(place, attack):
    attack(place)
    if attack is deletes_the_model:
        assert "say why" in place.tuneloop("models", "repair", "--from", "registry", code=1)
        return
    before = AuditTrail(place.workspace, place.recipe, signing_key(place.workspace)).file.read_bytes()
    place.tuneloop("models", "repair", "--from", "registry", "--because", "trust me", code=1)
    assert AuditTrail(place.workspace, place.recipe, signing_key(place.workspace)).file.read_bytes() == before


@pytest.mark.parametrize("attack", [moves_the_alias, registers_one, deletes_the_model])
def test_a_rollback_in_an_emergency_needs_no_repair_first(place, attack):
    attack(place)
    first = load_rounds(place.workspace, place.recipe)[0]
    roll_back(place.registry, place.workspace, recipe=place.recipe, because="bad", person="ada", hash_of=artefact_hash)
    assert place.champion()["model_hash"] == first.training.model_hash


EVERY_FILE = [
    *(
        ("model", name)
        for name in (*FILES, "modeling_evil.py", "pytorch_model.bin", "added_tokens.json", "deep/x.json")
    ),
    *(("adapter", name) for name in ("adapter_model.safetensors", "adapter_config.json", "x.pkl")),
]


def test_a_file_of_the_champion_that_was_overwritten_or_added_is_refused_by_name(place):
    for folder, name in EVERY_FILE:
        file = place.folder(folder) / name
        before = file.read_bytes() if file.exists() else None
        file.parent.mkdir(exist_ok=True)
        file.write_text("evil")
        with pytest.raises(ChampionError, match=f"{name} {'changed' if before else 'was added'}"):
            place.champion()
        file.unlink() if before is None else file.write_bytes(before)
    assert place.champion()["version"] == "2"


@pytest.mark.parametrize(("folder", "name"), [("model", "tokenizer.json"), ("adapter", "adapter_model.safetensors")])
def test_an_overwritten_champion_is_no_verified_version_and_is_named_by_all_commands(place, folder, name):
    (place.folder(folder) / name).write_text("evil")
    rows = json.loads(place.tuneloop("models", "list", "--json", code=1).partition("\nerror:")[0])
    (row,) = (row for row in rows if row["version"] == "2")
    assert row["verdict"] == "files changed"
    assert name in row["files"][0]
    assert {row["verdict"] for row in rows if row["version"] != "2"} == {"verified"}
    for command in (("list",), ("audit",), ("compare", "1", "2"), ("lineage", "--round", "2")):
        said = place.tuneloop("models", *command, code=1).replace("\n", "")
        assert "FAULT" in said
        assert name in said
    assert name in place.tuneloop("export", place.recipe, "--to", "adapter", code=1)
    assert not (place.workspace / "exports").exists()


def test_a_model_that_is_not_the_one_that_is_meant_is_not_evaluated(place):
    wanted = artefact_hash(place.folder("model"))
    require_hash(place.folder("model"), wanted)
    (place.folder("model") / "tokenizer.json").write_text("evil")
    with pytest.raises(ModelError, match="does not hold the model that it should"):
        require_hash(place.folder("model"), wanted)
    shutil.rmtree(place.folder("model"))
    with pytest.raises(ModelError, match="no model"):
        require_hash(place.folder("model"), wanted)


def test_a_folder_and_all_tags_changed_to_agree_are_refused_because_the_trail_holds_the_hashes(place):
    (place.folder("model") / "model.safetensors").write_text("evil")
    (place.folder("adapter") / "adapter_model.safetensors").write_text("evil")
    forged = artefact_hash(place.folder("model"))
    adapter = contents_hash(file_digests(place.folder("adapter")))
    for name, value in (("model_hash", forged), ("served_hash", forged), (ARTEFACT_TAG, adapter)):
        place.intruder.set_model_version_tag(place.recipe, "2", name, value)
    with pytest.raises(ChampionError, match="say something else than its round"):
        place.champion()
    said = place.tuneloop("models", "audit", code=1)
    assert "adapter_model.safetensors changed" in said
    assert "model.safetensors changed" in said
    assert "cannot be restored" in place.tuneloop("models", "repair", code=1)
    place.tuneloop("models", "rollback", "--because", "tampered with")
    assert place.champion()["version"] == "1"
