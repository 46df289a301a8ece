"""A real Argilla server for the tests of this folder (`make setup` installs it), and how its page talks to it."""

import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import httpx

KEY = "owner-key-of-the-live-test"
OWNER = {
    "ARGILLA_OWNER_USERNAME": "owner",
    "ARGILLA_OWNER_PASSWORD": "owner-password",
    "ARGILLA_OWNER_API_KEY": KEY,
}
PROGRAM = Path(os.environ.get("TUNELOOP_ARGILLA_BIN", ".venv-argilla/bin/argilla-embedded"))


@contextmanager
def running_argilla(home: Path):
    """The address of a server that stops at the end."""
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [PROGRAM, "serve", "--home", home / "home", "--port", "0"], env=os.environ | OWNER, stdout=log, stderr=log
        )
    try:
        yield _wait(home / "log", process)
    finally:
        process.terminate()
        process.wait(20)


def _wait(log: Path, process) -> str:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        for word in log.read_text().split():
            if word.startswith("http://127.0.0.1:") and _answers(word):
                return word
        time.sleep(0.3)
    raise RuntimeError(log.read_text())


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/status").status_code == 200
    except httpx.TransportError:
        return False


def api(url: str, key: str = KEY) -> httpx.Client:
    return httpx.Client(base_url=f"{url}/api/v1", headers={"X-Argilla-Api-Key": key}, timeout=60)


def records(url: str, address: str, key: str = KEY) -> list[dict]:
    """The records of a review set, as an owner gets them."""
    return api(url, key).get(f"/datasets/{address.split('/')[-2]}/records").json()["items"]


def seen(url: str, address: str, key: str) -> list[dict]:
    """The records of a review set, as its page gets them for a reviewer."""
    found = api(url, key).post(f"/me/datasets/{address.split('/')[-2]}/records/search", json={})
    return [item["record"] for item in found.raise_for_status().json()["items"]]


def respond(url: str, key: str, record: str, status: str = "submitted", **values) -> str:
    """Answer a record as the page does; the response's id."""
    body = {"status": status, "values": {name: {"value": value} for name, value in values.items()}}
    return api(url, key).post(f"/records/{record}/responses", json=body).raise_for_status().json()["id"]
