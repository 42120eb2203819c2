"""RT-47: expressions in policies reach the facts and nothing else (OPA's unsafe built-ins could be called after all).

No network, file, environment or clock: the time is the one that the caller gives, and zones of time, which would be
read from files of the machine by a name that the expression chooses, are refused.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from preverify.model.verdicts import Outcome
from preverify.policy import cel

FORBIDDEN = (
    "env('HOME') == ''",
    "getenv('HOME') == ''",
    "os.environ.HOME == ''",
    "now() > now",
    "time() > 0",
    "timestamp.now() > now",
    "random() > 0.5",
    "uuid() == ''",
    "http.get('http://127.0.0.1/') == ''",
    "file('/etc/passwd') == ''",
    "open('/etc/passwd') == ''",
    "eval('true')",
    "import('os') == ''",
    "google.protobuf.Any{} == null",
    "math.rand() > 0",
    "proto.getExt(image, x) == 1",
    "now.getHours('Europe/Berlin') == 1",
    "now.getHours('localtime') == 1",
    "now.getHours('../../../../etc/passwd') == 1",
    "now.getDate(tags[0]) == 1",
    "timestamp('2026-01-01T00:00:00Z').getFullYear('UTC') == 2026",
    "tags.all(t, now.getMinutes(t) == 1)",
    "tags[0].format([now]) == ''",
)

ASKED = {
    "now.getHours() == 23": Outcome.PASSED,
    "now.getDayOfMonth() == 30": Outcome.PASSED,
    "string(now) == '2026-12-31T23:59:59Z'": Outcome.PASSED,
    "timestamp('2026-12-31T23:59:59Z') == now": Outcome.PASSED,
    "tags[0] < 'Z'": Outcome.FAILED,
    "'ä' == tags[1]": Outcome.PASSED,
    "tags[2] == ''": Outcome.UNDECIDED,
}
PROGRAM = """
import json, sys
from datetime import UTC, datetime
from preverify.policy import cel
facts = {"now": datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), "tags": ["a", "ä"]}
print(json.dumps([cel.compiled(each).evaluate(facts).outcome for each in json.load(sys.stdin)]))
"""


@pytest.mark.parametrize("expression", FORBIDDEN)
def test_nothing_else_can_be_asked(expression: str) -> None:
    with pytest.raises(
        ValueError, match=r"no fact or function|is a fact|no time zone|cannot be made|reserved|Syntax error"
    ):
        cel.compiled(expression)


@pytest.mark.parametrize(
    ("zone", "language"), [("Pacific/Kiritimati", "C"), ("America/Anchorage", "tr_TR.UTF-8"), ("", "")]
)
def test_the_machine_changes_nothing(zone: str, language: str, tmp_path: Path) -> None:
    """The same facts give the same judgements whatever the zone, the language and the place of the process."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(list(ASKED)).encode(),
        env={**os.environ, "TZ": zone, "LC_ALL": language, "HOME": str(tmp_path), "PYTHONUTF8": "1"},
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == [str(each) for each in ASKED.values()]


def test_an_error_is_never_true() -> None:
    """The engine's error is a text, and `if text` admits: this is why only the value `True` of type bool holds."""
    expression = cel.compiled("image.config.user != 'root'")
    value = expression._program.eval(data={"image": {}})
    assert bool(value.value()) is True
    assert expression.evaluate({"image": {}}).outcome is Outcome.UNDECIDED


def test_an_image_brings_no_pattern_and_no_code() -> None:
    """What an image says is compared, never compiled."""
    hostile = {"tags": ["(a+)+$", "true", "image.config.user", "{}"], "image": {"config": {"labels": {"x": ".*"}}}}
    with pytest.raises(ValueError, match="a pattern that is written out"):
        cel.compiled("'abc'.matches(image.config.labels.x)")
    assert cel.compiled("tags[1] == 'true'").evaluate(hostile).outcome is Outcome.PASSED
    assert cel.compiled("bool(tags[1]) == true").evaluate(hostile).outcome is Outcome.PASSED
    assert cel.compiled("bool(tags[2]) == true").evaluate(hostile).outcome is Outcome.UNDECIDED
