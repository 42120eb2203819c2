"""The demo's output: five steps, then one row an image. Its shape is fixed by a test."""

from collections.abc import Sequence
from dataclasses import dataclass

STEPS = ("environment", "registry", "daemon", "verify", "attest")
WHY_WIDTH = 88


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row as printed. `held` is False where the answer is not the expected one."""

    image: str
    digest: str
    answer: str
    why: str
    held: bool


def step(name: str, text: str, seconds: float) -> str:
    """Return the line of one step.

    >>> step("attest", "7 VSAs signed (demo key) and attached", 0.25)
    '[5/5] attest        7 VSAs signed (demo key) and attached                                        0.2 s'
    """
    return f"[{STEPS.index(name) + 1}/{len(STEPS)}] {name:<13} {text:<70} {seconds:8.1f} s"


def short(digest: str) -> str:
    """Return a digest as people compare it: the first 12 digits.

    >>> short("sha256:3f6ea4c93eb498fd4cc27d564f990f11")
    '3f6ea4c93eb4'
    """
    return digest.partition(":")[2][:12]


def render(lines: Sequence[Line]) -> str:
    """Return the table."""
    width = max((len(line.image) for line in lines), default=0)
    head = f"    {'IMAGE':<{width}}  {'DIGEST':<12}  {'ANSWER':<8}  WHY"
    rows = [
        f"    {line.image:<{width}}  {short(line.digest)}  {line.answer.upper():<8}  {_why(line)}" for line in lines
    ]
    return "\n".join([head, *rows])


def _why(line: Line) -> str:
    why = line.why if len(line.why) <= WHY_WIDTH else line.why[: WHY_WIDTH - 1] + "…"
    return why if line.held else f"{why}   <-- not what was expected"
