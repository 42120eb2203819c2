"""Runs a directory of signed test images through the shipped verification path and prints what it concluded.

    python3 tests/corpus.py DIR [--host HOST] [--plain-host HOST] [--format F] [--trust TYPE] [--tlog none]

DIR holds `cases.json`, the keys that its cases name, and `serve.py`, a registry of its images. Each case's trust
becomes policy documents in a temporary directory; then the code behind `preverify verify` reads them and looks at the
image. One JSON line a case: {"id", "outcome": "verified|refused|undecided", "reason": CODE, "ms"}.

Cases with `api: referrers` go to --host, those with `api: fallback` to --plain-host; what is not given, and every case
with `served_by`, goes to DIR's own registry, which is started here. What a case says of the right answer is dropped
before anything else sees the case.
"""

import argparse
import contextlib
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
KEY_FILE = "trusted.pub"


def main() -> int:
    """Run the selected cases; 0 whatever they conclude, 2 where the directory cannot be used."""
    options = arguments().parse_args()
    if not (options.directory / "cases.json").is_file():
        print(f"{options.directory}: no cases.json in it, expected a directory of test images", file=sys.stderr)
        return 2
    cases = selected(load_cases(options.directory), options.format, options.trust, options.tlog)
    with contextlib.ExitStack() as stack:
        hosts = Hosts(options.directory, options.host, options.plain_host, stack)
        for case in cases:
            print(json.dumps(run_case(options.directory, case, hosts.of(case))), flush=True)
    return 0


def arguments() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--host", help="registry with the referrers API that holds the images, spoken to over HTTP")
    parser.add_argument("--plain-host", help="registry without the referrers API that holds the images")
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
    command = [sys.executable, "-B", "serve.py", "--port", str(port)]
    process = subprocess.Popen(  # the directory's own program, named by the user
        command if referrers else [*command, "--no-referrers"], cwd=directory, stdin=subprocess.DEVNULL
    )
    try:
        wait_until_up(port, process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def wait_until_up(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return once something listens on `port`; give up after a minute or when the process has ended."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
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
            outcome, reason = verify(Path(place), reference_of(case, host))
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


def verify(policies: Path, reference: str) -> tuple[str, str]:
    """Return outcome and reason code of one image. These are the steps of the command `preverify verify`."""
    from preverify import pipeline, wiring
    from preverify.clock import SystemClock
    from preverify.commands.verify import source_of
    from preverify.settings import Settings

    loaded = wiring.read_policies((policies,))
    wanted, source = source_of(Settings(), reference, plain_http=True, private=True)
    seen = pipeline.verify_reference(source.registry, loaded, wanted, clock=SystemClock())
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

    trust = case["trust"]
    documents = [
        {
            "apiVersion": "preverify/v1",
            "kind": "Signers",
            "metadata": {"name": "corpus"},
            "spec": {SIGNER: signer(trust)},
        },
        {
            "apiVersion": "preverify/v1",
            "kind": "Policy",
            "metadata": {"name": "corpus"},
            "spec": {"images": [f"{host}/**"], "require": [{"name": "demanded", **demand(case)}]},
        },
    ]
    (place / "corpus.yaml").write_text(yaml.safe_dump_all(documents))
    if "key" in trust:
        shutil.copyfile(directory / trust["key"], place / KEY_FILE)


def signer(trust: dict[str, Any]) -> dict[str, Any]:
    """Return a signer's configuration. What this version does not know is written all the same, and refused there."""
    if trust.get("type") == "key":
        return {"key": {"file": KEY_FILE}, "tlog": trust.get("tlog", "none")}
    named = {key: value for key, value in trust.items() if isinstance(value, str) and key not in ("type", "tlog")}
    return {str(trust.get("type")): named, "tlog": trust.get("tlog", "none")}


def demand(case: Case) -> dict[str, Any]:
    """Return what the policy demands of the image: a signature, or an attestation of the asked type."""
    by = {"any": [SIGNER]}
    if case["kind"] == "attestation":
        return {"attestation": {"type": case["predicate_type"], "by": by}}
    annotations = case["trust"].get("annotations") or {}
    return {"signature": {"by": by, "annotations": annotations} if annotations else {"by": by}}


def in_own_environment() -> None:
    """Start again with the project's virtual environment where this Python does not have the package."""
    try:
        import preverify  # noqa: F401
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
