"""RT-30: no trust material ever comes from the service that it authenticates, nor from the evidence itself."""

import ast
from pathlib import Path

import preverify

PACKAGE = Path(preverify.__file__).parent
# Who may fetch trust at all: the room that verifies it from a root that the operator holds.
_TUF = {"trust/fetching.py", "trust/tuf_client.py", "trust/bundle.py"}


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_only_the_trust_room_speaks_tuf() -> None:
    files = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if "tuf" in _imports(path)}
    assert files == _TUF


def test_the_trust_room_has_no_http_of_its_own() -> None:
    """What it fetches with is handed in: the hardened engine, without redirects, proxies and credentials."""
    for path in (PACKAGE / "trust").glob("*.py"):
        assert not _imports(path) & {"requests", "urllib3", "pycurl", "http", "socket", "ssl"}, path.name


def test_what_fetches_trust_is_told_where_by_the_operator() -> None:
    """The addresses are those of the policy directory and the two that the sigstore package stands for."""
    from preverify.policy.trust_documents import BUILT_IN
    from preverify.trust.embedded import embedded

    assert {embedded(name).url for name in BUILT_IN} == {
        "https://tuf-repo-cdn.sigstore.dev",
        "https://tuf-repo-cdn.sigstage.dev",
    }
    for room in ("verify", "policy", "model"):
        for path in (PACKAGE / room).rglob("*.py"):
            assert "https://tuf" not in path.read_text().replace("https://tuf-repo.github.com", ""), path.name
