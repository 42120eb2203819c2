"""Policies of other tools, turned into ours: the same meaning or a refusal that names the field, and never a wider one.

One module each. What a dialect cannot say here is refused; `lossy` turns it into a denial instead.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from preverify.model.errors import BadConfiguration
from preverify.model.strict_yaml import Document
from preverify.model.validation import nearest
from preverify.policy.documents import load
from preverify.policy.importers import (
    cluster_image_policy,
    connaisseur,
    containers_policy,
    kyverno,
    kyverno_validating,
    notation,
    openshift,
)
from preverify.policy.importers.draft import Imported, PolicyDraft, Remarks, assemble
from preverify.policy.importers.fields import Files, ListFiles, ReadFile, documents, member
from preverify.policy.trust_documents import ReadRoot

__all__ = ["DIALECTS", "Dialect", "Imported", "translate"]


class Dialect(Protocol):
    """What every dialect's module offers.

    `recognises` goes by apiVersion, kind or shape, and says yes to supporting documents (a TrustRoot) as well.
    `translate` gets all of its documents together. It reads them with `fields.Fields`, so that nothing is passed over,
    and raises `BadConfiguration` with the place of what it cannot say; what may be lost goes through `Remarks.attempt`.
    `read_file` gives files and directories that documents name by path.
    """

    NAME: str

    def recognises(self, document: Document, /) -> bool: ...
    def translate(
        self, documents: Sequence[Document], /, *, read_file: Files, remarks: Remarks
    ) -> Sequence[PolicyDraft]: ...


def _table(*dialects: Dialect) -> Mapping[str, Dialect]:
    return MappingProxyType({dialect.NAME: dialect for dialect in dialects})


DIALECTS: Mapping[str, Dialect] = _table(
    cluster_image_policy,
    kyverno,
    kyverno_validating,
    containers_policy,
    openshift,
    notation,
    connaisseur,
    containers_policy.BY_DIGEST,
    openshift.BY_DIGEST,
)


def translate(
    files: Sequence[tuple[str, bytes]],
    read_file: ReadFile,
    *,
    list_files: ListFiles | None = None,
    read_root: ReadRoot | None = None,
    dialect: str = "",
    lossy: bool = False,
) -> Imported:
    """Turn policies of other tools into our documents, and see that these can be loaded.

    Args:
        files: Names and contents; each may hold several documents, also of several dialects.
        read_file: Returns a file that a document names.
        list_files: Returns the names of the files in a directory that a document names.
        read_root: Returns roots that are built in or come by TUF, as for `documents.load`.
        dialect: Read everything as this dialect; empty: each document says what it is.
        lossy: Turn rules that cannot be said here into denials, instead of refusing.

    Raises:
        BadConfiguration: with file, line and path of what is not understood or cannot be said here.
    """
    if dialect and dialect not in DIALECTS:
        near = nearest(dialect, DIALECTS)
        hint = f"did you mean {near!r}?" if near else f"expected one of: {', '.join(DIALECTS)}"
        raise BadConfiguration(f"{dialect[:60]!r} is no dialect, {hint}")
    sorted_out: dict[str, list[Document]] = {name: [] for name in DIALECTS}
    for name, data in files:
        for document in documents(name, data):
            sorted_out[dialect or _dialect_of(document)].append(document)
    remarks = Remarks(lossy=lossy)
    named = Files(read_file, list_files)
    policies = [
        policy
        for name, found in sorted_out.items()
        if found
        for policy in DIALECTS[name].translate(found, read_file=named, remarks=remarks)
    ]
    if not policies:
        raise BadConfiguration("holds no policy", where=files[0][0] if files else "")
    imported = assemble(policies, remarks)
    try:
        load(list(imported.documents.items()), imported.files.__getitem__, read_root=read_root)
    except BadConfiguration as error:
        where = ", ".join(name for name, _ in files)
        raise BadConfiguration(f"what it would become cannot be used: {error}", where=where) from error
    return imported


def _dialect_of(document: Document) -> str:
    found = [name for name, each in DIALECTS.items() if each.recognises(document)]
    if len(found) == 1:
        return found[0]
    what = f"apiVersion {str(member(document, 'apiVersion'))[:60]!r}, kind {str(member(document, 'kind'))[:60]!r}"
    known = ", ".join(found or DIALECTS)
    does = "could be several dialects" if found else "is of no dialect that is imported"
    raise BadConfiguration(f"{what}: {does}, name it with --dialect: {known}", where=document.where(()))
