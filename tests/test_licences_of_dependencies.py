"""An Apache-2.0 product may be combined with what it depends on: nothing whose only licence is the GPL or the like."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
COPYLEFT = re.compile(
    r"\b(A?GPL|GNU (Affero )?General Public|SSPL|BUSL|Business Source|non-?commercial)", re.IGNORECASE
)
FREE_TO_CHOOSE = {
    "text-unidecode": "Artistic License or GPL, as one likes; comes with Prefect",
}


def test_nothing_that_the_product_installs_is_under_the_gpl_alone():
    """What is not installed here (an extra, another platform) has no metadata to read and is not looked at."""
    found = {name: licence for name in _installed_with_us() if COPYLEFT.search(licence := _licence(name))}
    assert {name: licence for name, licence in found.items() if name not in FREE_TO_CHOOSE} == {}


def test_the_search_sees_a_gpl_package():
    if not _is_installed("krippendorff"):
        pytest.skip("krippendorff, which is GPL-3.0, is only in the development environment")
    assert COPYLEFT.search(_licence("krippendorff"))


def _installed_with_us() -> set[str]:
    optional = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    found: set[str] = set()
    waiting = list(_needed([*PROJECT["dependencies"], *optional], extras={""}))
    while waiting:
        name, extras = waiting.pop()
        if name not in found and _is_installed(name):
            found.add(name)
            waiting += _needed(distribution(name).requires or [], extras=extras | {""})
    return found


def _needed(lines: list[str], *, extras: set[str]) -> Iterator[tuple[str, set[str]]]:
    for needed in map(Requirement, lines):
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
            yield canonicalize_name(needed.name), set(needed.extras)


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _licence(name: str) -> str:
    """What the package says of itself; a `License` field may hold a whole text, of which the first line is the name."""
    about = distribution(name).metadata
    classifiers = [line for line in about.get_all("Classifier", []) if line.startswith("License")]
    return " ".join(
        [about.get("License-Expression", ""), (about.get("License") or "").strip().split("\n")[0], *classifiers]
    )
