"""What looks like a secret in an environment variable: by its name, or by the form of its value."""

import re
from collections.abc import Mapping
from itertools import pairwise

_WORD = re.compile(r"[^A-Za-z0-9]+")
_ANYWHERE = re.compile(r"PASSW(?:OR)?D|PASSPHRASE|APIKEY")
_WORDS = frozenset({"SECRET", "SECRETS", "TOKEN", "TOKENS", "CREDENTIAL", "CREDENTIALS", "PASS"})
_BEFORE_KEY = frozenset(
    {"API", "ACCESS", "ACCOUNT", "AUTH", "ENCRYPTION", "MASTER", "PRIVATE", "SECRET", "SIGNING", "SSH", "STORAGE"}
)
_PLACES = frozenset({"FILE", "PATH", "DIR", "URL", "URI"})
"""Last words of names that say where something is, not what it is. Their values are looked at all the same."""

FORMS: Mapping[str, re.Pattern[str]] = {
    "an AWS access key": re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"),
    "a GitHub token": re.compile(r"(?<!\w)(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{22})"),
    "a GitLab token": re.compile(r"(?<!\w)glpat-[\w-]{20}"),
    "a Slack token": re.compile(r"(?<!\w)xox[abeoprs]-[\w-]{10}"),
    "a Google API key": re.compile(r"(?<!\w)AIza[\w-]{35}"),
    "a Stripe key": re.compile(r"(?<!\w)[rs]k_live_[A-Za-z0-9]{16}"),
    "an npm token": re.compile(r"(?<!\w)npm_[A-Za-z0-9]{36}"),
    "a PyPI token": re.compile(r"(?<!\w)pypi-AgEIcHlwaS5vcmc[\w-]{20}"),
    "a Docker Hub token": re.compile(r"(?<!\w)dckr_pat_[\w-]{20}"),
    "a Hugging Face token": re.compile(r"(?<!\w)hf_[A-Za-z]{34}"),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]{2,9} ){0,2}PRIVATE KEY(?: BLOCK)?-----"),
    "a JSON web token": re.compile(r"(?<![\w-])eyJ[\w-]++\.eyJ[\w-]++\.[\w-]"),
    "a password in a URL": re.compile(r"://[^/\s:@]{0,200}:[^/\s@]{1,200}@"),
}
"""Forms of values, each with what people call it. Each is found in linear time."""


def secret_in(name: str, value: str) -> str:
    """Return what an environment variable looks like; empty where it does not look like a secret.

    An empty value is none, and neither is one that only refers to another variable.

    >>> secret_in("DB_PASSWORD", "hunter2"), secret_in("GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D")
    ('a secret by its name', '')
    """
    found = next((form for form, pattern in FORMS.items() if pattern.search(value)), "")
    if found or not value or (value.startswith("${") and value.endswith("}")):
        return found
    return "a secret by its name" if _named_so(name) else ""


def _named_so(name: str) -> bool:
    words = [word for word in _WORD.split(name.upper()) if word]
    if not words or words[-1] in _PLACES:
        return False
    if _ANYWHERE.search("".join(words)) or not _WORDS.isdisjoint(words):
        return True
    if "PWD" in words and words not in (["PWD"], ["OLDPWD"]):
        return True
    return any(key in ("KEY", "KEYS") and before in _BEFORE_KEY for before, key in pairwise(words))
