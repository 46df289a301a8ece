"""The lock files are compared with the advisories we know of; no network is asked."""

from pathlib import Path

import pytest

from requirements.audit import KNOWN, advisories, main, pins

ROOT = Path(__file__).parents[2]
LOCKS = [*sorted((ROOT / "requirements").glob("*.lock")), ROOT / "deployments/argilla/embedded/requirements.lock"]
HOLED = """
[[advisory]]
package = "Star_lette"
ids = ["CVE-2025-62727"]
affected = ">=0.39.0,<0.49.1"
fixed = "0.49.1"
what = "one header stops the server"
noted = 2026-12-01
"""
ACCEPTED = HOLED + 'accepted = "it serves no files"\n'
UNFIXED = HOLED.replace('fixed = "0.49.1"', 'fixed = ""')


@pytest.fixture
def audit(tmp_path, capsys):
    def run(lock: str, known: str = HOLED):
        (tmp_path / "a.lock").write_text(lock)
        (tmp_path / "known.toml").write_text(known)
        code = main(["--advisories", str(tmp_path / "known.toml"), str(tmp_path / "a.lock")])
        return code, "".join(capsys.readouterr())

    return run


def test_nothing_is_known_against_our_locks():
    assert main([str(lock) for lock in LOCKS]) == 0


@pytest.mark.parametrize("pin", [
    "star-lette==0.46.2",
    "star.lette==0.39.0 \\\n    --hash=sha256:00",
    "Star-Lette[full]==0.49.0rc1 ; python_full_version >= '3.12' \\\n    --hash=sha256:00",
    "star-lette==0.46.2  # as asked",
])  # fmt: skip
def test_a_version_with_a_hole_fails_and_is_named_with_its_remedy(audit, pin):
    code, told = audit(f"anyio==4.0\n{pin}\n")
    assert code == 1
    for word in ("a.lock", "star-lette 0.", "CVE-2025-62727", "one header stops the server", "take 0.49.1 or newer"):
        assert word in told


@pytest.mark.parametrize("version", ["0.38.9", "0.49.1", "1.10.0"])
def test_versions_before_and_after_the_hole_pass(audit, version):
    assert audit(f"star-lette=={version}\n")[0] == 0


def test_one_of_several_versions_for_different_pythons_is_enough(audit):
    assert audit("star-lette==0.46.2 ; python_version < '3.12'\nstar-lette==1.0 ; python_version >= '3.12'\n")[0] == 1


def test_what_is_accepted_passes_while_it_is_needed(audit):
    assert audit("star-lette==0.46.2\n", ACCEPTED)[0] == 0
    code, told = audit("star-lette==1.0\n", ACCEPTED)
    assert (code, "delete its `accepted`" in told) == (1, True)


def test_a_hole_without_a_fix_says_what_is_left_to_do(audit):
    code, told = audit("star-lette==0.46.2\n", UNFIXED)
    assert (code, "do without the package" in told) == (1, True)


@pytest.mark.parametrize("line", ["star-lette>=0.46", "star-lette", "-e .", "star-lette==0.*", "https://host/x.whl"])
def test_a_line_that_pins_no_version_is_not_passed_over(audit, capsys, line):
    with pytest.raises(SystemExit, match="2"):
        audit(f"anyio==4.0\n{line}\n")
    assert "a.lock:2:" in capsys.readouterr().err


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_every_pin_of_a_lock_is_seen(lock):
    lines = [line for line in lock.read_text().splitlines() if line and line[0].isalnum()]
    assert len(list(pins(lock))) == len(lines) > 0


@pytest.mark.parametrize(
    "lock", [lock for lock in LOCKS if lock.name != "torch.lock"], ids=lambda lock: lock.parent.name
)
def test_every_pin_has_hashes(lock):
    text = lock.read_text().replace("\\\n", " ")
    assert [line for line in text.splitlines() if line and line[0].isalnum() and "--hash=sha256:" not in line] == []


def test_every_advisory_says_what_it_is_and_where_it_ends():
    known = advisories(KNOWN)
    assert len({(one.package, one.ids) for one in known}) == len(known) > 50
    for one in known:
        assert all((one.ids, one.what, str(one.affected))), one
        assert not one.fixed or not one.affected.contains(one.fixed, prereleases=True), one
