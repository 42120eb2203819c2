"""What `preverify trust check` has to say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from preverify import wiring
from preverify.model.errors import BadConfiguration, Unavailable
from preverify.policy.policies import PolicySet
from preverify.policy.signers import KeyIdentity
from preverify.policy.trust_documents import ReadRoot, RootRequest, compile_trust, names_of_roots
from preverify.settings import Settings
from preverify.trust import Roots, trust_expiry

_SKEW = timedelta(minutes=5)
_STALE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something that was looked at. `state` is ok, note, weak or broken; the last two end in exit code 1."""

    about: str
    state: str
    seen: str
    todo: str = ""


def remarks_on(
    settings: Settings, policies: PolicySet, asked: Iterable[RootRequest], within: timedelta, now: datetime
) -> Iterator[Remark]:
    """Yield what there is to say of the trust in force and of the documents that declare it."""
    roots = wiring.open_roots(settings)
    for name, kind, until in trust_expiry(policies.trust, now):
        yield _ending(f"{name}: {kind}", until, now, within, "replace it, or refresh the root")
    for signer in policies.signers:
        if isinstance(signer.identity, KeyIdentity) and signer.identity.valid_until is not None:
            yield _ending(f"signer {signer.name}: key", signer.identity.valid_until, now, within, "rotate the key")
    for request in asked:
        yield from _freshness(settings, roots, request, now)
    yield from _unused(settings, policies, roots)


def _ending(about: str, until: datetime, now: datetime, within: timedelta, todo: str) -> Remark:
    if until <= now:
        return Remark(about=about, state="broken", seen=f"ended {written(until)}", todo=todo)
    if until <= now + within:
        return Remark(about=about, state="weak", seen=f"ends {written(until)}", todo=todo)
    return Remark(about=about, state="ok", seen=f"until {written(until)}")


def _freshness(settings: Settings, roots: Roots, request: RootRequest, now: datetime) -> Iterator[Remark]:
    about = f"root {request.name}"
    kept = roots.kept_or_none(request)
    if kept is None:
        seen = "the copy that is built in, never refreshed"
        state = "note" if settings.trust.offline else "weak"
        yield Remark(
            about=about, state=state, seen=seen, todo="" if settings.trust.offline else "is the timer running?"
        )
        return
    if kept.fetched_at > now + _SKEW:
        seen = f"verified {written(kept.fetched_at)}, which is still to come"
        yield Remark(about="clock", state="broken", seen=f"{about}: {seen}", todo="set this machine's clock")
    stale = kept.fetched_at + _STALE * settings.trust.refresh < now
    seen = f"verified {written(kept.fetched_at)}, its metadata holds until {written(kept.expires)}"
    if stale and not settings.trust.offline:
        yield Remark(about=about, state="weak", seen=seen, todo="look for trust.refreshed in the log")
    elif settings.trust.offline and kept.expires < now:
        yield Remark(about=about, state="note", seen=seen, todo="export and import it anew now and then")
    else:
        yield Remark(about=about, state="ok", seen=seen)


def _unused(settings: Settings, policies: PolicySet, roots: Roots) -> Iterator[Remark]:
    """Yield what documents declare and no policy rests on. Roots that nobody uses were not read: they are now."""
    documents, read_file, list_files = wiring.declared_trust(settings)
    used = {root.name for root in policies.trust.roots}
    for name in names_of_roots(documents):
        if name in used:
            continue
        yield Remark(about=f"root {name}", state="note", seen="no policy rests on it", todo="")
        try:
            compile_trust(documents, wanted=(name,), read_file=read_file, read_root=_kept(roots), list_files=list_files)
        except BadConfiguration as error:
            yield Remark(about=f"root {name}", state="weak", seen=str(error)[:300], todo="correct or remove it")
        except Unavailable:
            pass  # fetched once somebody names it
    stores = {f"{store.kind}:{store.name}" for store in policies.trust.stores}
    for _, written in documents:
        for name in written.spec.stores:
            if name not in stores:
                yield Remark(about=f"store {name}", state="note", seen="no policy rests on it")


def _kept(roots: Roots) -> ReadRoot:
    """Return a reader of roots that never fetches: a root that nobody uses is not worth a connection."""

    def read_root(request: RootRequest) -> bytes:
        kept = roots.kept(request)
        if kept is None:
            raise Unavailable(f"root {request.name!r} was never fetched")
        return kept.target

    return read_root


def written(moment: datetime | None) -> str | None:
    """Write a moment as output has it."""
    return None if moment is None else moment.isoformat(timespec="seconds")
