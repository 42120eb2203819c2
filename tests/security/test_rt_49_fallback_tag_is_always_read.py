"""RT-49: an empty answer of the referrers API still consults the fallback tag; the result is the union by digest."""

from preverify.model.evidence import Place
from support.hostile import Hostile
from support.registry_clients import gather, remote


def test_empty_list_does_not_hide_the_fallback_tag() -> None:
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        bundle = registry.referrer("a/b", subject, b"old")
        registry.fallback("a/b", subject, [registry.entry("a/b", bundle)])
        empty = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
        registry.fault("GET", "/referrers/", lambda _seen, reply: type(reply)(headers=reply.headers, body=empty))
        found = gather(remote(registry.host), "a/b", subject)
        assert [(e.body, e.place) for e in found.evidence] == [(b"old", Place.FALLBACK_TAG)]


def test_union_by_digest_api_first() -> None:
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        both = registry.referrer("a/b", subject, b"both")
        only_api = registry.referrer("a/b", subject, b"api")
        with_fallback = registry.referrer("a/b", subject, b"fallback")
        registry.fallback("a/b", subject, [registry.entry("a/b", with_fallback), registry.entry("a/b", both)])

        def hide(seen, reply):
            import json

            document = json.loads(reply.body)
            document["manifests"] = [e for e in document["manifests"] if e["digest"] != with_fallback]
            return type(reply)(headers=reply.headers, body=json.dumps(document).encode())

        registry.fault("GET", "/referrers/", hide)
        found = gather(remote(registry.host), "a/b", subject)
        assert [(e.body, e.place) for e in found.evidence] == [
            (b"both", Place.REFERRERS_API),
            (b"api", Place.REFERRERS_API),
            (b"fallback", Place.FALLBACK_TAG),
        ]
        assert len(registry.sent("GET", both)) == 1
        assert len(registry.sent("GET", only_api)) == 1
