"""Compare lock files with the advisories that we know: `python requirements/audit.py LOCK...`.

Needs no network. Exit code 1 names every package, version, advisory and remedy.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^\s;*]+)(\s*;.*)?")
KNOWN = Path(__file__).with_name("advisories.toml")


@dataclass(frozen=True, slots=True)
class Pin:
    lock: Path
    package: str
    version: Version


@dataclass(frozen=True, slots=True)
class Advisory:
    package: str
    ids: tuple[str, ...]
    affected: SpecifierSet
    fixed: str
    what: str
    accepted: str

    def hits(self, pin: Pin) -> bool:
        return self.package == pin.package and self.affected.contains(pin.version, prereleases=True)

    @property
    def remedy(self) -> str:
        if not self.fixed:
            return (
                "no version without it is known: do without the package, or say in `accepted` why it does not reach us"
            )
        return f"take {self.fixed} or newer (`make lock`; for the review server, its overrides.txt)"


def pins(lock: Path) -> Iterator[Pin]:
    """Every version that a lock file holds.

    Raises:
        ValueError: a line that is neither a pin nor a hash of one.
    """
    for number, line in enumerate(lock.read_text(encoding="utf-8").splitlines(), start=1):
        pinned = re.split(r"\s+#|\s+--hash|\s+\\$", line)[0].strip()
        if not pinned or pinned.startswith(("#", "--hash")):
            continue
        match = _PIN.fullmatch(pinned)
        if match is None:
            raise ValueError(f"{lock}:{number}: {pinned!r} pins no version")
        yield Pin(lock, canonicalize_name(match["name"]), Version(match["version"]))


def advisories(known: Path) -> list[Advisory]:
    return [_advisory(entry) for entry in tomllib.loads(known.read_text(encoding="utf-8"))["advisory"]]


def _advisory(entry: dict[str, Any]) -> Advisory:
    name, ids = canonicalize_name(entry["package"]), tuple(entry["ids"])
    affected = SpecifierSet(entry["affected"])
    return Advisory(name, ids, affected, entry["fixed"], entry["what"], entry.get("accepted", ""))


def faults(pinned: list[Pin], known: Iterable[Advisory]) -> Iterator[str]:
    """What is wrong, a sentence each: versions with holes, and reasons to accept one that nothing needs."""
    for advisory in known:
        hit = [pin for pin in pinned if advisory.hits(pin)]
        name = f"{advisory.package}: {', '.join(advisory.ids)}"
        if advisory.accepted and not hit:
            yield f"{name} is accepted, and no lock holds such a version: delete its `accepted`"
        if not advisory.accepted:
            for pin in hit:
                what = f"{pin.lock}: {pin.package} {pin.version} has {', '.join(advisory.ids)} ({advisory.what})"
                yield f"{what}; {advisory.remedy}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("locks", nargs="+", type=Path, metavar="LOCK")
    parser.add_argument("--advisories", type=Path, default=KNOWN, help=f"default: {KNOWN.name} beside this file")
    options = parser.parse_args(arguments)
    known = advisories(options.advisories)
    try:
        pinned = [pin for lock in options.locks for pin in pins(lock)]
    except ValueError as error:
        parser.error(str(error))
    found = list(faults(pinned, known))
    for fault in found:
        print(fault, file=sys.stderr)
    if not found:
        accepted = sum(bool(advisory.accepted) for advisory in known)
        print(f"{len(pinned)} pins: of {len(known)} advisories none but {accepted} accepted ones concerns them")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
