"""Each image of the demo leads to what its row says, through the same rooms that the daemon uses."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from preverify import pipeline, wiring
from preverify.clock import SystemClock
from preverify.demo.catalogue import DATABASE, IMAGES, ROWS, Row
from preverify.demo.child import lay_out
from preverify.demo.content import Content, digest_of
from preverify.demo.registry import Registry
from preverify.model.reference import Repository
from preverify.model.verdicts import AnswerState, Outcome
from preverify.policy.policies import PolicySet
from preverify.registry import open_source
from preverify.scanners.database.holding import Holding
from preverify.scanners.database.pulling import pull
from preverify.scanners.offline import OfflineVulnerabilities
from preverify.settings import Source
from support import demo_images
from support.deciding import NoAnswers


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("demo") / "policies"
    lay_out(directory, today=datetime.now(UTC).date())
    return directory


@pytest.fixture(scope="module")
def policies(laid_out: Path) -> PolicySet:
    return wiring.read_policies((laid_out,))


@pytest.fixture(scope="module")
def database(laid_out: Path, tmp_path_factory: pytest.TempPathFactory) -> OfflineVulnerabilities:
    """Pull the demo's database as the demo does: verified under its own policy first."""
    content, clock = Content(), SystemClock()
    content.load(IMAGES / "vulnerabilities", DATABASE)
    holding = Holding(tmp_path_factory.mktemp("vulnerabilities"))
    policies = wiring.read_policies((laid_out / "database",))
    with Registry(content) as registry:
        settings = {"registry": registry.address, "network": "private", "tls": {"plainHttp": True}}
        source = open_source("demo", Source.model_validate(settings), clock=clock)
        image = source.resolve(Repository(registry.address, DATABASE), "1")
        (verdict,) = pipeline.look(source, (policies,), image, clock=clock, revocations=NoAnswers()).verdicts
        assert verdict.outcome is Outcome.PASSED
        assert pull(source, image, holding, reference="demo", clock=clock)
    return OfflineVulnerabilities(holding)


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    return request.param


@pytest.fixture
def registry(row: Row) -> Iterator[Registry]:
    content = Content()
    for layout in filter(None, (row.layout, row.moves_to)):
        content.load(IMAGES / layout, row.repository)
    with Registry(content, referrers=row.source == "shop") as running:
        yield running


def test_a_row_leads_to_its_verdict(
    row: Row, registry: Registry, policies: PolicySet, database: OfflineVulnerabilities
) -> None:
    clock = SystemClock()
    settings = {"registry": registry.address, "network": "private", "tls": {"plainHttp": True}}
    source = open_source("demo", Source.model_validate(settings), clock=clock)
    repository = Repository(registry.address, row.repository)
    image = source.resolve(repository, row.tag)
    (verdict,) = pipeline.look(
        source, (policies,), image, clock=clock, revocations=NoAnswers(), database=database
    ).verdicts
    assert verdict.reasons[0].reason is row.reason
    assert (verdict.outcome is Outcome.PASSED) == (row.state is AnswerState.VERIFIED)


def test_the_rows_show_what_they_promise() -> None:
    assert len(ROWS) >= 12
    assert {row.state for row in ROWS} == {AnswerState.VERIFIED, AnswerState.DENIED}
    assert len({row.reason for row in ROWS}) >= 7
    assert len({row.name for row in ROWS}) == len(ROWS)
    heard = [row.announced for row in ROWS]
    assert abs(heard.count(True) - heard.count(False)) <= 2


def test_the_images_are_cut_from_the_fixtures_as_the_script_says(tmp_path: Path) -> None:
    """Regenerating leaves the tree unchanged, so that nobody has to trust what lies there."""
    vectors = Path(__file__).resolve().parents[2] / "vectors"
    fixtures = vectors / "fixtures"
    cut = demo_images.main(fixtures, tmp_path)
    assert set(demo_images.IMAGES) - set(cut) <= {"garbled"}  # its source is no key case; see images/README
    for name in cut:
        assert tree(tmp_path / name) == tree(IMAGES / name), name
    for name in ("web", "web-fixed", "batch", "rooted", "vulnerabilities"):
        assert tree(vectors / "scanned" / name) == tree(IMAGES / name), name


def tree(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_only_the_corrupt_image_has_content_without_its_digest() -> None:
    for layout in sorted(path for path in IMAGES.iterdir() if path.is_dir()):
        content = Content()
        content.load(layout, "x")
        wrong = [name for name, blob in content.blobs.items() if digest_of(blob) != name]
        assert len(wrong) == (1 if layout.name == "corrupt" else 0), layout.name
        assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
