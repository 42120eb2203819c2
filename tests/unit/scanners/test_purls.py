"""Purls of scanners lead to the names that vulnerability databases use, or to a sentence that says why not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.scanners.packages.purls import MAX_PURL, Named, Unmatchable, named, normal_name


def one(ecosystem: str, name: str, version: str, *, needs_source: bool = False) -> Named:
    return Named(ecosystems=(ecosystem,), packages=((name, version),), needs_source=needs_source)


@pytest.mark.parametrize(
    ("purl", "expected"),
    [
        ("pkg:pypi/Jaraco.Classes@3.2", one("PyPI", "jaraco-classes", "3.2")),
        ("pkg:pypi/zope__interface@5", one("PyPI", "zope-interface", "5")),
        ("pkg:npm/%40babel/core@7.0.0", one("npm", "@babel/core", "7.0.0")),
        ("pkg:npm/minimist@1.2.5", one("npm", "minimist", "1.2.5")),
        ("pkg:golang/github.com/BurntSushi/toml@v1.2.0", one("Go", "github.com/burntsushi/toml", "v1.2.0")),
        ("pkg:golang/stdlib@1.20.3", one("Go", "stdlib", "1.20.3")),
        ("pkg:cargo/time@0.1.42", one("crates.io", "time", "0.1.42")),
        ("pkg:gem/nokogiri@1.13.2?platform=java", one("RubyGems", "nokogiri", "1.13.2")),
        ("pkg:nuget/Newtonsoft.Json@12.0.1", one("NuGet", "newtonsoft.json", "12.0.1")),
        ("pkg:composer/Symfony/Http-Kernel@v5.1.0", one("Packagist", "symfony/http-kernel", "v5.1.0")),
        ("pkg:hex/Plug@1.3.1", one("Hex", "plug", "1.3.1")),
        (
            "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1?type=jar",
            one("Maven", "org.apache.logging.log4j:log4j-core", "2.14.1"),
        ),
        (
            "pkg:deb/debian/libssl3@3.0.11-1~deb12u2?arch=amd64&upstream=openssl&distro=debian-12",
            one("Debian:12", "openssl", "3.0.11-1~deb12u2"),
        ),
        (
            "pkg:deb/debian/libgcc-s1@12.2.0-14?upstream=gcc-12%4012.2.0-13&distro=debian-12.4",
            one("Debian:12", "gcc-12", "12.2.0-13"),
        ),
        (
            "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1%2Bb1?upstream=zlib&distro=debian-12",
            one("Debian:12", "zlib", "1:1.2.13.dfsg-1"),
        ),
        (
            "pkg:deb/debian/zlib1g@1.2.13.dfsg-1?epoch=1&distro=debian-12.5",
            one("Debian:12", "zlib1g", "1:1.2.13.dfsg-1", needs_source=True),
        ),
        (
            "pkg:deb/ubuntu/bash@5.1-6ubuntu1?upstream=bash&distro=ubuntu-22.04",
            Named(ecosystems=("Ubuntu:22.04", "Ubuntu:22.04:LTS"), packages=(("bash", "5.1-6ubuntu1"),)),
        ),
        (
            "pkg:apk/alpine/libcrypto3@3.1.4-r5?arch=x86_64&upstream=openssl&distro=alpine-3.18.5",
            one("Alpine:v3.18", "openssl", "3.1.4-r5"),
        ),
        ("pkg:apk/alpine/musl@1.2.4-r2?distro=3.18.5", one("Alpine:v3.18", "musl", "1.2.4-r2", needs_source=True)),
        (
            "pkg:apk/wolfi/libcrypto3@3.1.4-r5?upstream=openssl&distro=wolfi-20230201",
            Named(ecosystems=("Wolfi",), packages=(("libcrypto3", "3.1.4-r5"), ("openssl", "3.1.4-r5"))),
        ),
        ("pkg:apk/chainguard/bash@5.2-r1", one("Chainguard", "bash", "5.2-r1")),
        (
            "pkg:rpm/redhat/openssl-libs@3.0.7-24.el9?epoch=1&upstream=openssl-3.0.7-25.el9.src.rpm&distro=rhel-9.3",
            Named(
                ecosystems=("Red Hat:enterprise_linux:9::*",),
                packages=(("openssl-libs", "1:3.0.7-24.el9"), ("openssl", "1:3.0.7-25.el9")),
            ),
        ),
        ("pkg:rpm/rocky/bash@5.1.8-6.el9?distro=rocky-9.3", one("Rocky Linux:9", "bash", "5.1.8-6.el9")),
        (
            "pkg:rpm/almalinux/bash@5.1.8-6.el9_1?upstream=bash-5.1.8-6.el9_1.src.rpm&distro=almalinux-9.2",
            one("AlmaLinux:9", "bash", "5.1.8-6.el9_1"),
        ),
        (
            "pkg:rpm/opensuse/libz1@1.2.13-150500.2?distro=opensuse-leap-15.5",
            one("openSUSE:Leap 15.5", "libz1", "1.2.13-150500.2"),
        ),
        (
            "pkg:rpm/suse/libz1@1.2.13-150500.2?distro=sles-15.5",
            one("SUSE:Linux Enterprise * 15 SP5", "libz1", "1.2.13-150500.2"),
        ),
        ("pkg:rpm/alma/bash@5.1-6.el9?distro=alma-9.2", one("AlmaLinux:9", "bash", "5.1-6.el9")),
        ("pkg:rpm/opensuse/bash@5.1-6?distro=opensuse.leap-15.6", one("openSUSE:Leap 15.6", "bash", "5.1-6")),
        ("pkg:rpm/suse/libz1@1.2.13-1?distro=sles-15", one("SUSE:Linux Enterprise * 15", "libz1", "1.2.13-1")),
    ],
)
def test_a_purl_leads_to_ecosystem_name_and_version(purl: str, expected: Named) -> None:
    assert named(purl, "") == expected


def test_the_document_says_the_distribution_where_the_purl_does_not() -> None:
    assert named("pkg:deb/debian/curl@7.88.1-10?upstream=curl", "debian-12").ecosystems == ("Debian:12",)
    assert named("pkg:apk/alpine/curl@8-r0?distro=alpine-3.18.5", "alpine-3.19").ecosystems == ("Alpine:v3.18",)


@pytest.mark.parametrize(
    ("purl", "why"),
    [
        ("", "it has no purl"),
        ("cpe:2.3:a:x:y", "none"),
        ("pkg:", "none"),
        ("pkg:npm/" + "a" * MAX_PURL + "@1", "characters, at most"),
        ("pkg:npm/minimist", "no version"),
        ("pkg:generic/openssl@3.0", "'generic' are not matched"),
        ("pkg:maven/log4j@1", "names no group"),
        ("pkg:deb/debian/curl@1", "which release of the distribution"),
        ("pkg:deb/debian/curl@1?distro=debian-trixie%2Fsid", "'debian-trixie/sid' is no release"),
        ("pkg:deb/raspbian/curl@1?distro=raspbian-12", "no database holds the packages of 'raspbian'"),
        ("pkg:apk/alpine/curl@1?distro=alpine-3.21.0_alpha20240807", "is no release"),
        ("pkg:apk/alpine/curl@1?distro=alpine-3", "'alpine-3'"),
        ("pkg:apk/postmarketos/curl@1?distro=postmarketos-24.06", "'postmarketos-24.06'"),
        ("pkg:rpm/fedora/curl@1-1?distro=fedora-39", "'fedora'"),
        ("pkg:rpm/rocky/nodejs@18.1-1.module%2Bel9.2.0%2B1?distro=rocky-9.2", "belongs to a module"),
    ],
)
def test_what_cannot_be_looked_up_says_why(purl: str, why: str) -> None:
    with pytest.raises(Unmatchable, match=why):
        named(purl, "")


def test_names_are_exact_where_case_matters() -> None:
    assert normal_name("Rocky Linux:9", "ImageMagick") == "ImageMagick"
    assert normal_name("Maven", "org.Made:Core") == "org.Made:Core"


def test_names_are_found_in_any_case_where_purls_are_written_in_lower_case() -> None:
    """There are `JSONStream` and `jsonstream` on npm: rather a finding too many than one too few."""
    assert normal_name("npm", "JSONStream") == "jsonstream"
    assert named("pkg:npm/JSONStream@1.3.5", "").packages == (("jsonstream", "1.3.5"),)
    assert named("pkg:apk/alpine/R@4.3-r0?upstream=R&distro=alpine-3.18.5", "").packages == (("r", "4.3-r0"),)


@given(
    st.one_of(st.text(), st.text().map("pkg:pypi/{}@1".format), st.text().map("pkg:deb/debian/x@1?distro={}".format))
)
def test_no_text_makes_anything_else_of_it_than_a_name_or_a_refusal(purl: str) -> None:
    try:
        found = named(purl, "debian-12")
    except Unmatchable:
        return
    assert found.ecosystems
    assert all(name and version for name, version in found.packages)
