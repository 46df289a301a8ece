"""The Kubernetes manifests: valid, pinned, without secrets, hardened, and consistent with each other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.deployments.argilla.manifests import (
    BY_HAND,
    KUBERNETES,
    Object,
    compose,
    containers,
    documented,
    name_of,
    objects,
    of_kind,
    workloads,
)

NEWEST_CHECKED = "1.32"
LONG_RUNNING = {"argilla-server", "argilla-worker", "postgres", "elasticsearch", "redis"}
SHORT = set(workloads()) - LONG_RUNNING

every_pod = pytest.mark.parametrize("pod", workloads().values(), ids=workloads())


@pytest.mark.parametrize("one", objects(), ids=lambda one: f"{one['kind']}-{name_of(one)}")
def test_an_object_matches_the_published_schema(one: Object) -> None:
    named = {**one, "metadata": {**one["metadata"], "name": name_of(one)}}  # the checker knows no generated names
    kubernetes_validate.validate(named, NEWEST_CHECKED, strict=True)


def test_every_file_is_listed_or_started_by_hand() -> None:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    assert sorted([*listed, *BY_HAND, "kustomization.yaml"]) == sorted(file.name for file in KUBERNETES.glob("*.yaml"))


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_builds_the_folder() -> None:
    built = subprocess.run(["kubectl", "kustomize", KUBERNETES], check=True, capture_output=True, text=True).stdout
    by_hand = {name_of(one) for file in BY_HAND for one in yaml.safe_load_all((KUBERNETES / file).read_text())}
    assert {name_of(one) for one in yaml.safe_load_all(built)} == {name_of(one) for one in objects()} - by_hand


def test_everything_is_in_the_one_namespace() -> None:
    (namespace,) = of_kind("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = [one for one in objects() if one["kind"] != "Namespace"]
    assert {one["metadata"]["namespace"] for one in others} == {name_of(namespace)}


@every_pod
def test_a_pod_keeps_the_restricted_standard(pod: Object) -> None:
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    for container in containers(pod):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]) == {"requests", "limits"}


def test_only_elasticsearch_writes_to_its_own_image() -> None:
    writing = {
        name
        for name, pod in workloads().items()
        for container in containers(pod)
        if not container["securityContext"]["readOnlyRootFilesystem"]
    }
    assert writing == {"elasticsearch"}


@every_pod
def test_mounts_have_volumes_and_volumes_have_claims(pod: Object) -> None:
    claims = {name_of(one) for one in of_kind("PersistentVolumeClaim")}
    templates = {"data"} if pod["metadata"]["labels"]["app.kubernetes.io/component"] in STATEFUL else set()
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
    mounted = {mount["name"] for container in containers(pod) for mount in container["volumeMounts"]}
    assert mounted == set(volumes) | templates
    for volume in volumes.values():
        assert volume.get("persistentVolumeClaim", {"claimName": "argilla-backups"})["claimName"] in claims


STATEFUL = {name_of(one) for one in of_kind("StatefulSet")}


def test_what_must_survive_is_on_claims_of_its_own() -> None:
    assert {"postgres", "elasticsearch", "redis"} == STATEFUL
    for one in of_kind("StatefulSet"):
        assert [claim["metadata"]["name"] for claim in one["spec"]["volumeClaimTemplates"]] == ["data"]


@pytest.mark.parametrize("name", sorted(LONG_RUNNING))
def test_what_runs_for_long_is_watched(name: str) -> None:
    (container,) = workloads()[name]["spec"]["containers"]
    assert "livenessProbe" in container
    assert ("readinessProbe" in container) is (name != "argilla-worker")  # nobody connects to the worker
    ports = {port["name"] for port in container.get("ports", [])}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        how = container.get(probe, {})
        named = how.get("httpGet", how.get("tcpSocket", {})).get("port")
        assert named is None or named in ports


@pytest.mark.parametrize("name", sorted(SHORT))
def test_what_ends_does_not_start_over_for_ever(name: str) -> None:
    assert workloads()[name]["spec"]["restartPolicy"] in ("Never", "OnFailure")


def test_services_lead_to_ports_of_pods_that_exist() -> None:
    assert {name_of(one) for one in of_kind("Service")} == {"argilla-server", "postgres", "elasticsearch", "redis"}
    for service in of_kind("Service"):
        assert service["spec"].get("type", "ClusterIP") == "ClusterIP"
        wanted = service["spec"]["selector"].items()
        (pod,) = (pod for pod in workloads().values() if wanted <= pod["metadata"]["labels"].items())
        ports = {port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]


def test_selectors_find_their_own_pods() -> None:
    for one in of_kind("Deployment", "StatefulSet"):
        labels = workloads()[name_of(one)]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for one in of_kind("StatefulSet"):
        assert one["spec"]["serviceName"] in {name_of(service) for service in of_kind("Service")}


def test_the_ingress_is_the_only_way_in_and_has_a_certificate() -> None:
    (ingress,) = of_kind("Ingress")
    (rule,) = ingress["spec"]["rules"]
    (tls,) = ingress["spec"]["tls"]
    assert tls["hosts"] == [rule["host"]]
    assert "cert-manager.io/cluster-issuer" in ingress["metadata"]["annotations"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"] == {"name": "argilla-server", "port": {"name": "http"}}
    (configuration,) = of_kind("ConfigMap")
    assert configuration["data"]["ARGILLA_CORS_ORIGINS"] == f'["https://{rule["host"]}"]'


def test_argilla_is_quiet_and_starts_without_the_images_script() -> None:
    (configuration,) = of_kind("ConfigMap")
    assert configuration["data"]["HF_HUB_DISABLE_TELEMETRY"] == configuration["data"]["HF_HUB_OFFLINE"] == "1"
    for pod in workloads().values():
        for container in containers(pod):
            if container["image"].startswith("argilla/"):
                assert container["command"][0] == "python"
                sources = [*container["envFrom"][0].values(), *container["envFrom"][1].values()]
                assert sources == [{"name": "argilla-server"}, {"name": "argilla-server"}]


def test_the_schema_is_brought_up_to_date_by_one_job_and_waited_for() -> None:
    schema = workloads()["argilla-schema"]["spec"]["containers"][0]
    assert schema["command"] == compose()["services"]["schema"]["command"]
    waits = [workloads()[name]["spec"]["initContainers"] for name in ("argilla-server", "argilla-worker")]
    assert waits[0] == waits[1]


def test_both_ways_of_running_dump_start_and_look_after_themselves_by_the_same_commands() -> None:
    services = compose()["services"]

    def of_compose(text: str) -> str:
        return text.replace("$$", "$")

    pods = {name: pod["spec"]["containers"][0] for name, pod in workloads().items()}
    assert pods["argilla-backup"]["args"] == [of_compose(services["backup"]["command"][0])]
    assert pods["redis"]["command"] == [of_compose(part) for part in services["redis"]["command"]]
    for name in ("server", "worker", "reindex"):
        assert pods[f"argilla-{name}"]["command"] == services[name]["command"]
    probe = pods["argilla-worker"]["livenessProbe"]["exec"]["command"]
    assert ["CMD", *probe] == services["worker"]["healthcheck"]["test"]


def test_backups_are_made_every_night_one_at_a_time() -> None:
    (job,) = of_kind("CronJob")
    assert re.fullmatch(r"\d+ \d+ \* \* \*", job["spec"]["schedule"])
    assert job["spec"]["concurrencyPolicy"] == "Forbid"


def _secret_references() -> dict[str, set[str]]:
    """Which keys of which Secret the pods read one by one."""
    found: dict[str, set[str]] = {}
    for pod in workloads().values():
        for variable in (one for container in containers(pod) for one in container.get("env", [])):
            if (reference := variable.get("valueFrom", {}).get("secretKeyRef")) is not None:
                found.setdefault(reference["name"], set()).add(reference["key"])
    return found


def test_no_secret_is_in_the_files() -> None:
    assert of_kind("Secret") == []
    for pod in workloads().values():
        for variable in (one for container in containers(pod) for one in container.get("env", [])):
            assert not re.search("PASSWORD|AUTH|SECRET", variable["name"]) or "valueFrom" in variable


def test_the_documented_command_makes_every_secret_that_is_read(tmp_path: Path) -> None:
    """With a kubectl that writes down what it is given."""
    fake = tmp_path / "kubectl"
    fake.write_text('#!/bin/sh\n[ "$1" = create ] || exit 0\ncat > "$0.$4"\necho "$@" >> "$0.calls"\n')
    fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-e", "-c", documented("kubectl create")], cwd=tmp_path, env=environment, check=True)
    assert "--namespace argilla --from-env-file=/dev/stdin" in (tmp_path / "kubectl.calls").read_text()
    lines = {
        name: dict(line.split("=", 1) for line in (tmp_path / f"kubectl.{name}").read_text().splitlines())
        for name in ("argilla-backends", "argilla-server")
    }
    passwords, server = lines["argilla-backends"], lines["argilla-server"]
    assert _secret_references() == {"argilla-backends": set(passwords)}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in passwords.values())
    assert set(server) == {
        "ARGILLA_DATABASE_URL",
        "ARGILLA_REDIS_URL",
        "ARGILLA_ELASTICSEARCH",
        "ARGILLA_AUTH_SECRET_KEY",
    }
    assert passwords["POSTGRES_PASSWORD"] in server["ARGILLA_DATABASE_URL"]
    assert passwords["REDIS_PASSWORD"] in server["ARGILLA_REDIS_URL"]
    assert passwords["ELASTIC_PASSWORD"] in server["ARGILLA_ELASTICSEARCH"]
    hosts = {(name_of(one), one["spec"]["ports"][0]["port"]) for one in of_kind("Service")}
    for address in (value for name, value in server.items() if name != "ARGILLA_AUTH_SECRET_KEY"):
        host, port = address.rsplit("@", 1)[1].split("/")[0].split(":")
        assert (host, int(port)) in hosts
