"""Writes the pages under `docs/reference/` from the code: `python tests/support/reference.py`.

A test compares the pages with what this makes, so that a setting, metric, rule, command or endpoint is never without
its line in the documents.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import typer
from pydantic import BaseModel, RootModel

PAGES = Path(__file__).resolve().parents[2] / "docs" / "reference"
_NOTE = "<!-- Made from the code by tests/support/reference.py. Edit the code's docstrings instead. -->"


def configuration() -> str:
    """Return the page of every key of the configuration file."""
    from preverify.settings import Settings

    rows = [(f"`{path}`", default, text) for path, default, text in _keys(Settings, "")]
    return _page(
        "Configuration keys",
        "Every key of the configuration file, with its default. `<name>` is the name that you give to a source. "
        "[Configuration](../configuration.md) says how the file, the environment and secrets work together.",
        _table(("key", "default", "meaning"), rows),
    )


def policies() -> str:
    """Return the page of every key of policy and signers documents."""
    from preverify.policy.policy_tests import PolicyTestDocument
    from preverify.policy.schema import KINDS

    parts = []
    kinds = {**KINDS, "PolicyTest": PolicyTestDocument}
    for kind in sorted(kinds):
        rows = [(f"`{path}`", default, text) for path, default, text in _keys(kinds[kind], "")]
        parts.append(f"## {kind}\n\n{_first_line(kinds[kind])}\n\n" + _table(("key", "default", "meaning"), rows))
    return _page(
        "Policy keys",
        "Every key of the documents in the policy directory. [Policies](../policies.md) explains them with examples.",
        "\n".join(parts),
    )


def _keys(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    from preverify.policy.rules import NESTED

    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        inner = _models(field.annotation)
        kind = _container(field.annotation)
        if kind is not None:
            path += kind
            inner = _models(get_args(_plain(field.annotation))[-1 if kind == ".<name>" else 0])
        text = field.description or (_first_line(inner[0]) if inner else "")
        if field.is_required():
            default = "required"
        else:
            value = field.get_default(call_default_factory=True)
            default = "" if isinstance(value, BaseModel) or (inner and not value) else f"`{_shown(value)}`"
        yield path, default, text
        for one in inner:
            if one is not NESTED:  # any rule again, without end
                yield from _keys(one, f"{path}.")


def _plain(annotation: Any) -> Any:
    """Return an annotation without None and Annotated."""
    options = [option for option in get_args(annotation) if option is not type(None)]
    if annotation is not None and type(None) in get_args(annotation) and len(options) == 1:
        return _plain(options[0])
    if hasattr(annotation, "__metadata__"):
        return _plain(annotation.__origin__)
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return _plain(annotation.model_fields["root"].annotation)
    return annotation


def _container(annotation: Any) -> str | None:
    plain = _plain(annotation)
    origin = getattr(plain, "__origin__", None)
    if origin in {dict, Mapping}:
        return ".<name>"
    if origin is tuple and _models(get_args(plain)[0]):
        return "[]"
    return None


def _models(annotation: Any) -> list[type[BaseModel]]:
    plain = _plain(annotation)
    if isinstance(plain, type) and issubclass(plain, BaseModel):
        return [plain]
    if getattr(plain, "__origin__", None) in {dict, tuple, Mapping}:
        return []
    return [model for option in get_args(plain) for model in _models(option)]


def _shown(value: object) -> str:
    from datetime import timedelta

    from preverify.model.durations import format_duration
    from preverify.model.platforms import Platforms

    if isinstance(value, timedelta):
        return format_duration(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Platforms):
        return str(value.canonical())
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, tuple):
        return str(list(value)).replace("'", '"')
    return str(value)


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().splitlines()[0]


def metrics() -> str:
    """Return the page of every metric."""
    from preverify.observe.catalogue import MAX_LABEL_VALUES, MAX_SERIES, METRICS

    rows = [
        (
            f"`{metric.full_name}`",
            metric.kind.value,
            ", ".join(f"`{name}`" for name in metric.label_names),
            metric.help,
        )
        for metric in METRICS
    ]
    labels: dict[str, set[str]] = {}
    for metric in METRICS:
        for label in metric.labels:
            if label.values is not None and label.name != "reason":
                labels.setdefault(f"`{label.name}` of `{metric.full_name}`", set()).update(label.values)
    values = "\n".join(f"- {name}: {', '.join(f'`{v}`' for v in sorted(vs))}" for name, vs in sorted(labels.items()))
    return _page(
        "Metrics",
        f"Every metric. At most {MAX_SERIES:,} series are exposed; a label whose values are not listed below takes "
        f"at most {MAX_LABEL_VALUES}, and what is beyond is counted under `other`. No label holds a tag or digest. "
        "Values of `reason` are the [reasons](../reasons.md).",
        _table(("metric", "kind", "labels", "meaning"), rows) + "\n## Label values\n\n" + values + "\n",
    )


def commands() -> str:
    """Return the page of every command."""
    from preverify.commands.app import app

    parts = []
    for path, command in _commands(typer.main.get_command(app), ()):
        options = [
            (f"`{_spelled(option)}`", getattr(option, "help", None) or "")
            for option in command.params
            if option.name not in {"help", "install_completion", "show_completion"}
        ]
        shown = "\n" + _table(("option", "meaning"), options) if options else ""
        parts.append(f"## preverify {' '.join(path)}\n\n{(command.help or '').strip()}\n{shown}")
    return _page(
        "Commands",
        "Every command. Exit codes of all of them: 0 verified (or done), 1 not verified, 2 usage or configuration, "
        "3 could not decide, 4 internal error. Data goes to standard output, everything for people to standard error.",
        "\n".join(parts),
    )


def _spelled(option: Any) -> str:
    if option.param_type_name == "option":
        return " ".join(option.opts)
    return str(option.metavar or option.name).upper()


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if inners := getattr(command, "commands", None):  # a group
        for name, inner in sorted(inners.items()):
            yield from _commands(inner, (*path, name))
    else:
        yield path, command


def endpoints() -> str:
    """Return the page of every HTTP path."""
    from preverify.serve.routes import Access
    from preverify.serve.run import routes_of
    from preverify.settings import Settings

    who = {
        Access.OPEN: "everybody",
        Access.CALLER: "everybody on loopback; elsewhere a token or client certificate",
        Access.TOKEN: "a token",
        Access.SENDER: "the secret of the source",
    }
    nothing: Any = SimpleNamespace(offer=None)  # the table is asked for, not served
    routes, _ = routes_of(Settings(), answers=nothing, inbox=nothing, history=nothing, clock=nothing, observer=nothing)
    rows = [
        (f"`{route.path}`", ", ".join(sorted(route.methods)), who[route.access], route.summary) for route in routes.all
    ]
    return _page(
        "HTTP paths",
        "Every path of the answers listener. `/metrics` is on its own port. Errors are problem details (RFC 9457).",
        _table(("path", "methods", "for", "what"), rows),
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("\n", " ").replace("|", "\\|") for cell in cells) + " |\n"

    return line(head) + line("---" for _ in head) + "".join(line(row) for row in rows)


def _page(title: str, about: str, body: str) -> str:
    return f"# {title}\n\n{_NOTE}\n\n{about}\n\n{body}"


MADE: Mapping[str, Callable[[], str]] = {
    "configuration.md": configuration,
    "policies.md": policies,
    "metrics.md": metrics,
    "commands.md": commands,
    "endpoints.md": endpoints,
}


def main() -> int:
    """Write every page."""
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, make in MADE.items():
        (PAGES / name).write_text(make())
    return 0


if __name__ == "__main__":
    sys.exit(main())
