"""The folders of a judged model, file by file, sealed in the round's record.

A model's hash covers weights, configuration and tokenizer. The seal covers every file of every folder: also the
adapter's, and a file that was put beside the weights, such as code or a pickle that another program would load.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tuneloop.errors import ModelError
from tuneloop.files import DigestsOf, changes, contents_hash
from tuneloop.ports import ARTEFACT_TAG
from tuneloop.records import content_hash
from tuneloop.results import Round

HashOf = Callable[[Path], str]
"""Hash of what is served from a folder, `tuneloop.training.export.served.artefact_hash`."""

SHA256 = re.compile(r"[0-9a-f]{64}")
AGAIN = "delete the folder of the run and train it again with `tuneloop train RECIPE`"


def folders_of(round_: Round) -> dict[str, Path]:
    """Use -> folder, each folder once: what is served, the merged model, the adapter."""
    training = round_.training
    paths = {"served": round_.served_path or training.model, "model": training.model, "adapter": training.adapter}
    found: dict[str, Path] = {}
    for use, path in paths.items():
        if path and Path(path) not in found.values():
            found[use] = Path(path)
    return found


def seal_folders(round_: Round, *, key: bytes, digests_of: DigestsOf, hash_of: HashOf) -> Round:
    """Return the round with the seal of its folders, which must hold what was trained and judged.

    A round that has one keeps it.

    Raises:
        ModelError: a folder holds something else, or what is no plain file.
    """
    if round_.folders:
        return round_
    folders = {use: dict(digests_of(path)) for use, path in folders_of(round_).items()}
    faults = [*_not_as_judged(round_, hash_of), *_not_as_trained(round_, folders), *_no_files(folders)]
    if faults:
        raise ModelError(f"round {round_.number} of {round_.recipe} cannot be registered: {'; '.join(faults)}; {AGAIN}")
    sealed = round_.model_copy(update={"folders": folders})
    return sealed.model_copy(update={"folders_seal": _seal(sealed, key)})


def folders_hash(round_: Round) -> str | None:
    """Over all sealed folders; None where the round is from before they were sealed."""
    return content_hash(round_.folders) if round_.folders else None


def folder_faults(
    round_: Round, *, key: bytes, digests_of: DigestsOf, hash_of: HashOf, tags: Mapping[str, str] | None = None
) -> list[str]:
    """What of the round's model is not as it was judged, file by file; none if all is.

    Rounds from before folders were sealed are held against the hash in their verdict, and their adapter against the
    registry's tag, as far as there is one.
    """
    if not round_.folders:
        return [*_not_as_judged(round_, hash_of), *_not_as_tagged(round_, digests_of, tags or {})]
    if not hmac.compare_digest(round_.folders_seal.encode(), _seal(round_, key).encode()):
        return [f"the list of files in round {round_.number} was changed after it was sealed, or with another key"]
    there = folders_of(round_)
    if set(there) != set(round_.folders):
        return [f"the record of round {round_.number} names other folders than were sealed"]
    return [
        f"{use}: {change} (in {there[use]})"
        for use, files in round_.folders.items()
        for change in _changes(there[use], files, digests_of)
    ]


def is_there(round_: Round) -> bool:
    """Whether all folders of the round's model are on the disk."""
    return all(path.is_dir() for path in folders_of(round_).values())


def _changes(folder: Path, files: Mapping[str, str], digests_of: DigestsOf) -> list[str]:
    return changes(files, digests_of(folder)) if folder.is_dir() else ["the folder is gone"]


def _not_as_judged(round_: Round, hash_of: HashOf) -> list[str]:
    served = Path(round_.served_path or round_.training.model)
    if not served.is_dir():
        return [f"served: the folder is gone (in {served})"]
    found, judged = hash_of(served), round_.verdict.candidate_hash
    if found == judged:
        return []
    return [f"served: {served} does not hold the model that was judged (hash {found[:12]}, judged {judged[:12]})"]


def _not_as_trained(round_: Round, folders: Mapping[str, Mapping[str, str]]) -> list[str]:
    wanted, adapter = round_.training.adapter_hash, round_.training.adapter
    use = next((use for use, path in folders_of(round_).items() if path == Path(adapter)), None)
    found = contents_hash(folders[use]) if use else ""
    return [f"adapter: {adapter} does not hold what was trained"] if wanted and found != wanted else []


def _not_as_tagged(round_: Round, digests_of: DigestsOf, tags: Mapping[str, str]) -> list[str]:
    adapter, wanted = Path(round_.training.adapter), tags.get(ARTEFACT_TAG)
    if wanted is None or contents_hash(digests_of(adapter)) == wanted:
        return []
    return [f"adapter: {adapter} does not hold what was registered"]


def _no_files(folders: Mapping[str, Mapping[str, str]]) -> list[str]:
    empty = [f"{use}: the folder is gone, or empty" for use, files in folders.items() if not files]
    odd = [
        f"{use}: {name} is a {digest}"
        for use, files in folders.items()
        for name, digest in files.items()
        if not SHA256.fullmatch(digest)
    ]
    return empty + odd


def _seal(round_: Round, key: bytes) -> str:
    """The recipe and the hashes are sealed too: the files are those of this model. Where they lie is not: a workspace
    may move."""
    parts = (round_.recipe, round_.training.model_hash, round_.verdict.candidate_hash, folders_hash(round_) or "")
    content = "\n".join(("tuneloop folders 1", *parts))
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()
