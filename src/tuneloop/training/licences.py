"""Which base models may be trained: a licence has to be known, and open or agreed to, before any weight is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuneloop.errors import ModelError

OPEN_LICENCES = {
    "apache-2.0": "use, change and sell; keep the notices; patents are granted",
    "mit": "use, change and sell; keep the notice",
    "mit-0": "as MIT, and the notice may go",
    "bsd-2-clause": "use, change and sell; keep the notice",
    "bsd-3-clause": "as BSD-2-Clause; do not advertise with the authors' names",
    "isc": "use, change and sell; keep the notice",
    "bsl-1.0": "use, change and sell; keep the notice with the source",
    "zlib": "use, change and sell; do not claim that you made the original",
    "cc0-1.0": "given to the public domain",
    "unlicense": "given to the public domain",
    "cc-by-4.0": "use, change and sell; name the authors",
    "cdla-permissive-2.0": "use, change and sell; pass the licence text on",
}
"""SPDX id in lower case (as model cards write it) -> why it needs nobody's agreement.

Not here on purpose: licences that limit who may use the model or for what (llama3, gemma, openrail), that bind what is
made with it (gpl-3.0, cc-by-sa-4.0), or that forbid selling (cc-by-nc-4.0). A recipe may agree to those.
"""

CARD = "README.md"
UNSAID = {"other", "unknown", ""}
"""What cards write where they do not say."""


def licence_of_folder(folder: Path) -> str | None:
    """The licence that the model card in `folder` names; None without a card, or where it does not say.

    Raises:
        ModelError: the card's front matter is not YAML.
    """
    from huggingface_hub import metadata_load

    card = folder / CARD
    if not card.is_file():
        return None
    try:
        return licence_of_card(metadata_load(card) or {})
    except ValueError as error:
        raise ModelError(f"the front matter of {card} cannot be read ({error}); mend it") from error


def licence_of_card(metadata: Mapping[str, Any]) -> str | None:
    """The licence in a model card's front matter: `license`, or `license_name` where that says `other`.

    A list counts as one licence only if it has one entry: which part is under which licence, a card does not say.
    """
    said = metadata.get("license")
    if isinstance(said, list):
        said = said[0] if len(said) == 1 else " and ".join(map(str, said))
    licence = str(said or "").strip().lower()
    if licence in UNSAID:
        licence = str(metadata.get("license_name") or "").strip().lower()
    return None if licence in UNSAID else licence


def require_licence(base: str, said: str | None, *, stated: str | None, agreed: Sequence[str]) -> str:
    """The licence of `base`, if it may be used.

    Args:
        base: the model, as the recipe names it.
        said: what its card says.
        stated: what the recipe says (`model.licence`), for models whose card says nothing.
        agreed: licences the recipe agrees to (`model.licences`).

    Raises:
        ModelError: no licence is known, card and recipe contradict each other, or it is neither open nor agreed to.
    """
    stated = stated.strip().lower() if stated else None
    if said and stated and said != stated:
        raise ModelError(
            f"the model card of {base} says {said!r}, but the recipe says {stated!r}: take `model.licence` out"
        )
    licence = said or stated
    if licence is None:
        raise ModelError(
            f"the licence of {base} is not known: its model card ({CARD}) is missing or does not say. Look it up where "
            "the model comes from and write it into the recipe, such as `model: {licence: apache-2.0}`"
        )
    if licence not in OPEN_LICENCES and licence not in {name.strip().lower() for name in agreed}:
        raise ModelError(
            f"{base} is under {licence!r}, which is not in the list of open licences ({', '.join(OPEN_LICENCES)}). "
            f"Read its terms; to agree to them, write `model: {{licences: [{licence}]}}` into the recipe"
        )
    return licence
