"""The documents and the code name the same things."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import preverify
from preverify.model.reasons import Reason
from preverify.observe.catalogue import BY_NAME
from preverify.ports import Layout, PublishState
from preverify.webhooks import FORMATS
from support import reference

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PACKAGE = Path(preverify.__file__).parent
PAGES = sorted([*DOCS.rglob("*.md"), *(ROOT / f"{n}.md" for n in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY"))])
_FILES = (".yaml", ".py", ".pub", ".pem", ".db", ".crt", ".key")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _text(name: str) -> str:
    return (DOCS / name).read_text()


@pytest.mark.parametrize("name", reference.MADE)
def test_reference_pages_are_as_the_code_makes_them(name: str) -> None:
    """A setting, metric, command or path without its line in the documents stops here."""
    assert _text(f"reference/{name}") == reference.MADE[name](), "run: python tests/support/reference.py"


@pytest.mark.parametrize("name", reference.MADE)
def test_every_row_of_a_reference_page_says_what_it_is(name: str) -> None:
    rows = [line for line in _text(f"reference/{name}").splitlines() if line.startswith("| `")]
    kinds = {"apiVersion", "kind", "name"}
    bare = [row for row in rows if not row.rstrip("| ").count("|") or row.endswith("|  |")]
    assert [row for row in bare if row.split("`")[1].rpartition(".")[2] not in kinds] == []
    assert rows


def test_reasons_are_the_closed_list_each_once() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", _text("reasons.md"), re.MULTILINE)
    assert sorted(listed) == sorted(reason.value for reason in Reason)


def test_every_webhook_format_has_its_part() -> None:
    assert re.findall(r"^## `([a-z]+)`$", _text("webhooks.md"), re.MULTILINE) == [form.NAME for form in FORMATS]


def test_every_layout_and_state_of_a_publication_is_explained() -> None:
    text = _text("publishing.md")
    listed = re.findall(r"^\| `([a-z]+)` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(layout.value for layout in Layout)
    for state in (PublishState.WOULD_SHADOW, PublishState.NOT_WITHDRAWN):
        assert f"`{state.value}`" in text


def _links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for link in _LINK.findall(page.read_text()):
            if "://" not in link:
                yield page, link


@pytest.mark.parametrize(("page", "link"), list(_links()), ids=lambda value: str(value).removeprefix(str(ROOT)))
def test_links_lead_somewhere(page: Path, link: str) -> None:
    file, _, anchor = link.partition("#")
    target = (page.parent / file).resolve() if file else page
    assert target.exists()
    assert ROOT in target.parents
    if anchor:
        headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings}


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        links = (link.partition("#")[0] for link in _LINK.findall(page.read_text()) if "://" not in link)
        targets = [(page.parent / link).resolve() for link in links if link]
        waiting += [t for t in targets if t.suffix == ".md"]
        waiting += [one for t in targets if t.is_dir() for one in t.glob("*.md")]
    assert set(PAGES) <= seen


def test_metrics_named_in_the_text_exist() -> None:
    for page in PAGES:
        for name in re.findall(r"\bpreverify_([a-z_]+[a-z])\b", page.read_text()):
            assert name in BY_NAME, f"{page.name}: preverify_{name}"


def _settings_paths() -> set[str]:
    return set(re.findall(r"^\| `([A-Za-z.<>\[\]]+)` \|", _text("reference/configuration.md"), re.MULTILINE))


def test_settings_named_in_the_text_exist() -> None:
    paths = {path.removeprefix("sources.<name>.") for path in _settings_paths()}
    sections = {path.partition(".")[0] for path in paths if "." in path}
    for page in PAGES:
        for name in re.findall(r"`([a-z]+\.[a-zA-Z.]+)(?::[^`]*)?`", page.read_text()):
            if name.partition(".")[0] in sections and not name.endswith(_FILES) and name not in _events():
                assert name in paths, f"{page.name}: {name}"


def _code(page: Path) -> str:
    """Return the code of a page: its blocks, and what stands between backticks, one a line."""
    text = page.read_text()
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))])


def test_commands_named_in_the_text_exist() -> None:
    known = set(re.findall(r"^## preverify (.+)$", _text("reference/commands.md"), re.MULTILINE))
    groups = {name.partition(" ")[0] for name in known if " " in name}
    named = 0
    for page in PAGES:
        for line in re.findall(r"^preverify ([a-z]+(?: [a-z]+)?)", _code(page), re.MULTILINE):
            verb = line.partition(" ")[0]
            wanted = line if verb in groups else verb
            assert wanted in known or wanted in groups, f"{page.name}: preverify {line}"
            named += 1
    assert named > 20, "the search itself must find something"


@cache
def _events() -> set[str]:
    source = "\n".join(file.read_text() for file in PACKAGE.rglob("*.py"))
    return set(re.findall(r'"([a-z]+\.[a-z-]+)"', source))


def test_events_named_in_the_text_are_written_somewhere() -> None:
    written = _events()
    for page in PAGES:
        for name in re.findall(r"(?:log line|form|name a line)[^.`]{0,20}\(?`([a-z]+\.[a-z-]+)`", page.read_text()):
            assert name in written, f"{page.name}: {name}"


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert preverify.__version__ == version
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()
