"""Asks the real tools which of two versions is older and writes one file an ecosystem: `python record.py [NAME…]`.

Every pair of the lists below is asked. Where a tool is not on the machine its file stays as it is; see README.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

HERE = Path(__file__).parent
SIGN = {-1: "<", 0: "=", 1: ">"}
Pairs = Sequence[tuple[str, str]]

LISTS = {
    "debian": """0 0~ 0~~ 0.9 1.0~~ 1.0~rc1 1.0~rc1-1 1.0 1.0-0 1.0-0ubuntu1 1.0-1~bpo12+1 1.0-1~deb12u1 1.0-1 1.0-1+b1
        1.0-1+deb12u1 1.0-1+deb12u2 1.0-1+deb12u10 1.0-1ubuntu1 1.0-1ubuntu1.1 1.0-1ubuntu1~22.04.1 1.0-10 1.0+dfsg-1
        1.0+really0.9-1 1.0a-1 1.0.0-1 1.00-1 1:0.1-1 2:0.1-1 1.0-1.1 3.0.11-1~deb12u2 3.0.11-1 20230311 1.2.3-4-5 1.0A
        1.0z 1.0.a""",
    "rpm": """1.0-1 1.0-1.el9 1.0-1.el9_2 1.0-1.el9_2.1 1.0-2.el9 1.0-10.el9 1.0~rc1-1 1.0~rc2-1 1.0^git1-1 1.0^20230101-1
        1.0.1-1 1.0a-1 1.a-1 1.10-1 1.9-1 1.09-1 0:1.0-1 1:0.5-1 2:0.1-1 1.0 1.0_p1-1 1.0.-1 1.0-1.module+el9.1.0+1
        3.0.7-24.el9 3.0.7-25.el9_3 1.0-1~rc1 1.0-1^1 2022.2.54-1 007-1 7-1 1.0.el9-1 1.0~-1 1.0~^-1""",
    "pypi": """1.0 1.0.0 1.0.dev1 1.0a1 1.0a2.dev3 1.0b1 1.0rc1 1.0rc1.post1 1.0.post1 1.0.post1.dev1 1.0+local.1 1.0+local.10
        1.0+abc 1.1 1.1.1 1.10 1!0.1 2!0 v1.0 1.0-1 1.0c1 1.0.alpha1 1.0_beta2 1.0PRE3 0.9 2.0.dev0 2.0 2024.2.2 2023.07.22
        1.0.0.0.1 1.26.18 1.26.5""",
    "npm": """0.0.0-0 0.0.0 0.1.2 1.0.0-0 1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11
        1.0.0-rc.1 1.0.0-rc.1+build.5 1.0.0 1.0.0+20130313 1.0.0+2 1.0.1 1.2.0 1.10.0 2.0.0-rc1 2.0.0-rc10 2.0.0-rc2 2.0.0
        4.17.21 4.17.20 10.0.0 1.0.0-x-y-z.- 1.0.0-0A 1.0.0--1 0.0.0-20191109021931-daa7c04131f5
        0.0.0-20200109021931-000000000000""",
    "rubygems": """0 1 1.0 1.0.0 1.0.0.1 1.0.0.0 1.0.a 1.0.a1 1.0.a10 1.0.a2 1.0.b1 1.0.beta 1.0.pre 1.0.pre.1 1.0.rc1 1.0.0.rc1
        1.0.0.rc2 1.0.1 1.1 1.10 1.9 2.0.0.pre1 2.0 6.1.7.8 6.1.7.10 7.0.8.1 7.0.8 1.0.0.1.pre 1.13.0 1.13.10 1.13.9 1-1
        1.0-x 1.0.a.2""",
    "packagist": """0.9 1.0 1.0.0 1.0.0.0 1.0.0.1 1.0.0-dev 1.0.0-alpha 1.0.0-alpha1 1.0.0-alpha2 1.0.0-alpha10 1.0.0-a3 1.0.0-beta1
        1.0.0-b2 1.0.0-beta1-dev 1.0.0-RC1 1.0.0RC2 1.0.0-rc.3 1.0.0-patch1 1.0.0-p2 1.0.0-pl3 1.0.1 1.1 1.10 v1.2.3 1.2.3
        v2.0.0-BETA 2.0 2.0.0-stable 5.4.46 7.1.7 1.0.0+build.1""",
    "maven": """1 1.0 1.0.0 1-alpha 1-alpha-1 1-alpha1 1-a1 1.0-alpha-1 1.0-beta-1 1-b2 1-m3 1.0-milestone-1 1.0-rc1 1.0-cr2 1.0-RC3
        1.0-SNAPSHOT 1.0-rc1-SNAPSHOT 1.0-ga 1.0.Final 1.0.RELEASE 1.0-sp 1.0-sp1 1.0-xyz 1.0.xyz 1.0-1 1.0.1 1.1 1.10 1.9
        2.0.0.Final 2.0.0.CR1 2.14.0-rc1 2.14.0 2.14.1 2.15.0 2.3.1 2.12.2 1.0.0-jre 31.1-jre 31.1-android 32.0.0-jre
        1.0.20230101 1.0-20230101 5.3.18 5.2.20.RELEASE 1a 1.0a 1.0.0.2021-01 4.1.94.Final 1x 1.x""",
}


def debian(pairs: Pairs) -> list[int]:
    def before(one: str, relation: str, other: str) -> bool:
        return subprocess.run(["dpkg", "--compare-versions", one, relation, other], check=False).returncode == 0

    return [-1 if before(a, "lt", b) else int(before(a, "gt", b)) for a, b in pairs]


def rpm(pairs: Pairs) -> list[int]:
    found: list[int] = []
    for start in range(0, len(pairs), 30):  # longer macros are too much for it
        asked = " ".join(
            f'print(rpm.ver("{a}") < rpm.ver("{b}"), rpm.ver("{b}") < rpm.ver("{a}"), "\\n")'
            for a, b in pairs[start : start + 30]
        )
        out = subprocess.run(["rpm", "--eval", f"%{{lua: {asked}}}"], check=True, capture_output=True, text=True).stdout
        words = [line.split() for line in out.splitlines() if line.strip()]
        found += [-1 if before == "true" else int(after == "true") for before, after in words]
    return found


def pypi(pairs: Pairs) -> list[int]:
    from packaging.version import Version

    return [(Version(a) > Version(b)) - (Version(a) < Version(b)) for a, b in pairs]


def npm(pairs: Pairs) -> list[int]:
    program = (
        "const s=require('/usr/lib/node_modules/npm/node_modules/semver');"
        f"console.log(JSON.stringify({json.dumps(pairs)}.map(([a,b])=>s.compare(a,b))))"
    )
    return json.loads(subprocess.run(["node", "-e", program], check=True, capture_output=True, text=True).stdout)


def rubygems(pairs: Pairs) -> list[int]:
    program = (
        "require 'json'; puts JSON.parse(STDIN.read).map{|a,b| Gem::Version.new(a) <=> Gem::Version.new(b)}.to_json"
    )
    return json.loads(
        subprocess.run(
            ["ruby", "-e", program], check=True, capture_output=True, text=True, input=json.dumps(pairs)
        ).stdout
    )


def packagist(pairs: Pairs) -> list[int]:
    program = (
        "require '/usr/share/php/Composer/Semver/autoload.php'; use Composer\\Semver\\Comparator as C;"
        "$n=[new Composer\\Semver\\VersionParser(),'normalize'];"
        "echo json_encode(array_map(function($p)use($n){[$a,$b]=array_map($n,$p);"
        "return C::lessThan($a,$b)?-1:(C::greaterThan($a,$b)?1:0);},json_decode(stream_get_contents(STDIN))));"
    )
    return json.loads(
        subprocess.run(
            ["php", "-r", program], check=True, capture_output=True, text=True, input=json.dumps(pairs)
        ).stdout
    )


def maven(pairs: Pairs) -> list[int]:
    jars = "/usr/share/java/maven-artifact-3.x.jar:/usr/share/java/commons-lang3.jar"
    main = "org.apache.maven.artifact.versioning.ComparableVersion"
    found = []
    with tempfile.TemporaryDirectory() as place:
        source = Path(place, "Compare.java")
        source.write_text(
            f"import {main}; import java.util.*; class Compare {{ public static void main(String[] a) {{"
            'Scanner in=new Scanner(System.in); while(in.hasNextLine()){ String[] p=in.nextLine().split(" ");'
            "System.out.println(Integer.signum(new ComparableVersion(p[0]).compareTo(new ComparableVersion(p[1]))));}}}"
        )
        text = "\n".join(f"{a} {b}" for a, b in pairs)
        out = subprocess.run(
            ["java", "-cp", jars, str(source)], check=True, capture_output=True, text=True, input=text
        ).stdout
        found = [int(line) for line in out.split()]
    return found


TOOLS: dict[str, Callable[[Pairs], list[int]]] = {
    each.__name__: each for each in (debian, rpm, pypi, npm, rubygems, packagist, maven)
}


def record(name: str) -> str:
    """Return the file of one ecosystem as the real tool has it now."""
    pairs = list(combinations(dict.fromkeys(LISTS[name].split()), 2))
    answers = TOOLS[name](pairs)
    if len(answers) != len(pairs):
        raise SystemExit(f"{name}: {len(answers)} answers to {len(pairs)} questions")
    return "".join(f"{a} {SIGN[answer]} {b}\n" for (a, b), answer in zip(pairs, answers, strict=True))


if __name__ == "__main__":
    for chosen in sys.argv[1:] or TOOLS:
        (HERE / f"{chosen}.txt").write_text(record(chosen))
