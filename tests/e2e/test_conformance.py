"""`preverify conformance verify-bundle` as the public suite calls it, over the public cases."""

import hashlib
import subprocess
import sys

import pytest

from preverify.commands.app import run
from support.conformance import PUBLIC, Vector, vectors

CASES = vectors()
AS_A_PROGRAM = ("happy-path-v0.3", "rekor2-dsse-happy-path", "managed-key-happy-path", "set-invalid-signature_fail")
"""Run in a process of their own; the others call what the program calls."""

pytestmark = pytest.mark.skipif(
    not CASES, reason=f"the public conformance cases are not at {PUBLIC}; $PREVERIFY_CONFORMANCE names their place"
)


def arguments(case: Vector, *, by_digest: bool) -> list[str]:
    """Return the command line that the suite's protocol has for a case."""
    options = ["conformance", "verify-bundle", "--bundle", str(case.bundle)]
    if case.key is not None:
        options += ["--key", str(case.key)]
    else:
        options += ["--certificate-identity", case.identity, "--certificate-oidc-issuer", case.issuer]
    if case.trusted_root is not None:
        options += ["--trusted-root", str(case.trusted_root)]
    digest = f"sha256:{hashlib.sha256(case.artifact.read_bytes()).hexdigest()}"
    return [*options, digest if by_digest else str(case.artifact)]


@pytest.mark.parametrize("by_digest", [False, True], ids=["file", "digest"])
def test_every_case_is_decided_as_its_name_says(by_digest: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Accepts and refusals apart: whoever refuses everything is right about most of the cases."""
    right: dict[bool, list[bool]] = {True: [], False: []}
    wrong, unexplained = [], []
    for case in CASES:
        code = run(arguments(case, by_digest=by_digest))
        said = capsys.readouterr().err
        right[case.accepted].append((code == 0) is case.accepted)
        if (code == 0) is not case.accepted:
            wrong.append((case.name, code, said[-300:]))
        if code and (not said.strip() or "Traceback" in said):
            unexplained.append((case.name, code, said[-300:]))
    for wanted, word in ((True, "accepted"), (False, "refused")):
        print(f"{word}: {sum(right[wanted])} of {len(right[wanted])}")
    assert wrong == []
    assert unexplained == []
    assert len(right[True]) >= 10
    assert len(right[False]) >= 25


@pytest.mark.parametrize("name", AS_A_PROGRAM)
def test_the_program_ends_as_the_protocol_says(name: str) -> None:
    (case,) = [each for each in CASES if each.name == name]
    command = [sys.executable, "-m", "preverify", *arguments(case, by_digest=False)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode == 0) is case.accepted, done.stderr
