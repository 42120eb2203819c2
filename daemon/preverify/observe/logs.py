"""Log lines: JSON off a terminal, one event name a line; untrusted text escaped and cut; secrets never."""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog

MAX_FIELD_BYTES = 1024
MAX_ITEMS = 50
MAX_DEPTH = 4
HIDDEN = "[hidden]"

_SECRET_NAME = re.compile(
    r"(?i)secret|passw|token(?!_realm)|authorization|cookie|credential|private_?key|pem$|api_?key"
)
_SECRET_TEXT = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)([a-z][a-z0-9+.-]*://)[^/\s@]*:[^/\s@]*@"), rf"\1{HIDDEN}@"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), HIDDEN),  # a JSON web token
    (re.compile(r"(?i)([?&](?:[a-z_-]*(?:token|secret|signature|password|key|sig))=)[^&\s\"']+"), rf"\1{HIDDEN}"),
)
_KNOWN: set[str] = set()
_MIN_SECRET = 6  # shorter texts would blank out ordinary words
_BIDI = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\ufeff")

Fields = MutableMapping[str, Any]


def hide(secret: str) -> None:
    """Remember a secret that this process read: its text never appears in a log line from now on."""
    if len(secret.strip()) >= _MIN_SECRET:
        _KNOWN.add(secret.strip())


def setup_logging(*, level: str = "info", stream: TextIO | None = None, json: bool | None = None) -> None:
    """Send every log line of this process, libraries' too, through one chain to `stream`.

    Args:
        level: debug, info, warning, error.
        stream: Standard error where None; data goes to standard output and stays clean.
        json: JSON lines or the console form; None decides by whether `stream` is a terminal.
    """
    out = stream if stream is not None else sys.stderr
    as_json = json if json is not None else not out.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    last: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        clean,
        structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=True)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared, _foreign], processors=last
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("preverify").setLevel(level.upper())
    logging.raiseExceptions = False
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def clean(_logger: object, _method: str, fields: Fields) -> Fields:
    """Hide secrets, escape control and direction characters, cut every text and bound every collection."""
    return {_text(str(key)): _value(str(key), value, 0) for key, value in list(fields.items())[:MAX_ITEMS]}


def _foreign(_logger: object, _method: str, fields: Fields) -> Fields:
    """Give a library's line an event name of ours; what it says becomes a field."""
    fields["message"] = fields.get("event", "")
    fields["event"] = "library.logged"
    return fields


def _value(name: str, value: object, depth: int) -> object:
    if _SECRET_NAME.search(name) and not isinstance(value, bool) and value is not None:
        return HIDDEN
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < MAX_DEPTH and isinstance(value, MutableMapping):
        return {_text(str(k)): _value(str(k), v, depth + 1) for k, v in list(value.items())[:MAX_ITEMS]}
    if depth < MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_value("", item, depth + 1) for item in _first(value)]
    return _text(str(value), limit=8 * MAX_FIELD_BYTES if name == "exception" else MAX_FIELD_BYTES)


def _first(items: Iterable[object]) -> list[object]:
    return [item for _, item in zip(range(MAX_ITEMS), items, strict=False)]


def _text(text: str, limit: int = MAX_FIELD_BYTES) -> str:
    """Return `text` without secrets, on one line, printable, at most `limit` bytes."""
    for known in _KNOWN:
        text = text.replace(known, HIDDEN)
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    text = "".join(c if c.isprintable() and c not in _BIDI else _escape(c) for c in text[: limit + 1])
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit:
        return data.decode()
    return data[:limit].decode("utf-8", "ignore") + "…(cut)"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
