import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.attest import att
from preverify.attest.manifests import OCI_MANIFEST, descriptor, descriptors, read_object, write
from preverify.model.digest import Digest
from preverify.model.dsse import DSSE_ENVELOPE, VSA_PREDICATE
from preverify.model.errors import MalformedEvidence

OURS = b'{"ours":1}'


def foreign(n: int) -> dict:
    return {
        **descriptor(DSSE_ENVELOPE, b"foreign %d" % n),
        "annotations": {"dev.cosignproject.cosign/signature": "", "x": f"ü{n}"},
    }


def manifest_of(layers, **more) -> tuple[bytes, bytes]:
    config = write(
        {"rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}, "history": [], "os": ""}
    )
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor("c", config), "layers": layers}
    return write({**document, **more}), config


def test_tag_names() -> None:
    assert att.tag(Digest("sha256", "ab" * 32)) == "sha256-" + "ab" * 32 + ".att"


def test_a_new_manifest_has_what_cosign_wants() -> None:
    edit = att.edit(None, None, drop=(), add=OURS)
    assert edit is not None
    document = json.loads(edit.manifest)
    assert document == {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "size": len(edit.config),
            "digest": str(Digest.of(edit.config)),
        },
        "layers": [
            {
                "mediaType": DSSE_ENVELOPE,
                "size": len(OURS),
                "digest": str(Digest.of(OURS)),
                "annotations": {"dev.cosignproject.cosign/signature": "", "predicateType": VSA_PREDICATE},
            }
        ],
    }
    assert json.loads(edit.config)["rootfs"] == {"type": "layers", "diff_ids": [str(Digest.of(OURS))]}
    assert (edit.media_type, edit.layer) == (OCI_MANIFEST, OURS)


def test_the_same_a_second_time_changes_nothing() -> None:
    edit = att.edit(None, None, drop=(), add=OURS)
    assert edit is not None
    assert att.edit(edit.manifest, edit.config, drop=(), add=OURS) is None
    assert att.edit(edit.manifest, edit.config, drop=(0,), add=OURS) is None
    assert att.edit(None, None, drop=(), add=None) is None


def test_taking_the_last_away_leaves_an_empty_manifest() -> None:
    edit = att.edit(None, None, drop=(), add=OURS)
    assert edit is not None
    emptied = att.edit(edit.manifest, edit.config, drop=(0,), add=None)
    assert emptied is not None
    assert json.loads(emptied.manifest)["layers"] == []
    assert json.loads(emptied.config)["rootfs"]["diff_ids"] == []
    assert emptied.layer is None


@given(
    layers=st.lists(st.booleans(), max_size=8),
    add=st.booleans(),
)
def test_foreign_layers_stay_as_they_are_and_in_order(layers: list[bool], add: bool) -> None:
    """Hazard 4: nobody else's attestation is lost or touched, whatever we do."""
    standing = [foreign(n) for n in range(len(layers))]
    before, config = manifest_of(standing, annotations={"kept": "1"})
    drop = [n for n, ours in enumerate(layers) if ours]
    edit = att.edit(before, config, drop=drop, add=OURS if add else None)
    kept = [layer for n, layer in enumerate(standing) if n not in drop]
    if edit is None:
        assert not drop
        assert not add
        return
    after = json.loads(edit.manifest)
    assert after["layers"][: len(kept)] == kept
    assert len(after["layers"]) == len(kept) + add
    assert after["annotations"] == {"kept": "1"}
    assert json.loads(edit.config)["rootfs"]["diff_ids"] == [layer["digest"] for layer in after["layers"]]


def test_foreign_diff_ids_are_kept_where_they_are_in_step() -> None:
    standing = [foreign(0), foreign(1)]
    before, _ = manifest_of(standing)
    config = write({"rootfs": {"diff_ids": ["sha256:a", "sha256:b"]}, "author": "x"})
    edit = att.edit(before, config, drop=(0,), add=OURS)
    assert edit is not None
    document = json.loads(edit.config)
    assert document["rootfs"]["diff_ids"] == ["sha256:b", str(Digest.of(OURS))]
    assert document["author"] == "x"
    assert "history" not in document


@pytest.mark.parametrize("config", [None, b"rubbish", b"{}", b'{"rootfs":{"diff_ids":["sha256:a"]}}', b'{"rootfs":[]}'])
def test_a_config_out_of_step_is_written_anew(config: bytes | None) -> None:
    """cosign pairs diff ids with layers when it appends, and would lose layers over a wrong list."""
    standing = [foreign(0), foreign(1)]
    before, _ = manifest_of(standing)
    edit = att.edit(before, config, drop=(), add=OURS)
    assert edit is not None
    assert json.loads(edit.config)["rootfs"]["diff_ids"] == [
        *(layer["digest"] for layer in standing),
        str(Digest.of(OURS)),
    ]


def test_docker_manifests_keep_their_types() -> None:
    before, config = manifest_of([foreign(0)], mediaType=att.DOCKER_MANIFEST)
    edit = att.edit(before, config, drop=(), add=OURS)
    assert edit is not None
    assert edit.media_type == att.DOCKER_MANIFEST
    assert json.loads(edit.manifest)["config"]["mediaType"] == "c"


def test_a_config_without_a_type_gets_one() -> None:
    before, config = manifest_of([foreign(0)], config={"digest": "sha256:" + "0" * 64})
    edit = att.edit(before, config, drop=(), add=OURS)
    assert edit is not None
    assert json.loads(edit.manifest)["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    before, config = manifest_of([foreign(0)], config=None)
    edit = att.edit(before, config, drop=(), add=OURS)
    assert edit is not None
    assert json.loads(edit.manifest)["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"


@pytest.mark.parametrize(
    "document",
    [
        {"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []},
        {"manifests": [], "layers": []},
        {"layers": "x"},
        {"layers": [1]},
        {"layers": [{"digest": 1}]},
    ],
)
def test_what_is_no_manifest_is_left_alone(document) -> None:
    with pytest.raises(MalformedEvidence):
        att.edit(json.dumps(document).encode(), None, drop=(), add=OURS)


@pytest.mark.parametrize("data", [b"[]", b"rubbish", b'{"layers":[],"layers":[]}'])
def test_documents_without_one_meaning_are_left_alone(data: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        att.layers(data)


def test_reading_parts() -> None:
    data, config = manifest_of([foreign(0)])
    assert att.layers(data) == (foreign(0),)
    assert att.config_digest(data) == Digest.of(config)
    for broken in ({}, {"config": 1}, {"config": {"digest": 1}}):
        with pytest.raises(MalformedEvidence):
            att.config_digest(json.dumps(broken).encode())
    with pytest.raises(MalformedEvidence):
        att.config_digest(b'{"config":{"digest":"rubbish"}}')


def test_the_input_is_not_changed() -> None:
    layers = [foreign(0)]
    document = {"layers": copy.deepcopy(layers), "config": {"digest": "x"}}
    assert descriptors(read_object(write(document), "x"), "layers", "x") == layers
    assert descriptors({}, "layers", "x") == []
