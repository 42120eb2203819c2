"""Google's osv-scanner, offline, over the same records and components: it finds what we find, but for what is listed.

Purls of distribution packages are left out: it does not read the release of the distribution from them.
"""

import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.vulnerabilities import OSV, records

pytestmark = pytest.mark.tools_all
LANGUAGES = ("cargo", "composer", "gem", "golang", "hex", "maven", "npm", "nuget", "pypi")
OURS = {
    "pkg:pypi/zope.interface-made@1.0": "it compares names of PyPI as written, we as PEP 503 has it",
    "pkg:pypi/zope.interface-made@2.0": "as above",
    "pkg:pypi/made-listed@1.0.0": "it compares listed versions as written: 1.0 is not 1.0.0 to it",
    "pkg:pypi/made-listed@1%212.0.0": "as above",
    "pkg:npm/JSONMade@1.3.3": "purls of npm are written in lower case, and it compares names as written",
    "pkg:npm/jsonmade@1.3.3": "as above",
    "pkg:golang/github.com/made/docker@v24.0.6%2Bincompatible": "the record has capitals in the module's name",
    "pkg:nuget/newtonsoft.json@12.0.3": "names of NuGet have no case",
}
"""What only we find, and why."""
THEIRS = {
    "pkg:npm/minimist@latest": "no version: it takes it for affected, we say that it cannot be judged",
    "pkg:golang/golang.org/x/net@%28devel%29": "as above",
    "pkg:golang/github.com/made/limited@v1.5.0": "it does not read events `limit`",
    "pkg:cargo/time@0.2.0": "it does not read that GitHub ends an open range with `< 0.2`",
    "pkg:cargo/time@0.2.23": "as above",
    "pkg:cargo/time@0.3.36": "as above",
}
"""What only it finds, and why."""


def test_it_finds_what_we_find(tool: Callable[[str], Path], tmp_path: Path) -> None:
    program = tool("osv-scanner")
    for document in records():
        for family in {each["package"]["ecosystem"].partition(":")[0] for each in document["affected"]}:
            place = tmp_path / "db" / "osv-scanner" / family
            place.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(place / "all.zip", "a") as archive:
                archive.writestr(f"{document['id'].replace(':', '_')}.json", json.dumps(document))
    cases = [case for case in json.loads((OSV / "cases.json").read_text()) if _language(case["purl"])]
    ours = {case["purl"] for case in cases if case["expect"]}
    theirs = {purl for purl in (case["purl"] for case in cases) if _found(program, tmp_path, purl)}
    assert ours - theirs == set(OURS)
    assert theirs - ours == set(THEIRS)
    assert len(ours & theirs) > 50
    print(f"{len(cases) - len(OURS) - len(THEIRS)} of {len(cases)} components alike, {len(ours & theirs)} affected")


def _language(purl: str) -> bool:
    return purl.removeprefix("pkg:").partition("/")[0] in LANGUAGES


def _found(program: Path, directory: Path, purl: str) -> bool:
    bom = directory / "bom.cdx.json"
    component = {"type": "library", "name": "made", "version": "0", "purl": purl}
    bom.write_text(
        json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": [component]})
    )
    options = ("--offline", "--local-db-path", str(directory / "db"), "--format", "json")
    command = [str(program), "scan", "source", *options, "-L", str(bom)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr.decode()
    return bool(json.loads(done.stdout)["results"])
