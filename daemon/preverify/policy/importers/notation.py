"""`trustpolicy.json` of Notation: a policy for each statement, with what is in the directories of its trust stores.

Spec:
    Notary Project, trust store and trust policy, version 1.0. An image's own statement counts, else that of `*`, else
    it is rejected. Stores are the directories `truststore/x509/<kind>/<name>` beside the document.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from preverify.model.anchors import NotationStatement
from preverify.model.errors import BadConfiguration
from preverify.model.strict_yaml import Document
from preverify.model.trust import Store as Known
from preverify.policy.importers.draft import DENY, PASS, File, Form, PolicyDraft, Remarks, Store, Who
from preverify.policy.importers.fields import Files, member
from preverify.policy.importers.scopes import LAYOUTS
from preverify.policy.notation_trust import read_trust_policy
from preverify.policy.places import Path, refusal, using

NAME = "notation"

_ALL = ("*",)
_CERTIFICATE_FILE = re.compile(r"[^.].*\.(?:pem|crt|cer)")


def recognises(document: Document) -> bool:
    """Say whether a document has the shape of a trust policy."""
    return isinstance(member(document, "trustPolicies"), list)


def translate(documents: Sequence[Document], *, read_file: Files, remarks: Remarks) -> Sequence[PolicyDraft]:
    """Return a policy for each statement, and one that denies all other images where no statement is about them."""
    if len(documents) > 1:
        raise refusal(documents[1], (), "is a second trust policy; notation reads one, so import that one alone")
    (document,) = documents
    statements = _statements(document)
    named = tuple(scope for each in statements for scope in each.scopes if each.scopes != _ALL)
    written: Any = member(document, "trustPolicies")
    found: list[PolicyDraft] = []
    for i, statement in enumerate(statements):
        if statement.skip:
            remarks.note(
                f"statement {statement.name}: verifies nothing; each verdict says so, and nothing is published"
            )
        rule = PASS if statement.skip else _rule(document, ("trustPolicies", i), written[i], read_file)
        found.append(_policy(statement.name, statement.scopes, named, rule))
    if all(each.scopes != _ALL for each in statements):
        found.append(_policy("no-statement", _ALL, named, DENY))
    return tuple(found)


def _policy(name: str, scopes: Sequence[str], named: Sequence[str], rule: Form) -> PolicyDraft:
    if scopes == _ALL:
        return PolicyDraft(name=name, images=("**",), exclude=(*named, LAYOUTS), rules=(rule,))
    return PolicyDraft(name=name, images=tuple(scopes), rules=(rule,))


def _statements(document: Document) -> tuple[NotationStatement, ...]:
    """Read the document as a signer by it would be read, but for what is in its stores."""
    try:
        text = json.dumps(document.value).encode()
        return read_trust_policy(
            text, store_of=lambda kind, name: Known(kind=kind, name=name, certificates=())
        ).statements
    except BadConfiguration as error:
        place = document.where(())
        raise BadConfiguration(error.detail, where=f"{place}: {error.where}" if error.where else place) from error


def _rule(document: Document, path: Path, written: Mapping[str, Any], files: Files) -> Form:
    verification = written["signatureVerification"]
    stores = [_store(document, (*path, "trustStores", i), text, files) for i, text in enumerate(written["trustStores"])]
    form: dict[str, Any] = {"stores": stores, "identities": list(written["trustedIdentities"])}
    form |= {key: verification[key] for key in ("level", "override", "verifyTimestamp") if verification.get(key)}
    return {"name": "signed", "signature": {"by": {"any": [Who(name=written["name"], form={"notation": form})]}}}


def _store(document: Document, place: Path, text: str, files: Files) -> Store:
    kind, _, name = text.partition(":")
    beside, slash, _ = document.name.rpartition("/")
    directory = f"{beside}{slash}truststore/x509/{kind}/{name}"
    with using(document, place, directory, noun="directory"):
        found = tuple(_certificates(directory, kind, name, files))
        if not found:
            raise ValueError("holds no certificates (*.pem, *.crt, *.cer)")
    return Store(kind=kind, name=name, form={"files": list(found)})


def _certificates(directory: str, kind: str, name: str, files: Files) -> Iterator[File]:
    for each in sorted(files.names_in(directory)):
        if _CERTIFICATE_FILE.fullmatch(each):
            yield File(name=f"trust/{kind}-{name}-{each}", data=files(f"{directory}/{each}"))
