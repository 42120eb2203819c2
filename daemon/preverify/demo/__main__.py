"""`python -m preverify.demo`: the command behind `python3 try.py demo` and `python3 try.py lookup`."""

import argparse
import json
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from preverify.demo.asking import DemoFailed, admission, lookup
from preverify.demo.run import MARKER, Demo, Result
from preverify.demo.table import render
from preverify.model.verdicts import AnswerState

DEFAULT_PORT = 8787


def admissions(demo: Demo, results: Sequence[Result]) -> str:
    """Ask about one verified and one denied image as an API server does, and return what came of it."""
    shown = []
    for state, word in ((AnswerState.VERIFIED, "allowed"), (AnswerState.DENIED, "denied")):
        result = next((result for result in results if result.row.state is state), None)
        if result:
            tries = [admission(demo.place.answers, result.subject) for _ in range(5)]
            said = word if tries[0][0] == (word == "allowed") else "answered otherwise than expected"
            shown.append(f"{result.row.repository} {said} in {min(seconds for _, seconds in tries) * 1000:.1f} ms")
    return f"    AdmissionReview simulated:    {'   '.join(shown)}   (best of 5)"


def hints(demo: Demo, results: Sequence[Result]) -> str:
    """Return what to try next, with this run's addresses."""
    reply = demo.ask(results[0].subject)
    answer = f'{{"answer":"{reply.document()["answer"]}",...}}'
    return "\n".join(
        (
            f"    Ask it like a cluster would:  python3 try.py lookup {results[0].subject.digest}",
            f"                                  -> {reply.status} {answer}   (no curl needed)",
            f"    Answers: http://{demo.place.answers}/   Metrics: http://{demo.place.metrics}/metrics",
            f"    Log: {demo.place.state.name}/daemon.log   Stop: Ctrl-C   Remove: python3 try.py clean",
        )
    )


def clear(state: Path) -> None:
    """Make room for a new run; refuse while another demo runs there, and what is not a demo's directory."""
    if not state.exists():
        return
    marker = state / MARKER
    if not (marker.exists() or (state / "signing.pem").exists() or not any(state.iterdir())):
        raise DemoFailed(f"{state} is not a directory of an earlier demo; name another one")
    if marker.exists():
        pid = json.loads(marker.read_text(encoding="utf-8"))["pid"]
        if isinstance(pid, int) and Path(f"/proc/{pid}").exists() and b"preverify.demo" in _command_line(pid):
            raise DemoFailed(f"a demo runs already (process {pid}); stop it with Ctrl-C first")
    shutil.rmtree(state)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def demo(state: Path, *, once: bool, port: int) -> int:
    """Run the demo; 0 when every expectation held. It stays up until it is told to stop, unless `once`."""
    clear(state)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        run = Demo(state, port=port, say=_say)
        with run.run() as (daemon, results):
            _say("\n" + render([result.line() for result in results]) + "\n")
            _say(admissions(run, results))
            wrong = run.wrong(results)
            for problem in wrong:
                _say(f"    NOT AS EXPECTED: {problem}")
            if once:
                _say(f"    {len(wrong) or 'All'} expectations {'did not hold' if wrong else 'held'}; stopping.")
                return 1 if wrong else 0
            _say(hints(run, results))
            while daemon.alive():
                time.sleep(0.5)
            raise DemoFailed(f"the daemon ended by itself:\n{daemon.tail()}")
    except KeyboardInterrupt:
        _say("\nstopped; python3 try.py clean removes what is left")
        return 0 if not once else 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Once is enough: what follows stops the daemon, and a second Ctrl-C must not leave it behind.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, flush=True)


def look_up(state: Path, digest: str, image: str | None) -> int:
    """Print what the running demo answers about a digest, which may be cut short; exit codes as `preverify lookup`."""
    marker = state / MARKER
    if not marker.exists():
        raise DemoFailed("no demo runs here; start one with: python3 try.py demo")
    running = json.loads(marker.read_text(encoding="utf-8"))
    start = digest if ":" in digest else f"sha256:{digest}"
    known = [full for full in running["digests"] if full.startswith(start.rstrip(".…"))]
    if len(known) > 1:
        raise DemoFailed(f"{digest} fits {len(known)} digests; write more of it")
    try:
        reply = lookup(running["answers"], known[0] if known else start, image)
    except OSError as error:
        raise DemoFailed(f"the demo does not answer on {running['answers']} ({error}); is it still running?") from error
    print(reply.status, json.dumps(reply.document(), indent=2))
    return {200: 0, 404: 3, 503: 3}.get(reply.status, 1)


def main(arguments: Sequence[str]) -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        prog="try.py demo", description="Show the daemon at work on a registry of its own."
    )
    parser.add_argument("--once", action="store_true", help="check every expectation, stop, exit 0 or 1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port of the answers; 0 for any free one")
    parser.add_argument("--state", type=Path, default=Path("demo-state"), help="directory for everything it writes")
    parser.add_argument("--lookup", metavar="DIGEST", help="ask the running demo instead")
    parser.add_argument("--image", help="with --lookup: registry/repository that is to run it")
    given = parser.parse_args(arguments)
    try:
        if given.lookup:
            return look_up(given.state.absolute(), given.lookup, given.image)
        return demo(given.state.absolute(), once=given.once, port=given.port)
    except DemoFailed as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
