"""The shape of what people see is fixed here; the times are whatever was measured."""

import doctest

from preverify.demo import table
from preverify.demo.table import Line, render, step

DIGEST = "sha256:3f6ea4c93eb498fd4cc27d564f990f11329476bfafdb8fa71d02caf2af3fe39f"

GOLDEN_STEPS = """\
[1/5] environment   .venv ready (Python 3.11.7, 90 packages, hashes checked)                       21.3 s
[2/5] registry      edge on 127.0.0.1:5006, shop on 127.0.0.1:5005 (in process), 8 images           0.4 s
[5/5] attest        6 VSAs signed (demo key) and attached                                           0.2 s"""

GOLDEN_TABLE = """\
    IMAGE          DIGEST        ANSWER    WHY
    shop/api:1.4   3f6ea4c93eb4  VERIFIED  sigstore bundle, referrers API -> signature by release
    shop/x:1.0     3f6ea4c93eb4  DENIED    swapped -> subject-mismatch: signed, but for 3f6ea4c93eb4..
    shop/late:1.0  3f6ea4c93eb4  VERIFIED  nothing beside it -> signature by release   <-- not what was expected"""


def line(image: str, answer: str, why: str, *, held: bool = True) -> Line:
    return Line(image=image, digest=DIGEST, answer=answer, why=why, held=held)


def test_the_steps_have_their_shape() -> None:
    lines = [
        step("environment", ".venv ready (Python 3.11.7, 90 packages, hashes checked)", 21.3),
        step("registry", "edge on 127.0.0.1:5006, shop on 127.0.0.1:5005 (in process), 8 images", 0.42),
        step("attest", "6 VSAs signed (demo key) and attached", 0.2),
    ]
    assert "\n".join(lines) == GOLDEN_STEPS


def test_the_table_has_its_shape() -> None:
    lines = [
        line("shop/api:1.4", "verified", "sigstore bundle, referrers API -> signature by release"),
        line("shop/x:1.0", "denied", f"swapped -> subject-mismatch: signed, but for {DIGEST}"),
        line("shop/late:1.0", "verified", "nothing beside it -> signature by release", held=False),
    ]
    assert render(lines) == GOLDEN_TABLE


def test_a_long_reason_is_cut() -> None:
    shown = render([line("shop/x:1.0", "denied", "y" * 500)]).splitlines()[1]
    assert shown.endswith("y..")
    assert shown.count("y") == table.WHY_WIDTH - 2


def test_the_examples_in_the_module_hold() -> None:
    assert doctest.testmod(table).failed == 0
