"""The command line: one module per verb.

Exit codes: 0 verified, 1 not verified, 2 usage or configuration, 3 could not decide, 4 internal. Standard output is
data, standard error is for people.
"""

import sys


def main() -> None:
    """Run the command line; every error ends as one sentence and the right exit code."""
    from preverify.commands.app import run

    sys.exit(run(sys.argv[1:]))
