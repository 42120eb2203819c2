"""The written form of trust: roots and stores that signers name. Field docstrings are the manual."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from preverify.model.hosts import is_loopback_host
from preverify.model.trust import Period
from preverify.policy.wire import Metadata, Moment, Name, Part

_STORE = re.compile(r"(?:ca|signingAuthority|tsa):[a-zA-Z0-9_.-]{1,128}")
_ORIGIN = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")


def _file(text: str) -> str:
    if text.startswith("/") or ".." in text.split("/"):
        raise ValueError(f"{text[:80]!r} leaves the policy directory, expected a path inside it")
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, parts, port = "", urlsplit(""), None
    if not host or port == 0 or parts.scheme not in {"https", "http"} or parts.query or parts.fragment or "@" in text:
        raise ValueError(f"{text[:80]!r} is no address of a repository, expected https://host/path")
    if parts.scheme == "http" and not is_loopback_host(host):
        raise ValueError(f"{text[:80]!r} is not https, which only an address of this machine may be")
    return text


def _store_name(text: str) -> str:
    if _STORE.fullmatch(text) is None or text.partition(":")[2] in {".", ".."}:
        raise ValueError(
            f"{text[:80]!r} is no store, expected ca:, signingAuthority: or tsa: and a name of A-Z, a-z, 0-9, '_.-'"
        )
    return text


def _origin(text: str) -> str:
    if _ORIGIN.fullmatch(text) is None:
        raise ValueError(f"{text[:80]!r} is no origin, expected the first line of the log's checkpoints")
    return text


FileName = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_file)]
FileNames = Annotated[tuple[FileName, ...], Field(min_length=1, max_length=20, strict=False)]
StoreName = Annotated[str, AfterValidator(_store_name)]


class _Dated(Part):
    valid_from: Moment | None = Field(None, alias="validFrom")
    """Nothing older counts. Without: from ever."""
    valid_until: Moment | None = Field(None, alias="validUntil")
    """Nothing newer counts. Without: as long as the certificates hold, or for ever."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_from is not None and self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError("'validUntil' lies before 'validFrom', so that nothing would ever count")
        return self

    @property
    def period(self) -> Period:
        """Return both as a span."""
        return Period(start=self.valid_from, end=self.valid_until)


class AuthoritySpec(_Dated):
    """A certificate authority or time stamp authority."""

    files: FileNames
    """PEM files with its certificates, from the issuing one to the root, in any order."""


class LogSpec(_Dated):
    """A transparency log."""

    key: FileName
    """PEM file with its public key."""
    origin: Annotated[str, AfterValidator(_origin)] | None = None
    """First line of its checkpoints. Without: not compared. An Ed25519 log needs it, its id is made from both."""


class CtLogSpec(_Dated):
    """A certificate transparency log."""

    key: FileName
    """PEM file with its public key."""


class TufSpec(Part):
    """A TUF repository with a target `trusted_root.json`."""

    url: Annotated[str, AfterValidator(_url)]
    """Address of the repository: `https://host/path`."""
    root: FileName
    """Root metadata that trust in the repository starts with, got from its owner by another way."""


class RootSpec(Part):
    """A Sigstore instance. One of `file`, `tuf`, or its parts."""

    file: FileName | None = None
    """A `trusted_root.json`."""
    tuf: TufSpec | None = None
    """The root is fetched, and kept fresh, from a TUF repository."""
    authorities: tuple[AuthoritySpec, ...] = Field((), max_length=20, strict=False)
    """Certificate authorities whose certificates sign."""
    logs: tuple[LogSpec, ...] = Field((), max_length=20, strict=False)
    """Transparency logs that signatures are entered in."""
    ct_logs: tuple[CtLogSpec, ...] = Field((), alias="ctLogs", max_length=20, strict=False)
    """Logs that certificates are entered in."""
    timestamp_authorities: tuple[AuthoritySpec, ...] = Field(
        (), alias="timestampAuthorities", max_length=20, strict=False
    )
    """Authorities of RFC 3161 time stamps."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        parts = bool(self.authorities or self.logs or self.ct_logs or self.timestamp_authorities)
        forms = (self.file is not None) + (self.tuf is not None) + parts
        if forms != 1:
            raise ValueError(
                ("trusts nothing" if not forms else "says in several ways what it trusts")
                + ", expected file, tuf, or some of authorities, logs, ctLogs and timestampAuthorities"
            )
        return self


class StoreSpec(Part):
    """A Notation trust store. One of `files` and `directory`."""

    files: FileNames | None = None
    """Certificate files."""
    directory: FileName | None = None
    """A directory; its `*.pem`, `*.crt` and `*.cer` are the store's certificates."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.files is None) == (self.directory is None):
            raise ValueError("expected exactly one of files and directory")
        return self


class TrustSpec(Part):
    """What signers may be vouched for by."""

    roots: dict[Name, RootSpec] = Field(default={})
    """Sigstore instances by the names that signers use. `public-good` and `staging` are built in."""
    stores: dict[StoreName, StoreSpec] = Field(default={})
    """Notation trust stores: `ca:<name>`, `signingAuthority:<name>` or `tsa:<name>`."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.roots and not self.stores:
            raise ValueError("holds neither roots nor stores")
        return self


class TrustDocument(Part):
    """Roots and stores. Their names are shared by all documents of the policy directory."""

    api_version: Literal["preverify/v1"] = Field(alias="apiVersion")
    kind: Literal["Trust"]
    metadata: Metadata
    spec: TrustSpec
