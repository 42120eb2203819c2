"""Runs a directory of signed test images through the shipped verification path and prints what it concluded.

    python3 tests/corpus.py DIR [--host HOST] [--plain-host HOST] [--layouts]
                                [--format F] [--trust TYPE] [--tlog none]

DIR holds `cases.json`, the keys and trust material that its cases name, and `serve.py`, a registry of its images. Each
case's trust becomes policy documents in a temporary directory; then the code behind `preverify verify` reads them and
looks at the image. One JSON line a case: {"id", "outcome": "verified|refused|undecided", "reason": CODE, "ms"}.

Cases with `api: referrers` go to --host, those with `api: fallback` to --plain-host; what is not given, and every case
with `served_by`, goes to DIR's own registry, which is started here. With --layouts nothing is served: DIR's layout
directories are read, and cases that a directory cannot hold are named on the error output and left out. Revocation
lists are served on the loopback port that the certificates name. What a case says of the right answer is dropped before
anything else sees the case.
"""

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
READ = (
    "id",
    "format",
    "kind",
    "api",
    "repo",
    "tag",
    "digest",
    "by",
    "predicate_type",
    "trust",
    "served_by",
)
"""All that is read of a case. `expected`, `reason`, `tool_outcome`, `note` and `confirmed_by` are not among it."""

Case = dict[str, Any]
SIGNER = "trusted"
ROOT_NAME = "stack"
INSTANCE = "trust/trusted_root.json"
"""The root of the instance that everything here was signed with: for keys whose case only says "in the log"."""

EXTENSIONS = {
    "github-workflow-trigger": "githubWorkflowTrigger",
    "github-workflow-sha": "githubWorkflowSHA",
    "github-workflow-name": "githubWorkflowName",
    "github-workflow-repository": "githubWorkflowRepository",
    "github-workflow-ref": "githubWorkflowRef",
}
"""Names of the tools' options -> names in our documents."""

LAYOUTS = "layouts.test"
"""The registry's name under which images of layout directories are looked at."""


def main() -> int:
    """Run the selected cases; 0 whatever they conclude, 2 where the directory cannot be used."""
    options = arguments().parse_args()
    if not (options.directory / "cases.json").is_file():
        print(f"{options.directory}: no cases.json in it, expected a directory of test images", file=sys.stderr)
        return 2
    directory = options.directory.resolve()
    cases = selected(load_cases(directory), options.format, options.trust, options.tlog)
    if options.layouts:
        cases = held(directory, cases)
    with contextlib.ExitStack() as stack:
        if any(case["trust"].get("type") == "notation" for case in cases):
            stack.enter_context(revocation_lists(directory))
        hosts = Hosts(directory, options.host, options.plain_host, stack)
        for case in cases:
            host = LAYOUTS if options.layouts else hosts.of(case)
            print(json.dumps(run_case(directory, case, host)), flush=True)
    return 0


def arguments() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--host", help="registry with the referrers API that holds the images, spoken to over HTTP")
    parser.add_argument("--plain-host", help="registry without the referrers API that holds the images")
    parser.add_argument("--layouts", action="store_true", help="read the layout directories instead of a registry")
    parser.add_argument("--format", help="only cases of this format, for example cosign-legacy")
    parser.add_argument("--trust", help="only cases with this type of trust, for example key")
    parser.add_argument("--tlog", choices=["none"], help="only cases that ask for no log entry and have no time stamps")
    return parser


def load_cases(directory: Path) -> list[Case]:
    """Return the cases, each cut down to what may be read of it."""
    cases = json.loads((directory / "cases.json").read_bytes())["cases"]
    return [{key: case[key] for key in READ if key in case} for case in cases]


def selected(cases: list[Case], form: str | None, trust: str | None, tlog: str | None) -> list[Case]:
    """Return the cases that the options ask for."""
    return [
        case
        for case in cases
        if (form is None or case["format"] == form)
        and (trust is None or case["trust"].get("type") == trust)
        and (tlog is None or (case["trust"].get("tlog", "none") == tlog and not case["trust"].get("timestamps")))
    ]


def held(directory: Path, cases: list[Case]) -> list[Case]:
    """Return the cases whose content stands in the layout directories, and name the others."""
    built = {each["case"] for each in json.loads((directory / "cases.json").read_bytes()).get("lazy", [])}
    for case in cases:
        if case["id"] in built:
            print(f"{case['id']}: is built when it is served, no layout holds it", file=sys.stderr)
    return [case for case in cases if case["id"] not in built]


# --- registries -------------------------------------------------------------------------------------------------------


class Hosts:
    """Which registry a case goes to. The directory's own ones are started when a case first needs them."""

    def __init__(self, directory: Path, host: str | None, plain_host: str | None, stack: contextlib.ExitStack) -> None:
        self._directory = directory
        self._given = {"referrers": host, "fallback": plain_host}
        self._own: dict[str, str] = {}
        self._stack = stack

    def of(self, case: Case) -> str:
        """Return `host:port` for a case."""
        api = case.get("api", "referrers")
        given = self._given.get(api)
        if given is not None and not case.get("served_by"):
            return given
        if api not in self._own:
            self._own[api] = self._stack.enter_context(own_registry(self._directory, referrers=api == "referrers"))
        return self._own[api]


@contextlib.contextmanager
def own_registry(directory: Path, *, referrers: bool) -> Iterator[str]:
    """Run the directory's `serve.py` on a free loopback port until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serving(directory, port, *([] if referrers else ["--no-referrers"])):
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def revocation_lists(directory: Path) -> Iterator[None]:
    """Serve the revocation lists where the certificates say that they are.

    The port is one for the whole machine: of two runs at a time, the second waits for the first.
    """
    port = json.loads((directory / "cases.json").read_bytes()).get("crl_port")
    if port is None:
        yield
        return
    with (Path(tempfile.gettempdir()) / f"preverify-corpus-{port}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.nullcontext() if listens(port) else serving(directory, port, "--empty"):
            yield


@contextlib.contextmanager
def serving(directory: Path, port: int, *options: str) -> Iterator[None]:
    """Run the directory's own `serve.py` until the block ends."""
    command = [sys.executable, "-B", "serve.py", "--port", str(port), *options]
    process = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL)  # named by the user
    try:
        wait_until_up(port, process)
        yield
    finally:
        process.terminate()
        process.wait(10)


def listens(port: int) -> bool:
    """Say whether something listens on a loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_until_up(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return once something listens on `port`; give up after a minute or when the process has ended."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if listens(port):
            return
        time.sleep(0.02)
    raise SystemExit(f"serve.py did not come up on port {port}")


# --- one case ---------------------------------------------------------------------------------------------------------


def run_case(directory: Path, case: Case, host: str) -> dict[str, Any]:
    """Verify one case's image under its trust, as `preverify verify` does."""
    import preverify.commands.verify  # noqa: F401 - loaded before the clock starts
    from preverify.model.errors import BadConfiguration, MalformedEvidence, NotFound, Unavailable

    begun = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="corpus-") as place:
            write_policies(Path(place), directory, case, host)
            outcome, reason = verify(Path(place), directory, case, host)
    except BadConfiguration as error:
        print(f"{case['id']}: this trust cannot be configured: {error}", file=sys.stderr)
        outcome, reason = "undecided", "trust-unavailable"
    except MalformedEvidence as error:
        outcome, reason = "refused", error.reason.value
    except Unavailable as error:
        outcome, reason = "undecided", error.reason.value
    except NotFound as error:
        print(f"{case['id']}: {error}", file=sys.stderr)
        outcome, reason = "undecided", "registry-unavailable"
    ms = round((time.perf_counter() - begun) * 1000, 2)
    return {"id": case["id"], "outcome": outcome, "reason": reason, "ms": ms}


def verify(policies: Path, directory: Path, case: Case, host: str) -> tuple[str, str]:
    """Return outcome and reason code of one image. These are the steps of the command `preverify verify`."""
    from preverify import pipeline, wiring
    from preverify.clock import SystemClock
    from preverify.commands.verify import source_of
    from preverify.model.reference import Reference
    from preverify.settings import Settings, Source

    loaded = wiring.read_policies((policies,))
    if host == LAYOUTS:
        wanted = Reference.parse(reference_of(case, host))
        layouts = Source(registry=f"oci:{directory / 'layouts'}", aliases=(LAYOUTS,), repositories=("**",))
        source = wiring.watch("layouts", layouts, Settings())
    else:
        wanted, source = source_of(Settings(), reference_of(case, host), plain_http=True, private=True)
    revocations = wiring.open_revocations(Settings(), private=True)
    seen = pipeline.verify_reference(source.registry, loaded, wanted, clock=SystemClock(), revocations=revocations)
    (verdict,) = seen.verdicts
    outcome = {"passed": "verified", "failed": "refused", "undecided": "undecided"}[verdict.outcome.value]
    return outcome, verdict.reasons[0].reason.value


def reference_of(case: Case, host: str) -> str:
    """Return the reference that the verifier is given: the digest, or only the tag."""
    if case.get("by", "digest") == "tag":
        return f"{host}/{case['repo']}:{case['tag']}"
    return f"{host}/{case['repo']}@{case['digest']}"


def write_policies(place: Path, directory: Path, case: Case, host: str) -> None:
    """Write a case's trust as the documents that an operator would write."""
    import yaml

    written = Written(place, directory)
    body, named = signer(written, case)
    documents = [document("Signers", {SIGNER: body})]
    if named:
        documents.append(document("Trust", named))
    rules = [{"name": "demanded", **demand(case)}]
    documents.append(document("Policy", {"images": [f"{host}/**"], "require": rules}))
    (place / "corpus.yaml").write_text(yaml.safe_dump_all(documents))


def document(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration document."""
    return {"apiVersion": "preverify/v1", "kind": kind, "metadata": {"name": "corpus"}, "spec": spec}


class Written:
    """A policy directory that is being written: files of the fixtures are copied there and named relative to it."""

    def __init__(self, place: Path, directory: Path) -> None:
        self._place = place
        self._directory = directory

    def file(self, name: str) -> str:
        """Copy one file and return its name in the policy directory."""
        target = self._place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._directory / name, target)
        return name

    def stores(self, config: str) -> dict[str, Any]:
        """Copy the trust stores of a Notation configuration directory and return them as a Trust document has them."""
        stores: dict[str, Any] = {}
        root = self._directory / config / "notation" / "truststore" / "x509"
        for store in sorted(root.glob("*/*")):
            files = [self.file(str(path.relative_to(self._directory))) for path in sorted(store.iterdir())]
            stores[f"{store.parent.name}:{store.name}"] = {"files": files}
        return stores


def signer(written: Written, case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the signer that a case trusts, and what the Trust document beside it has to name.

    What this version does not know is written all the same, and refused there.
    """
    trust = case["trust"]
    kinds = {"key": by_key, "keyless": keyless, "certificate": keyless, "notation": notation}
    if trust.get("type") not in kinds:
        return {str(trust.get("type")): {name: value for name, value in trust.items() if name != "type"}}, {}
    return kinds[trust["type"]](written, case)


def by_key(written: Written, case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a signer with a key; log and time stamps only where the case asks for them."""
    trust = case["trust"]
    body: dict[str, Any] = {"key": {"file": written.file(trust["key"])}, "tlog": log_of(trust)}
    if body["tlog"] == "none" and not trust.get("timestamps"):
        return body, {}
    return {**body, "timestamps": stamps_of(case), "trust": ROOT_NAME}, {"roots": {ROOT_NAME: root(written, trust)}}


def keyless(written: Written, case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a signer with short-lived certificates, or those of an authority of one's own."""
    trust = case["trust"]
    wanted: dict[str, Any] = {"trust": ROOT_NAME, "tlog": log_of(trust), "timestamps": stamps_of(case)}
    for name, field in (("issuer", "issuer"), ("identity", "subject")):
        if trust.get(f"{name}_regexp"):
            wanted[f"{field}Pattern"] = anchored(trust[f"{name}_regexp"])
        else:
            wanted[field] = trust[name]
    if trust.get("sct") == "none":
        wanted["sct"] = "none"
    if trust.get("extensions"):
        wanted["extensions"] = {EXTENSIONS[name]: value for name, value in trust["extensions"].items()}
    return {"keyless": wanted}, {"roots": {ROOT_NAME: root(written, trust)}}


def notation(written: Written, case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a signer by a Notation trust policy; the stores that it names stand in the Trust document."""
    config = case["trust"]["config"]
    policy = written.file(f"{config}/notation/trustpolicy.json")
    stores = written.stores(config)
    return {"notation": {"trustPolicy": {"file": policy}}}, {"stores": stores} if stores else {}


def root(written: Written, trust: dict[str, Any]) -> dict[str, Any]:
    """Return a root: the instance's file, or the parts of one that the case names."""
    if "trusted_root" in trust:
        return {"file": written.file(trust["trusted_root"])}
    parts: dict[str, Any] = {}
    if "roots" in trust:
        parts["authorities"] = [{"files": [written.file(trust[name]) for name in ("roots", "intermediates")]}]
    if "tsa" in trust:
        parts["timestampAuthorities"] = [{"files": [written.file(trust["tsa"])]}]
    return parts or {"file": written.file(INSTANCE)}


def log_of(trust: dict[str, Any]) -> str:
    """Return what is demanded of a log: an entry in whichever one, or nothing."""
    return "none" if trust.get("tlog", "none") == "none" else "required"


def stamps_of(case: Case) -> str:
    """Return what time stamps are to a case.

    Bundles carry them beside the log, so they are taken where they are there. In the older format they are not part of
    a policy that does not say so: for certificates that outlive their log entry, that makes a difference.
    """
    trust = case["trust"]
    if trust.get("timestamps"):
        return {"required": "required", "present": "accepted"}[trust["timestamps"]]
    return "none" if trust["type"] == "certificate" else "accepted"


def anchored(pattern: str) -> str:
    """Return a pattern that has to match whole, for one that may match anywhere."""
    start, end = pattern.startswith("^"), pattern.endswith("$")
    return ("" if start else ".*") + pattern[start : len(pattern) - end] + ("" if end else ".*")


def demand(case: Case) -> dict[str, Any]:
    """Return what the policy demands of the image: a signature, or an attestation of the asked type."""
    by = {"any": [SIGNER]}
    if case["kind"] == "attestation":
        return {"attestation": {"type": case["predicate_type"], "by": by}}
    annotations = case["trust"].get("annotations") or case["trust"].get("user_metadata") or {}
    return {"signature": {"by": by, "annotations": annotations} if annotations else {"by": by}}


def in_own_environment() -> None:
    """Start again with the project's virtual environment where this Python does not have the package."""
    try:
        import preverify  # noqa: F401 - only whether it is there
    except ModuleNotFoundError:
        python = ROOT / ".venv" / "bin" / "python"
        if not python.exists() or os.environ.get("PREVERIFY_CORPUS_RESTARTED"):
            raise SystemExit(
                "preverify is not installed here; run `python3 try.py demo --once` once, or use its .venv"
            ) from None
        os.environ["PREVERIFY_CORPUS_RESTARTED"] = "1"
        os.execv(python, [str(python), __file__, *sys.argv[1:]])


if __name__ == "__main__":
    in_own_environment()
    sys.exit(main())
