"""A scanner is asked once for each image and version of itself; that it said nothing is never remembered."""

from pathlib import Path
from typing import Any

from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Image, Unobtained
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.scanners import remembering
from preverify.scanners.remembering import RememberingScanner
from preverify.verify.formats import own_reports

SBOM = b'{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"\xc3\xa4"}]}'


class Counting:
    """Answers as it is told, and counts."""

    name = "counting"

    def __init__(self, answers: str) -> None:
        self.answers = [each == "y" for each in answers]

    def sbom(self, registry: Any, image: Image) -> Evidence | Unobtained:
        del registry
        if self.answers.pop(0):
            return own_reports.sbom(SBOM, image.subject.digest, made_by="counting 1 sha256:x")
        return Unobtained(what=self.name, reason=Reason.DEADLINE, detail="too slow")


def image(name: bytes = b"1") -> Image:
    return Image(subject=Subject(Repository("r.example", "a"), Digest.of(name)), manifest=name, media_type="m")


def scanner(directory: Path, asked: Counting, identity: str = "1" * 64) -> RememberingScanner:
    return RememberingScanner(asked, identity=identity, directory=directory / "scans")


def test_the_same_image_is_scanned_once_by_the_same_scanner(tmp_path: Path) -> None:
    asked: Any = Counting("yyy")
    first = scanner(tmp_path, asked).sbom(None, image())
    assert isinstance(first, Evidence)
    assert scanner(tmp_path, asked).sbom(None, image()) == first
    assert len(asked.answers) == 2
    scanner(tmp_path, asked).sbom(None, image(b"2"))
    scanner(tmp_path, asked, "2" * 64).sbom(None, image())
    assert asked.answers == []


def test_that_there_was_no_answer_is_not_remembered(tmp_path: Path) -> None:
    asked: Any = Counting("ny")
    assert isinstance(scanner(tmp_path, asked).sbom(None, image()), Unobtained)
    assert isinstance(scanner(tmp_path, asked).sbom(None, image()), Evidence)


def test_what_is_damaged_is_asked_for_again_and_a_full_disk_costs_only_that(tmp_path: Path) -> None:
    asked: Any = Counting("yyy")
    scanner(tmp_path, asked).sbom(None, image())
    (path,) = (tmp_path / "scans").iterdir()
    for damaged in (b"{", b"[]", b'{"document":7,"madeBy":"x"}'):
        path.write_bytes(damaged)
        asked.answers = [True]
        assert isinstance(scanner(tmp_path, asked).sbom(None, image()), Evidence)
    path.unlink()
    (tmp_path / "scans").rmdir()
    (tmp_path / "scans").write_text("not a directory")
    asked.answers = [True, True]
    assert scanner(tmp_path, asked).sbom(None, image()) == scanner(tmp_path, asked).sbom(None, image())


def test_the_oldest_answers_make_room(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(remembering, "_MOST", 2)
    asked: Any = Counting("yyyy")
    for number in range(4):
        scanner(tmp_path, asked).sbom(None, image(b"%d" % number))
    assert len(list((tmp_path / "scans").iterdir())) == 2
