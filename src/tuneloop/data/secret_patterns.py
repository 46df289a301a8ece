"""The shapes of secrets: passwords that are told, keys with a well-known prefix, addresses with a login inside."""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int, str]

MIN_SECRET_CHARACTERS = 4

_CREDENTIAL_URL = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,64}:[^\s/@]{1,128}@[^\s<>\"']+"
    r"|\bhttps?://[^\s?]{1,300}\?(?:[^\s?&]{0,200}&)*"
    r"(?:token|access_token|api_?key|key|secret|password|pwd|signature|sig|auth)=[^\s&\"'<>]{6,}",
    re.IGNORECASE,
)

# Slack, Stripe, GitLab, npm, PyPI, SendGrid, Google, GitHub, OpenAI-like, Hugging Face, AWS, JWT, private keys...
_PREFIXES = (
    *("AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "sk-", "hf_", "xox", "xapp-"),
    *("AIza", "ya29.", "_live_", "_test_", "whsec_", "npm_", "pypi-", "SG.", "eyJ", "-----BEGIN", "hooks.slack.com"),
    *("Bearer ", "bearer ", "dop_v1_", "shpat_", "AccountKey="),
)
_KEYS = re.compile(
    r"\bA[KS]IA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}|\bglpat-[\w-]{20,}"
    r"|\bsk-[A-Za-z0-9_-]{20,}|\bhf_[A-Za-z0-9]{30,}|\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bxapp-\d-[A-Za-z0-9-]{10,}"
    r"|\bAIza[\w-]{35}|\bya29\.[\w-]{20,}|\b[prs]k_(?:live|test)_\w{16,}|\bwhsec_\w{16,}|\bnpm_[A-Za-z0-9]{36}"
    r"|\bpypi-[\w-]{16,}|\bSG\.[\w-]{16,}\.[\w-]{16,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}"
    r"|\bdop_v1_[a-f0-9]{64}|\bshpat_[a-fA-F0-9]{32}|\bAccountKey=[A-Za-z0-9+/]{40,}={0,2}"
    r"|\bhooks\.slack\.com/services/[A-Z0-9]+/[A-Z0-9]+/\w{10,}|\b[Bb]earer (?=[^ ]{0,60}\d)[\w.~+/-]{20,}={0,2}"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"
    r"(?:[^-]{0,20000}-----END [A-Z ]{0,30}PRIVATE KEY-----|(?:\\n|[A-Za-z0-9+/=\s]){0,20000})?"
)
_WORDS = (
    r"(?:pass(?:word|wd|code|[ _]?phrase)|pwd|pin(?: ?code)?|api[ _-]?key|secret(?:[ _-]?(?:access[ _-]?)?key)?"
    r"|client[ _-]?secret|access[ _-]?(?:token|key)|account[ _-]?key|auth[ _-]?token|refresh[ _-]?token|token)"
)
_ASSIGNED = re.compile(
    rf"(?<![A-Za-z0-9]){_WORDS}(?![A-Za-z0-9])[\"']?"
    r"(?P<sign>[ \t]*(?::|=>?)[ \t]*|[ \t]+(?:is|was)[ \t]*:?[ \t]*)[\"'`]?(?P<value>[^\s\"'`,;]{4,})",
    re.IGNORECASE,
)
_HAS_SYMBOL = re.compile(r"\w[^\w\s]\w")


def credential_urls(text: str) -> Iterator[Span]:
    """Addresses with a user and password, or with a key among their parameters."""
    if "://" in text:
        for match in _CREDENTIAL_URL.finditer(text):
            yield (*match.span(), "credential_url")


def known_keys(text: str) -> Iterator[Span]:
    """Keys whose issuer marks them by a prefix, and private keys."""
    if any(prefix in text for prefix in _PREFIXES):
        for match in _KEYS.finditer(text):
            yield (*match.span(), "secret")


def assigned_secrets(text: str) -> Iterator[Span]:
    """`password: x`, and `password is x` where x looks like one: "my password is wrong" is no secret."""
    for match in _ASSIGNED.finditer(text):
        value = match["value"].rstrip(".!?)")
        start = match.start("value")
        is_assigned = bool(re.search(r"[:=]", match["sign"]))
        looks_like_one = re.search(r"\d", value) or (is_assigned and _HAS_SYMBOL.search(value))
        if len(value) >= MIN_SECRET_CHARACTERS and looks_like_one:
            yield (start, start + len(value), "secret")
