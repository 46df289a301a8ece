"""Which pod may reach which, worked out from the network policies."""

from __future__ import annotations

from itertools import product
from typing import Any

from tests.deployments.argilla.manifests import Object, of_kind, workloads

POLICIES = of_kind("NetworkPolicy")
PORTS = {"server": 6900, "postgres": 5432, "elasticsearch": 9200, "redis": 6379}


def _labels() -> dict[str, dict[str, str]]:
    """Labels of one pod of each component."""
    found = [pod["metadata"]["labels"] for pod in workloads().values()]
    return {labels["app.kubernetes.io/component"]: labels for labels in found}


def _selects(selector: Object, labels: dict[str, str]) -> bool:
    exact = selector.get("matchLabels", {}).items() <= labels.items()
    return exact and all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", []))


def _allows(rule: Object, side: str, other: dict[str, str], port: int) -> bool:
    peers: list[Any] = [peer for peer in rule.get(side, []) if "podSelector" in peer]
    is_peer = any(_selects(peer["podSelector"], other) for peer in peers)
    return is_peer and port in [one["port"] for one in rule["ports"]]


def _may(direction: str, one: dict[str, str], other: dict[str, str], port: int) -> bool:
    kind, side = ("Ingress", "from") if direction == "in" else ("Egress", "to")
    mine = [policy["spec"] for policy in POLICIES if _selects(policy["spec"]["podSelector"], one)]
    rules = [rule for spec in mine if kind in spec["policyTypes"] for rule in spec.get(kind.lower(), [])]
    return any(_allows(rule, side, other, port) for rule in rules)


def test_pods_reach_exactly_what_they_need() -> None:
    pods = _labels()
    reached = {
        (source, target)
        for source, target in product(pods, PORTS)
        if _may("out", pods[source], pods[target], PORTS[target])
        and _may("in", pods[target], pods[source], PORTS[target])
    }
    everything = {"postgres", "elasticsearch", "redis"}
    assert reached == {
        *product(("server", "worker"), everything),
        *product(("reindex",), everything - {"redis"}),
        ("schema", "postgres"),
        ("backup", "postgres"),
    }


def test_what_one_side_allows_the_other_allows_too() -> None:
    """A policy for one side alone looks like an opening and is none."""
    pods = _labels()
    for source, target in product(pods, PORTS):
        ends = pods[source], pods[target]
        assert _may("out", *ends, PORTS[target]) == _may("in", *reversed(ends), PORTS[target]), (source, target)


def test_nothing_is_allowed_that_is_not_listed() -> None:
    (default,) = (policy["spec"] for policy in POLICIES if policy["metadata"]["name"] == "nothing-by-default")
    assert default == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_only_the_worker_reaches_the_outside_and_not_the_clouds_metadata() -> None:
    outside = [
        (policy["spec"]["podSelector"], peer["ipBlock"])
        for policy in POLICIES
        for rule in policy["spec"].get("egress", [])
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    ((selector, block),) = outside
    assert [name for name, labels in _labels().items() if _selects(selector, labels)] == ["worker"]
    assert "169.254.0.0/16" in block["except"]


def test_only_the_ingress_controller_reaches_the_server_from_outside() -> None:
    server = _labels()["server"]
    rules = [
        rule
        for policy in POLICIES
        if _selects(policy["spec"]["podSelector"], server)
        for rule in policy["spec"].get("ingress", [])
    ]
    assert rules == [
        {
            "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}],
            "ports": [{"protocol": "TCP", "port": 6900}],
        }
    ]
