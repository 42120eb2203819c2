"""What tests of importers share: one file in, plain documents out."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from preverify.policy.importers import Imported, translate
from preverify.policy.trust_documents import RootRequest
from preverify.trust import read_built_in


def read_root(request: RootRequest) -> bytes:
    """Return the public root for any root that comes by TUF."""
    return read_built_in(RootRequest(name="public-good") if request.url else request)


@pytest.fixture
def imported() -> Callable[..., Imported]:
    """Return a function that imports one text."""

    def run(text: str, **options: Any) -> Imported:
        files = options.pop("files", {})
        return translate([("policy.yaml", text.encode())], files.__getitem__, read_root=read_root, **options)

    return run


@pytest.fixture
def plain(imported: Callable[..., Imported]) -> Callable[..., dict[str, Any]]:
    """Return a function that imports one text and returns every spec: policies by name, signers, roots and stores."""

    def run(text: str, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = {"files": {}}
        result = imported(text, **options)
        for data in result.documents.values():
            for document in yaml.safe_load_all(data):
                if document["kind"] == "Policy":
                    found[document["metadata"]["name"]] = document["spec"]
                else:
                    found[document["kind"].lower()] = document["spec"]
        return {**found, "files": dict(result.files), "losses": result.losses}

    return run
