"""The production manifests as plain objects, and the commands that the documentation gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "deployments/argilla/compose"
KUBERNETES = ROOT / "deployments/argilla/kubernetes"
BY_HAND = ("reindex.yaml", "restore.yaml")  # jobs that are started when they are needed

Object = dict[str, Any]


def compose(name: str = "compose.yaml") -> Object:
    return yaml.safe_load((COMPOSE / name).read_text())


def objects() -> list[Object]:
    """Every object of the Kubernetes folder, jobs that are started by hand included."""
    files = (*yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"], *BY_HAND)
    return [one for file in files for one in yaml.safe_load_all((KUBERNETES / file).read_text())]


def of_kind(*kinds: str) -> list[Object]:
    return [one for one in objects() if one["kind"] in kinds]


def name_of(one: Object) -> str:
    return one["metadata"].get("name") or one["metadata"]["generateName"].rstrip("-")


def pod_template(one: Object) -> Object | None:
    """What a workload starts: labels and spec; None for objects that start nothing."""
    if one["kind"] == "CronJob":
        one = one["spec"]["jobTemplate"]
    return one["spec"]["template"] if "template" in one.get("spec", {}) else None


def workloads() -> dict[str, Object]:
    return {name_of(one): template for one in objects() if (template := pod_template(one))}


def containers(template: Object) -> list[Object]:
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def documented(word: str) -> str:
    """The command block of the documentation that contains `word`."""
    page = (ROOT / "docs/argilla-production.md").read_text()
    (block,) = (found for found in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) if word in found)
    return block
