"""The written form of the rule `config`: its field docstrings are the manual."""

import re
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from preverify.model.validation import known_keys
from preverify.model.verdicts import Mode
from preverify.policy.patterns import pattern
from preverify.policy.quorum import Resolve
from preverify.policy.wire import Globs, Part, distinct

if TYPE_CHECKING:
    from preverify.policy.rules.config import Configured

_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.ASCII)
_LAST_PORT = 65_535
_SIZE = re.compile(r"(\d{1,9})(B|KiB|MiB|GiB|TiB)", re.ASCII)
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Ports(NamedTuple):
    """Ports of one protocol, both ends included."""

    low: int
    high: int
    protocol: str

    def __str__(self) -> str:
        span = str(self.low) if self.low == self.high else f"{self.low}-{self.high}"
        return f"{span}/{self.protocol}"

    def holds(self, other: "Ports") -> bool:
        """Say whether all of `other` are among these."""
        return self.protocol == other.protocol and self.low <= other.low and other.high <= self.high

    def meets(self, other: "Ports") -> bool:
        """Say whether some of `other` are among these."""
        return self.protocol == other.protocol and self.low <= other.high and other.low <= self.high


def ports(text: str) -> Ports:
    """Read `8080`, `8080/tcp` or `8000-8999/udp`; without a protocol it is tcp, as in a Dockerfile.

    Raises:
        ValueError: not a port.
    """
    match = _PORT.fullmatch(text.lower())
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if match is None or not 0 < low <= high <= _LAST_PORT:
        raise ValueError(f"{text[:40]!r} is no port, expected 8080, 8080/tcp or 8000-8999/udp")
    return Ports(low, high, match[3] or "tcp")


def _size(value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    size = int(match[1]) << (10 * _UNITS.index(match[2])) if match else 0
    if not 0 < size < 1 << 50:
        raise ValueError(f"{str(value)[:40]!r} is no size, expected a number and a unit: 100KiB, 500MiB or 2GiB")
    return size


def _pattern(text: str) -> str:
    return pattern(text).text


Text = Annotated[str, Field(min_length=1, max_length=1024)]
Port = Annotated[str, AfterValidator(lambda text: str(ports(text)))]
Size = Annotated[int, BeforeValidator(_size), WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}([KMGT]i)?B$"})]
Command = Annotated[tuple[str, ...], Field(min_length=1, strict=False)]


class ConfigSpec(Part):
    """What the configuration of an image says: user, labels, environment, entrypoint, ports, volumes, size."""

    non_root: Literal[True] | None = Field(None, alias="nonRoot")
    """`true`: the user is set, and is a number other than 0, or one of `userNames`."""
    user_names: Globs | None = Field(None, alias="userNames")
    """With `nonRoot`: names that count as not root, as globs. Which number a name has stands in the image's files, and
    these are not looked at. `*` takes every name but those of administrators."""
    users: Annotated[tuple[Text, ...], Field(min_length=1, strict=False)] | None = None
    """The user is one of these, like `65532` or `65532:65532`. One without `:` takes any group."""
    labels: dict[Text, str] = Field({})
    """Labels that have to be there, each with exactly this value."""
    label_patterns: dict[Text, Annotated[str, AfterValidator(_pattern)]] = Field({}, alias="labelPatterns")
    """Labels that have to be there, each with a value that this regular expression matches as a whole."""
    required_labels: Annotated[tuple[Text, ...], Field(strict=False)] = Field((), alias="requiredLabels")
    """Labels that have to be there and not be empty."""
    forbidden_labels: Globs | None = Field(None, alias="forbiddenLabels")
    """Globs over names of labels that must not be there."""
    secrets: Literal["deny"] | None = None
    """`deny`: no environment variable looks like a secret, by its name or by the form of its value."""
    allowed_env: Globs | None = Field(None, alias="allowedEnv")
    """With `secrets`: globs over names of variables that are none, whatever they look like."""
    forbidden_env: Globs | None = Field(None, alias="forbiddenEnv")
    """Globs over names of environment variables that must not be there."""
    entrypoint: Literal["required"] | None = None
    """`required`: there has to be one."""
    entrypoints: Annotated[tuple[Command, ...], Field(min_length=1, strict=False)] | None = None
    """The entrypoint is one of these, word for word. The form of a shell is `[/bin/sh, -c, …]`."""
    exposed_ports: Annotated[tuple[Port, ...], Field(strict=False)] | None = Field(None, alias="exposedPorts")
    """Every exposed port is among these, like `8080`, `53/udp` or `8000-8999/tcp`; `[]`: none is exposed."""
    forbidden_ports: Annotated[tuple[Port, ...], Field(min_length=1, strict=False)] | None = Field(
        None, alias="forbiddenPorts"
    )
    """None of these is exposed."""
    volumes: Literal["none"] | None = None
    """`none`: no volumes are declared."""
    max_layers: Annotated[int, Field(ge=1, le=10_000)] | None = Field(None, alias="maxLayers")
    """How many layers there may be."""
    max_size: Size | None = Field(None, alias="maxSize")
    """How large all layers together may be as they are pulled, like `500MiB`."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        demanded = [name for name in type(self).model_fields if getattr(self, name) not in (None, {}, ())]
        if not demanded and self.exposed_ports is None:
            raise ValueError(f"demands nothing, expected some of: {', '.join(known_keys(ConfigSpec))}")
        if self.user_names and not self.non_root:
            raise ValueError("'userNames' says something only beside 'nonRoot: true'")
        if self.allowed_env and not self.secrets:
            raise ValueError("'allowedEnv' says something only beside 'secrets: deny'")
        return self

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "Configured":
        """Return the rule."""
        from preverify.policy.rules.config import Configured  # the rule knows its written form

        del quorum  # it looks at nobody's evidence
        return Configured(
            name=name,
            mode=mode,
            non_root=bool(self.non_root),
            user_names=distinct(self.user_names),
            users=distinct(self.users),
            labels=tuple(sorted(self.labels.items())),
            label_patterns=tuple(sorted(self.label_patterns.items())),
            required_labels=distinct(self.required_labels),
            forbidden_labels=distinct(self.forbidden_labels),
            no_secrets=bool(self.secrets),
            allowed_env=distinct(self.allowed_env),
            forbidden_env=distinct(self.forbidden_env),
            entrypoint=bool(self.entrypoint),
            entrypoints=tuple(sorted(set(self.entrypoints or ()))),
            exposed_ports=None if self.exposed_ports is None else distinct(self.exposed_ports),
            forbidden_ports=distinct(self.forbidden_ports),
            no_volumes=bool(self.volumes),
            max_layers=self.max_layers or 0,
            max_size=self.max_size or 0,
        )
