"""The demo's output: five steps, then one row an image. Its shape is fixed by a test."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

STEPS = ("environment", "registry", "daemon", "verify", "attest")
WHY_WIDTH = 110


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

    >>> step("attest", "6 VSAs signed (demo key) and attached", 0.2).split("  ")[0]
    '[5/5] attest'
    """
    return f"[{STEPS.index(name) + 1}/{len(STEPS)}] {name:<13} {text:<74} {seconds:8.1f} s"


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
    why = re.sub(r"sha256:([0-9a-f]{12})[0-9a-f]{52}", r"\1..", line.why)
    why = why if len(why) <= WHY_WIDTH else why[: WHY_WIDTH - 2] + ".."
    return why if line.held else f"{why}   <-- not what was expected"
