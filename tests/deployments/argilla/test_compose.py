"""The compose file: valid, pinned, without secrets, closed but for the ingress, and able to heal."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.deployments.argilla.manifests import COMPOSE, Object, compose, documented, workloads

SERVICES: dict[str, Object] = compose()["services"]
LONG_RUNNING = {"ingress", "server", "worker", "postgres", "elasticsearch", "redis"}
REFERENCE = re.compile(r"\$\{(\w+):\?[^}]+\}")

every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


@pytest.mark.parametrize("name", ["compose.yaml", "compose.own-certificate.yaml"])
def test_the_files_match_the_published_schema(name: str) -> None:
    schema = files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    jsonschema.validate(compose(name), json.loads(schema.read_text()))


@every_service
def test_images_are_pinned_to_full_versions(service: Object) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-\w+)?(@sha256:[0-9a-f]{64})?", service["image"])


def test_compose_and_kubernetes_run_the_same_images() -> None:
    elsewhere = {container["image"] for pod in workloads().values() for container in pod["spec"]["containers"]}
    assert {service["image"] for name, service in SERVICES.items() if name != "ingress"} == elsewhere


@every_service
def test_secrets_are_references_without_a_default(service: Object) -> None:
    for name, value in service.get("environment", {}).items():
        if re.search("PASSWORD|SECRET|KEY$|AUTH|_URL$|ELASTICSEARCH$", name):
            assert REFERENCE.search(value), name


@every_service
def test_a_service_can_neither_gain_rights_nor_eat_the_machine(service: Object) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["logging"]["options"]["max-size"]


def test_only_what_cannot_do_without_runs_as_root_or_writes_to_its_own_image() -> None:
    assert {name for name, service in SERVICES.items() if "user" not in service} == {"ingress"}
    assert {name for name, service in SERVICES.items() if not service["read_only"]} == {"elasticsearch"}
    assert not any(service.get("user", "").startswith("0") for service in SERVICES.values())


def test_only_the_ingress_publishes_ports() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"ingress": ["80:80", "443:443"]}


def test_the_backends_are_on_a_network_without_a_way_out() -> None:
    networks = compose()["networks"]
    for name in ("postgres", "elasticsearch", "redis", "schema", "reindex", "backup"):
        assert SERVICES[name]["networks"] == ["data"]
    assert networks["data"] == networks["web"] == {"internal": True}
    assert SERVICES["ingress"]["networks"] == ["public", "web"]
    assert "data" not in SERVICES["ingress"]["networks"]
    assert set(SERVICES["server"]["networks"]) == {"web", "data"}


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_what_runs_for_long_is_watched_and_started_again(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@every_service
def test_a_service_waits_for_what_it_needs(service: Object) -> None:
    for name, how in service.get("depends_on", {}).items():
        wanted = "service_healthy" if name in LONG_RUNNING else "service_completed_successfully"
        assert how == {"condition": wanted}


def test_volumes_are_declared_used_and_backed_by_files() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    named = {volume for volume in used if not volume.startswith(".")}
    assert named == set(compose()["volumes"])
    made_by_the_user = {"./backups"}
    assert all((COMPOSE / path).is_file() for path in used - named - made_by_the_user)
    for kept in ("postgres", "elasticsearch", "redis"):
        assert any(volume.startswith(f"{kept}:/") for volume in SERVICES[kept]["volumes"])


def test_the_own_certificate_replaces_the_ingress_settings() -> None:
    over = compose("compose.own-certificate.yaml")["services"]
    assert set(over) == {"ingress"}
    file, certificate = over["ingress"]["volumes"]
    assert (COMPOSE / file.split(":")[0]).is_file()
    assert file.split(":")[1] == "/etc/caddy/Caddyfile"
    assert "tls /certificate/tls.crt /certificate/tls.key" in (COMPOSE / file.split(":")[0]).read_text()
    assert certificate == "./certificate:/certificate:ro"


@pytest.mark.parametrize("name", ["Caddyfile", "Caddyfile.own-certificate"])
def test_the_ingress_leads_to_the_server(name: str) -> None:
    text = (COMPOSE / name).read_text()
    assert "reverse_proxy server:6900" in text
    assert "request_header -Range" in text  # CVE-2025-62727, as long as the image has starlette below 0.49.1
    assert SERVICES["server"]["command"][-1] == "6900"


@pytest.mark.parametrize("name", ["server", "worker", "schema", "reindex"])
def test_argilla_is_quiet_makes_no_users_and_keeps_its_signing_key(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert environment["HF_HUB_DISABLE_TELEMETRY"] == environment["HF_HUB_OFFLINE"] == "1"
    assert REFERENCE.fullmatch(environment["ARGILLA_AUTH_SECRET_KEY"])
    assert SERVICES[name]["command"][0] == "python"  # not the image's script, which can make default users
    assert not {"USERNAME", "PASSWORD", "API_KEY", "DEFAULT_USER_ENABLED"} & set(environment)


def _make_secrets(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", documented("ARGILLA_DOMAIN")], check=False, cwd=folder, capture_output=True, text=True
    )


def test_the_documented_command_makes_every_variable_at_random_and_for_the_owner_only(tmp_path: Path) -> None:
    assert _make_secrets(tmp_path).returncode == 0
    made = dict(line.split("=") for line in (tmp_path / ".env").read_text().splitlines())
    assert set(made) == set(REFERENCE.findall((COMPOSE / "compose.yaml").read_text()))
    secrets = [value for name, value in made.items() if name != "ARGILLA_DOMAIN"]
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in secrets)
    assert len(set(secrets)) == len(secrets)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_the_documented_command_never_overwrites_older_passwords(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=older\n")
    assert _make_secrets(tmp_path).returncode != 0
    assert (tmp_path / ".env").read_text() == "POSTGRES_PASSWORD=older\n"


def test_what_holds_secrets_is_not_committed() -> None:
    ignored = (COMPOSE / ".gitignore").read_text().split()
    assert {".env", "backups/", "certificate/"} == set(ignored)
