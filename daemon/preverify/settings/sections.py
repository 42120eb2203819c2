"""Typed configuration. The docstring under each field is its manual; every key has a safe default or is required."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from preverify.model import globs
from preverify.model.durations import format_duration, parse_duration
from preverify.model.errors import BadInput
from preverify.model.hosts import is_loopback_host
from preverify.model.reference import Reference, registry_host

_SOURCE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}(ms|s|m|h|d)$"}),
]


def _registry(text: str) -> str:
    if text.startswith("oci:"):
        directory = Path(text.removeprefix("oci:"))
        if not directory.is_absolute() or ".." in directory.parts:
            raise ValueError(f"{text[:200]!r} is no layout directory, expected oci:/absolute/directory")
        return f"oci:{directory}"
    return _host(text)


def _host(text: str) -> str:
    try:
        return registry_host(text)
    except BadInput as error:
        raise ValueError(str(error)) from error


def _glob(text: str) -> str:
    try:
        return globs.check(text)
    except BadInput as error:
        raise ValueError(str(error)) from error


def _reference(text: str) -> str:
    try:
        return str(Reference.parse(text))
    except BadInput as error:
        raise ValueError(str(error)) from error


def _source_name(text: str) -> str:
    if _SOURCE_NAME.fullmatch(text) is None:
        raise ValueError(f"{text[:80]!r} is not a source name, expected 1 to 63 of a-z, 0-9 and '-', no '-' at an end")
    return text


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(
            f"{text[:80]!r} is not an address to listen on, expected host:port, for example 127.0.0.1:8787"
        )
    return text


def is_loopback(address: str) -> bool:
    """Say whether `host:port` can only be reached from this machine."""
    return is_loopback_host(address.rpartition(":")[0].strip("[]"))


Host = Annotated[str, AfterValidator(_host)]
Address = Annotated[str, AfterValidator(_address)]
Glob = Annotated[str, AfterValidator(_glob)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True)


class Database(_Part):
    """Where history lives."""

    url: str = "sqlite:////var/lib/preverify/preverify.db"
    """SQLAlchemy URL: `sqlite:////absolute/path.db` or `postgresql+psycopg://user@host/name`. Without a password."""
    url_file: Path | None = Field(None, alias="urlFile")
    """File with the URL, which may then hold a password. It goes before `url`."""


class Credentials(_Part):
    """How we identify ourselves to one registry. At most one way."""

    username_file: Path | None = Field(None, alias="usernameFile")
    """File with the user name (Basic, and Basic towards the token service)."""
    password_file: Path | None = Field(None, alias="passwordFile")
    """File with the password."""
    token_file: Path | None = Field(None, alias="tokenFile")
    """File with a bearer token that is sent as it is."""
    docker_config: Path | None = Field(None, alias="dockerConfig")
    """A docker `config.json`; only the entry of exactly this host is used."""
    helpers: bool = False
    """Run credential helpers named in the docker configuration. They are programs from PATH: off by default."""


class Hooks(_Part):
    """How this source's push notifications arrive, at `/hooks/<source>`."""

    format: str = "distribution"
    """Name of a module in `webhooks/`."""
    secret_file: Path = Field(alias="secretFile")
    """File with the shared secret (bearer token, or HMAC key, as the format has it)."""


class Sweep(_Part):
    """How often we look by ourselves. The sweep is the guarantee; hooks only make it faster."""

    tags: Duration = timedelta(minutes=10)
    """Interval of tag listings."""
    evidence: Duration = timedelta(hours=1)
    """Interval of looks at the evidence of known subjects."""


class Budget(_Part):
    """What we allow ourselves towards one registry."""

    requests_per_second: float = Field(20.0, alias="requestsPerSecond", gt=0)
    """Long-term rate over all workers of this process."""
    concurrent: int = Field(8, ge=1, le=64)
    """Requests under way at once, per process."""


class Publish(_Part):
    """Where our statements go."""

    layout: Literal["auto", "bundle", "att", "both", "detached", "none"] = "auto"
    """`auto`: `.att`, or a bundle where a foreign bundle is attached already."""
    detached_repository: str | None = Field(None, alias="detachedRepository")
    """Repository path on the same registry for `detached`, for example `preverify/statements`."""
    allow_shadowing: bool = Field(default=False, alias="allowShadowing")
    """Let `bundle` and `both` hide foreign `.sig`/`.att` from cosign v3."""
    accept_unwithdrawable: bool = Field(default=False, alias="acceptUnwithdrawable")
    """Let `bundle` and `both` be used on a registry that refuses DELETE."""


class SourceTls(_Part):
    """Transport to a source."""

    ca_file: Path | None = Field(None, alias="caFile")
    """PEM bundle that replaces the system's authorities for this source."""
    plain_http: bool = Field(default=False, alias="plainHttp")
    """Speak HTTP. Only for loopback and closed networks."""


class Source(_Part):
    """A registry that we watch, or a directory of OCI layouts."""

    registry: Annotated[str, AfterValidator(_registry)]
    """`host[:port]`, or `oci:/absolute/directory` with one OCI layout per repository below it."""
    aliases: tuple[Host, ...] = ()
    """Other names by which clusters pull the same content."""
    repositories: tuple[Glob, ...] = ("**",)
    """Globs over repository paths: `*` within a segment, `**` across."""
    extra_hosts: tuple[Host, ...] = Field((), alias="extraHosts")
    """Exact further hosts that credentials may go to (token service) or that blobs may be redirected to privately."""
    credentials: Credentials | None = None
    hooks: Hooks | None = None
    sweep: Sweep = Sweep()
    budget: Budget = Budget()
    publish: Publish = Publish()
    network: Literal["public", "private"] = "public"
    """`private` allows private and loopback addresses."""
    tls: SourceTls = SourceTls()


class Policies(_Part):
    """Where policy documents lie."""

    directory: Path = Path("policies")
    """Directory with `*.yaml`; key files are named relative to it."""


class Trust(_Part):
    """Roots that come by TUF. Only those that a policy names are ever fetched."""

    refresh: Annotated[Duration, Field(ge=timedelta(minutes=1))] = timedelta(hours=24)
    """How often they are looked at. A look that fails is repeated after a tenth of this, at most after an hour."""
    offline: bool = False
    """Never fetch: built-in copies, what was fetched before and what `preverify trust import` brings have to do."""
    ca_file: Path | None = Field(None, alias="caFile")
    """PEM bundle that replaces the system's authorities towards TUF repositories."""
    network: Literal["public", "private"] = "public"
    """Where certificates may send us for OCSP and CRLs; `private` allows private and loopback addresses too."""


class Keyless(_Part):
    """Signing by short-lived certificates. Only the files and the services that they name take part."""

    identity_token_file: Path = Field(alias="identityTokenFile")
    """File with the identity token (audience `sigstore`), read anew for each signature: such tokens rotate."""
    trusted_root_file: Path = Field(alias="trustedRootFile")
    """`trusted_root.json` of the instance; read at start."""
    signing_config_file: Path = Field(alias="signingConfigFile")
    """Signing configuration (v0.2) that names certificate authority, log and time stamp authorities; read at start."""
    issuer: str = Field(min_length=1, max_length=2048)
    """Issuer of the token, as certificates name it. Statements are ours only with exactly this."""
    identity: str = Field(min_length=1, max_length=2048)
    """Identity that certificates name: an e-mail address or URI. Statements are ours only with exactly this."""


_URI_SCHEMES = ("awskms", "azurekms", "gcpkms", "hashivault", "hsm")


class VulnerabilityDatabase(_Part):
    """Where the data comes from that bills of materials are matched against."""

    reference: Annotated[str, AfterValidator(_reference)] | None = None
    """Its image, `registry/repository:tag` or `@digest`, for `preverify db pull`; null: whatever a command names."""
    policy: Path | None = None
    """File or directory with the policy documents that this image has to pass before it is read; null: none passes."""
    directory: Path | None = None
    """Where it is kept; null: `vulnerabilities` in the state directory."""
    max_age: Annotated[Duration, Field(ge=timedelta(minutes=1))] = Field(timedelta(hours=48), alias="maxAge")
    """From which age on `preverify db status` and the alert call it stale. Rules have ages of their own."""
    credentials: Credentials | None = None
    network: Literal["public", "private"] = "public"
    """`private` allows private and loopback addresses."""
    tls: SourceTls = SourceTls()


class Scanner(_Part):
    """A program that makes bills of materials, run shut in. It is never downloaded: put it there and say its digest."""

    tool: Literal["syft", "trivy"]
    """Which one it is: how it is called and what it prints."""
    path: Path
    """The program, absolute."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """The digest that its file must have; another one is not run."""
    timeout: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = timedelta(minutes=5)
    """How long one image may take."""

    @model_validator(mode="after")
    def _absolute(self) -> Self:
        if not self.path.is_absolute():
            raise ValueError(f"'path' {str(self.path)[:80]!r} is not absolute")
        return self


class Vulnerabilities(_Part):
    """Matching bills of materials against known vulnerabilities."""

    database: VulnerabilityDatabase = VulnerabilityDatabase()
    scanner: Scanner | None = None


class Signing(_Part):
    """Our own signature, by one of `keyFile`, `uri` and `keyless`. Without any nothing is published."""

    key_file: Path | None = Field(None, alias="keyFile")
    """PEM private key, ECDSA P-256 by default. Only the signing process opens it."""
    uri: str | None = Field(None, max_length=2048)
    """Key that stays where it is: `awskms:…`, `azurekms:…`, `gcpkms:…`, `hashivault:name/version`, `hsm:id?label=…`."""
    public_key_file: Path | None = Field(None, alias="publicKeyFile")
    """PEM public key (ECDSA P-256 or Ed25519) that belongs to `uri`."""
    pin_file: Path | None = Field(None, alias="pinFile")
    """File with the PIN of the token that `hsm:` names."""
    pkcs11_module: Path | None = Field(None, alias="pkcs11Module")
    """PKCS#11 library of the device that `hsm:` names."""
    keyless: Keyless | None = None
    verifier_id: str = Field("urn:preverify:verifier", alias="verifierId")
    """URI that names this verifier in every statement."""
    published_validity: Duration = Field(timedelta(days=7), alias="publishedValidity")
    """How long a published statement holds; renewed at half."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [
            name for name, given in (("keyFile", self.key_file), ("uri", self.uri), ("keyless", self.keyless)) if given
        ]
        if len(ways) > 1:
            raise ValueError(f"says {' and '.join(ways)}, expected one way to sign")
        if (self.uri is None) != (self.public_key_file is None):
            raise ValueError("uri and publicKeyFile go together: what is signed elsewhere is checked here")
        scheme = (self.uri or "").partition(":")[0]
        if self.uri is not None and scheme not in _URI_SCHEMES:
            raise ValueError(f"uri is for {scheme[:40]!r}, expected one of {', '.join(f'{s}:' for s in _URI_SCHEMES)}")
        if (scheme == "hsm") != (self.pin_file is not None) or (scheme == "hsm") != (self.pkcs11_module is not None):
            raise ValueError("pinFile and pkcs11Module belong to a uri hsm:, which needs both")
        return self

    @property
    def signs(self) -> bool:
        """Say whether there is a way to sign."""
        return self.key_file is not None or self.uri is not None or self.keyless is not None


class ListenTls(_Part):
    """TLS of the answers listener (1.3 at least)."""

    cert_file: Path = Field(alias="certFile")
    """PEM file with the certificate and its chain."""
    key_file: Path = Field(alias="keyFile")
    """PEM file with the private key."""
    client_ca_file: Path | None = Field(None, alias="clientCaFile")
    """Accept client certificates of these authorities instead of a token."""


class Listen(_Part):
    """Where answers, hooks and health are served."""

    address: Address = "127.0.0.1:8787"
    """`host:port`. Must be loopback unless `tls` is set. Port 0 picks a free one."""
    tls: ListenTls | None = None
    tokens_file: Path | None = Field(None, alias="tokensFile")
    """One bearer token a line. Needed for writes, verdict history and for everything beyond loopback."""
    tag_references: Literal["deny", "last-observed"] = Field("deny", alias="tagReferences")
    """What a front end does with a reference by tag: deny, or answer for the digest last observed, with a warning."""
    expired_grace: Duration = Field(timedelta(0), alias="expiredGrace")
    """How long an expired verdict still admits, counted."""
    no_policy: Literal["deny", "allow"] = Field("deny", alias="noPolicy")
    """What happens to images that no policy matches."""
    max_stale: Duration | None = Field(None, alias="maxStale")
    """After how long without a feed heartbeat answers become `unknown`; null: they hold until their own expiry."""

    @model_validator(mode="after")
    def _loopback_without_tls(self) -> Self:
        if self.tls is None and not is_loopback(self.address):
            raise ValueError(
                f"address {self.address!r} is not loopback; answers and tokens would cross the network in the clear: "
                "set listen.tls, or listen on 127.0.0.1"
            )
        return self


class Metrics(_Part):
    """The metrics listener."""

    address: Address = "127.0.0.1:8788"
    """`host:port` of one interface; every interface at once is refused. Port 0 picks a free one."""
    repository_label: bool = Field(default=False, alias="repositoryLabel")
    """Add a repository label to tag gauges (bounded to 200 repositories)."""


class Settings(_Part):
    """The whole configuration file."""

    api_version: Literal["preverify/v1"] = Field("preverify/v1", alias="apiVersion")
    kind: Literal["Config"] = "Config"
    state: Path = Path("/var/lib/preverify")
    """The one writable directory: lookup table, large evidence, sockets."""
    database: Database = Database()
    sources: dict[Annotated[str, AfterValidator(_source_name)], Source] = {}
    policies: Policies = Policies()
    trust: Trust = Trust()
    vulnerabilities: Vulnerabilities = Vulnerabilities()
    signing: Signing = Signing()
    listen: Listen = Listen()
    workers: int = Field(2, ge=1, le=64)
    """Worker processes on this machine."""
    metrics: Metrics = Metrics()

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        # One name with two sources would make it a matter of order which policy and credentials an image meets.
        owners: dict[str, str] = {}
        for name, source in self.sources.items():
            for host in (source.registry, *source.aliases):
                if host in owners:
                    raise ValueError(
                        f"{host!r} is a registry or alias of source {owners[host]!r} and again of {name!r}"
                    )
                owners[host] = name
        return self

    @model_validator(mode="after")
    def _keyless_in_bundles(self) -> Self:
        # `.att` has annotations for a certificate, but readers find no entry of a newer log and no time stamps there.
        if self.signing.keyless is not None:
            for name, source in self.sources.items():
                if source.publish.layout in {"att", "both", "detached"}:
                    raise ValueError(
                        f"source {name!r} has publish.layout {source.publish.layout!r}, but a keyless statement goes "
                        "only into a bundle: expected auto, bundle or none"
                    )
        return self
