"""What the supervisor starts: `python -m preverify.commands.child KIND --config FILE`. Not for people."""

import argparse
import os
import sys
from pathlib import Path

from preverify import settings as settings_module
from preverify.model.errors import BadConfiguration


def main() -> None:
    """Run one child process."""
    parser = argparse.ArgumentParser(prog="preverify child")
    parser.add_argument("kind", choices=("answers", "worker", "signing", "timer", "public-key"))
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--name", default="")
    parser.add_argument("--fds", default="")
    given = parser.parse_args()
    fds = tuple(int(text) for text in given.fds.split(",") if text)
    settings = settings_module.load(given.config, os.environ, {})
    if given.kind == "answers":  # answers within a second: without what the others need
        from preverify.answering import run_answering

        run_answering(settings, fds[0])
        return
    from preverify import wiring

    if given.kind == "worker":
        wiring.run_worker(settings, given.name, fds[0] if fds else None)
    elif given.kind == "timer":
        wiring.run_timer(settings)
    elif given.kind == "public-key":
        wiring.note_own_key(settings)
    else:
        wiring.run_signing(settings, fds)


if __name__ == "__main__":
    try:
        main()
    except BadConfiguration as error:
        sys.exit(f"preverify: {error}")
