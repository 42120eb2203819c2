"""RT-70: expressions have a budget of steps, memory and time, whatever they say and whatever an image holds.

The engine counts rounds of loops and nothing else: it would copy, compare and match for hours. So the cost is bounded
before anything is evaluated. Each expression here is evaluated in a process that is killed for using more than it may.
"""

import json
import resource
import subprocess
import sys

import pytest

CPU_SECONDS = 60
MEMORY = 384 << 20

PROGRAM = """
import json, sys
from datetime import UTC, datetime
from preverify.policy import cel
text = "x" * 65_000
annotations = {"a" + str(n): "x" for n in range(9000)}
config = {"user": text, "env": [text] * 200, "labels": {"a": text, "b": text}, "cmd": ["x"] * 9900}
image = {"registry": text, "repository": "x", "digest": text, "annotations": annotations, "config": config}
components = [{"name": "n" + str(n), "purl": "pkg:npm/n" + str(n), "licenses": ["MIT"]} for n in range(9900)]
tags = ["tag" + str(n) for n in range(9900)]
facts = {"image": image, "tags": tags, "components": components, "now": datetime(2026, 1, 1, tzinfo=UTC)}
for name, expression in json.load(sys.stdin).items():
    print(json.dumps([name, "began"]), flush=True)
    try:
        said = cel.compiled(expression).evaluate(facts).outcome
    except ValueError as error:
        said = "refused"
    print(json.dumps([name, said]), flush=True)
"""


def _chain(start: str, step: str, times: int) -> str:
    return start + step * times


HOSTILE = {
    "nested loops": "tags.all(a, tags.all(b, tags.exists(c, c == a + b)))",
    "two nested loops": "tags.all(a, tags.all(b, a != b || true))",
    "loops beside loops": " && ".join(["tags.all(a, a != '')"] * 8),
    "loops over loops": "tags.map(a, tags.map(b, a + b)).exists(c, c.size() > 5)",
    "lists copied round by round": "components.map(c, c.name).size() == 0",
    "filters of filters": "tags.filter(a, true).filter(a, true).filter(a, true).size() == 0",
    "texts doubled": _chain("image.config.env", ".map(x, x + x)", 8) + ".size() == 0",
    "texts doubled from a literal": _chain("['x']", ".map(x, x + x + x + x + x + x + x + x)", 8) + ".size() == 0",
    "texts added": " + ".join(["image.registry"] * 25) + " == ''",
    "texts added in a loop": "tags.all(a, (image.registry + image.digest + a).size() > 0)",
    "texts counted in a loop": "tags.all(a, image.registry.size() > 0)",
    "texts searched in a loop": "tags.all(a, image.registry.contains('xxxxxxxxxxxxxxxxxxxxy') || true)",
    "texts converted in a loop": "tags.all(a, string(bytes(image.registry)) != 'x')",
    "lists doubled": "(" * 1 + _chain("[tags]", ".map(x, [x, x])", 8) + ") == []",
    "lists doubled and compared": _chain("[tags]", ".map(x, [x, x, x, x, x, x, x, x])", 8) + " == [components]",
    "lists added in a loop": "tags.all(a, (tags + tags).size() > 0)",
    "lists compared in a loop": "tags.all(a, components == components)",
    "lists searched in a loop": "tags.all(a, a in tags)",
    "maps compared in a loop": "tags.all(a, image.annotations == image.annotations)",
    "maps made in a loop": "tags.all(a, {a: image, 'b': image} != {})",
    "a pattern of patterns": "image.registry.matches('(((x{1,9}){1,9}){1,9}){1,9}y')",
    "a pattern of a thousand": "image.registry.matches('(x{1,30}){1,30}y')",
    "a pattern in a loop": "tags.all(a, a.matches('^(a|b|c|t|g)*[0-9]{1,60}([.][0-9]{1,60})*$') || true)",
    "a pattern over a long text in a loop": "tags.all(a, image.registry.matches('x*y') || true)",
    "backtracking": "image.registry.matches('^(x+)+(x+)+(x+)+$')",
    "brackets": "(" * 2000 + "true" + ")" * 2000,
    "lists in lists": "[" * 2000 + "]" * 2000 + " == []",
    "negations": "!" * 4000 + "true",
    "minuses": "-" * 4000 + "1 < 0",
    "choices": "true ? " * 400 + "true" + " : false" * 400,
    "nested choices": "(true ? " * 200 + "true" + " : false)" * 200,
    "fields of fields": "image" + ".config" * 500 + " == ''",
    "indexes": "dyn(tags)" + "[0]" * 1000 + " == ''",
    "conjunctions": " && ".join(["true"] * 500),
    "sums": " + ".join(["1"] * 900) + " > 0",
    "long literals": "'" + "x" * 4000 + "' == image.registry",
    "too long": "true || " * 1000 + "true",
    "big numbers": "9" * 4000 + " > 0",
    "unfinished": "tags.all(a, " * 300,
    "not even text": "\\x00\\x01\\ufffe" * 200,
}


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What came of each, one after another in a process with 60 s of one core and 384 MiB of memory."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(HOSTILE).encode(),
        capture_output=True,
        preexec_fn=limited,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (lines[-1], done.returncode, done.stderr.decode()[-500:])
    return dict(lines)


@pytest.mark.parametrize("name", HOSTILE)
def test_it_ends_within_its_budget(name: str, said: dict[str, str]) -> None:
    assert said[name] in {"refused", "undecided", "failed", "passed"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nested loops", "refused"),
        ("two nested loops", "undecided"),
        ("lists copied round by round", "undecided"),
        ("texts doubled", "undecided"),
        ("texts doubled from a literal", "refused"),
        ("texts added in a loop", "undecided"),
        ("lists doubled and compared", "refused"),
        ("lists compared in a loop", "undecided"),
        ("a pattern of patterns", "refused"),
        ("a pattern over a long text in a loop", "undecided"),
        ("brackets", "refused"),
        ("too long", "refused"),
        ("conjunctions", "passed"),
    ],
)
def test_the_budget_is_what_stops_it(name: str, expected: str, said: dict[str, str]) -> None:
    """Without the bound these would run out of memory or time; on a fast machine not before the test is over."""
    assert said[name] == expected
