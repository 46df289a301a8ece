"""Signed verdicts: what the gate decided cannot be changed afterwards without that being seen.

The signature is an HMAC-SHA256 with a key of the workspace. It shows a verdict that was edited by somebody, or
something, without access to the key: in the registry, in a backup, in a copied round. Who can read the workspace's
private files can sign as well; there it guards against accidents only.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tuneloop.results import Verdict
from tuneloop.secret_keys import secret_key

KEY_FILE = "signing.key"
HASH_TAG, SIGNATURE_TAG = "verdict_sha256", "verdict_signature"
_PURPOSE = b"tuneloop verdict 1\n"

Standing = Literal["verified", "changed", "unsigned", "no round"]
"""Of a version's verdict: as signed; not as signed; from before verdicts were signed; its round is not kept here."""


def signing_key(workspace: Path) -> bytes:
    """The key that verdicts and the audit trail are sealed with; mode 0600. Without it nothing verifies any more."""
    return secret_key(workspace, KEY_FILE)


def signature_tags(verdict: Verdict, *, recipe: str, key: bytes) -> dict[str, str]:
    """Hash and signature as the registry keeps them. The recipe is signed too: a verdict is about its rules."""
    return {HASH_TAG: verdict_hash(verdict), SIGNATURE_TAG: _sign(verdict, recipe, key)}


def verdict_hash(verdict: Verdict) -> str:
    """Hex SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(verdict)).hexdigest()


def canonical_json(verdict: Verdict) -> bytes:
    """The same bytes before and after a verdict was kept as a file, and after fields were added to its class.

    Keys are sorted; defaults, and infinity, which JSON has no word for, are left out.
    """
    content = _without_nothing(json.loads(verdict.model_dump_json(exclude_defaults=True)))
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def standing(tags: Mapping[str, str], verdict: Verdict | None, *, recipe: str, key: bytes) -> Standing:
    """How the verdict that is kept for a version stands to the signature in the version's tags."""
    if SIGNATURE_TAG not in tags:
        return "unsigned"
    if verdict is None:
        return "no round"
    same_hash = hmac.compare_digest(tags.get(HASH_TAG, "").encode(), verdict_hash(verdict).encode())
    signed = hmac.compare_digest(tags[SIGNATURE_TAG].encode(), _sign(verdict, recipe, key).encode())
    return "verified" if same_hash and signed else "changed"


def _sign(verdict: Verdict, recipe: str, key: bytes) -> str:
    return hmac.new(key, _PURPOSE + recipe.encode() + b"\n" + canonical_json(verdict), hashlib.sha256).hexdigest()


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nothing(inner) for name, inner in value.items() if inner is not None}
    return [_without_nothing(inner) for inner in value] if isinstance(value, list) else value
