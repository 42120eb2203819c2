"""`preverify trust`: show, check, export, import."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from preverify import wiring
from preverify.clock import SystemClock
from preverify.commands.common import (
    ConfigOption,
    Exit,
    Output,
    OutputOption,
    emit,
    load_settings,
    short,
    table,
)
from preverify.commands.trust_check import remarks_on, written
from preverify.model.anchors import KeyAnchor
from preverify.model.durations import parse_duration
from preverify.model.errors import BadInput, Unavailable
from preverify.model.trust import epoch_of
from preverify.policy.policies import PolicySet
from preverify.policy.signers import KeyIdentity
from preverify.policy.trust_documents import BUILT_IN, RootRequest, names_of_roots, requests
from preverify.settings import Settings, read_bounded
from preverify.trust import Result, Roots, parts

app = typer.Typer(no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="The file with the trust.", show_default=False)]


@app.command("show")
def show(config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show every root, store and key in use: who, until when, and which signers rest on it."""
    settings = load_settings(config)
    policies, asked = wiring.policies_and_roots(settings)
    document = trust_document(policies, asked, wiring.open_roots(settings))
    rows = [
        (
            each["of"],
            each["kind"],
            each["name"] or "-",
            short(each["id"]),
            each["validFrom"] or "-",
            each["validUntil"] or "-",
            " ".join(each["usedBy"]) or "-",
        )
        for each in document["parts"]
    ]
    emit(document, output, table("OF", "KIND", "NAME", "ID", "FROM", "UNTIL", "USED BY", rows=rows))
    if output is Output.TABLE:
        for each in document["fetched"]:
            print(f"root {each['root']}: {_said_of_fetching(each)}")
        print(f"trust epoch {document['epoch']}")


def trust_document(policies: PolicySet, asked: Iterable[RootRequest], roots: Roots) -> dict[str, Any]:
    """Return the trust in force as plain values."""
    users = _users(policies)
    found = [
        {
            "of": part.of,
            "kind": part.kind.value,
            "name": part.name,
            "id": part.id,
            "validFrom": written(part.start),
            "validUntil": written(part.end),
            "usedBy": users.get(part.trust_id, []),
        }
        for part in parts(policies.trust)
    ]
    return {
        "apiVersion": "preverify/v1",
        "kind": "Trust",
        "epoch": epoch_of([*(r.id for r in policies.trust.roots), *(s.id for s in policies.trust.stores)]),
        "parts": [*found, *_keys(policies)],
        "fetched": [_fetched(request, roots) for request in asked],
    }


@app.command("check")
def check(
    within: Annotated[str, typer.Option(help="Warn of what ends within this time.")] = "30d",
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say what ends soon, is stale, unreadable or unused.

    Exit code 1: something ends soon or is stale; 2: the documents cannot be used; 3: a root cannot be had now.
    """
    settings = load_settings(config)
    policies, asked = wiring.policies_and_roots(settings)
    remarks = list(remarks_on(settings, policies, asked, _duration(within), SystemClock().now()))
    emit(
        {"apiVersion": "preverify/v1", "kind": "TrustCheck", "remarks": [asdict(each) for each in remarks]},
        output,
        table("ABOUT", "STATE", "SEEN", "DO", rows=[(r.about, r.state, r.seen, r.todo) for r in remarks]),
    )
    bad = any(each.state in {"weak", "broken"} for each in remarks)
    raise typer.Exit(Exit.NOT_VERIFIED if bad else Exit.VERIFIED)


@app.command("export")
def export_command(
    file: File,
    refresh: Annotated[bool, typer.Option("--refresh", help="Refresh roots that come by TUF first.")] = False,
    config: ConfigOption = None,
) -> None:
    """Write everything that is trusted, with the TUF metadata that vouches for it, into one file; print its digest."""
    from preverify.trust import bundle

    settings = load_settings(config)
    roots = wiring.open_roots(settings)
    policies, asked = wiring.policies_and_roots(settings)
    if refresh:
        good = {Result.CHANGED, Result.UNCHANGED}
        failed = [f"root {each.name!r}: {each.detail}" for each in roots.refresh(asked) if each.result not in good]
        if failed:
            raise Unavailable("; ".join(failed))
        policies, asked = wiring.policies_and_roots(settings)
    data, digest = bundle.export(policies.trust, asked, roots, SystemClock())
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        new.write_bytes(data)
        new.replace(file)
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}") from error
    print(digest)


@app.command("import")
def import_command(
    file: File,
    digest: Annotated[str, typer.Option(help="Take in only the file that has this digest.")] = "",
    config: ConfigOption = None,
) -> None:
    """Take in what `trust export` wrote: verified whole, from the root metadata that this machine has.

    Exit code 1: a root does not verify, and nothing was changed; 2: the file or a document cannot be used.
    """
    from preverify.trust import bundle
    from preverify.trust.tuf_client import Untrusted

    settings = load_settings(config)
    roots = wiring.open_roots(settings)
    found = bundle.read(read_bounded(file, bundle.MAX_BYTES))
    if digest and digest != found.digest:
        raise BadInput(f"the file has the digest {found.digest}, expected {digest[:80]}")
    try:
        taken = bundle.take_in(found, _known(settings), roots, SystemClock())
    except Untrusted as error:
        print(f"preverify: {error}", file=sys.stderr)
        raise typer.Exit(Exit.NOT_VERIFIED) from error
    policies, _ = wiring.policies_and_roots(settings)
    print(f"taken in: {', '.join(taken) or 'no root by TUF'} (file of {found.made_at.isoformat()})")
    for sentence in bundle.differences(found, policies.trust):
        print(f"{sentence}: it comes with the policy directory, not with this file")


def _known(settings: Settings) -> tuple[RootRequest, ...]:
    documents, read_file, _ = wiring.declared_trust(settings)
    return requests(documents, wanted={*names_of_roots(documents), *BUILT_IN}, read_file=read_file)


def _users(policies: PolicySet) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    for signer in policies.signers:
        for trust_id in signer.anchor.trusts:
            users.setdefault(trust_id, []).append(signer.name)
    return users


def _keys(policies: PolicySet) -> Iterator[dict[str, Any]]:
    for signer in policies.signers:
        if isinstance(signer.anchor, KeyAnchor):
            identity = signer.identity if isinstance(signer.identity, KeyIdentity) else KeyIdentity()
            yield {
                "of": signer.name,
                "kind": "key",
                "name": "revoked" if identity.revoked_at is not None else "",
                "id": signer.anchor.key.id,
                "validFrom": written(identity.valid_from),
                "validUntil": written(identity.end),
                "usedBy": [signer.name],
            }


def _fetched(request: RootRequest, roots: Roots) -> dict[str, Any]:
    kept = roots.kept_or_none(request)
    return {
        "root": request.name,
        "url": request.url or None,
        "fetchedAt": None if kept is None else written(kept.fetched_at),
        "expires": None if kept is None else written(kept.expires),
        "versions": {} if kept is None else dict(kept.versions),
    }


def _said_of_fetching(fetched: dict[str, Any]) -> str:
    if fetched["fetchedAt"] is None:
        return "the copy that is built in, never refreshed"
    return f"verified {fetched['fetchedAt']}, its metadata holds until {fetched['expires']}"


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise BadInput(str(error)) from error
