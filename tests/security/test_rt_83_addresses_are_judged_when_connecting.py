"""RT-83: public sources reach no private, link-local or metadata address, by name, number, redirect or rebinding."""

import pycurl
import pytest

from preverify.model.digest import Digest
from preverify.model.errors import Unavailable
from preverify.model.reasons import Reason
from preverify.registry.addresses import Reach, refusal
from preverify.registry.engine import Engine
from support.hostile import Hostile, redirect, status
from support.registry_clients import client, eavesdropper

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "192.0.2.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "fd00::1",
    "fc00::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "::127.0.0.1",
    "fec0::1",
]
NEVER = [
    "169.254.169.254",
    "169.254.170.2",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "0.0.0.0",
    "::",
    "::ffff:0.0.0.0",
    "224.0.0.1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE + NEVER)
def test_public_sources_do_not_reach(address: str) -> None:
    assert refusal(address, Reach.PUBLIC) is not None


@pytest.mark.parametrize("address", NEVER)
def test_no_source_reaches(address: str) -> None:
    assert refusal(address, Reach.PRIVATE) is not None


@pytest.mark.parametrize("address", PRIVATE)
def test_private_sources_reach_private_addresses(address: str) -> None:
    assert refusal(address, Reach.PRIVATE) is None


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::"]
)
def test_public_addresses_are_reached_by_all(address: str) -> None:
    assert refusal(address, Reach.PUBLIC) is None
    assert refusal(address, Reach.PRIVATE) is None


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_public_source_on_loopback_is_refused(name: str) -> None:
    with Hostile() as registry:
        registry.image("a/b", "t")
        host = registry.host.replace("127.0.0.1", name)
        with pytest.raises(Unavailable, match="network") as caught:
            client(host, network="public").get_manifest("a/b", "t")
        assert caught.value.reason is Reason.REGISTRY_REFUSED
        assert registry.seen == []


@pytest.mark.parametrize(
    "target",
    ["http://{elsewhere}/x", "http://localhost:{port}/x", "http://2130706433:{port}/x", "http://0x7f.1:{port}/x"],
)
def test_redirect_to_a_private_address_is_refused(target: str) -> None:
    with Hostile() as registry, eavesdropper() as (elsewhere, heard):
        digest = Digest.parse(str(registry.blob("a/b", b"x")["digest"]))
        url = target.format(elsewhere=elsewhere, port=elsewhere.partition(":")[2])
        registry.fault("GET", "/blobs/", redirect(url))
        with pytest.raises(Unavailable) as caught:
            client(registry.host).get_blob("a/b", digest, size=1, max_bytes=1)
        assert caught.value.reason is Reason.REGISTRY_REFUSED
        assert heard == []


def test_private_realm_is_refused_even_where_it_is_listed_for_another_port() -> None:
    with Hostile() as registry, eavesdropper() as (elsewhere, heard):
        registry.fault("GET", "/v2/", status(401, {"WWW-Authenticate": f'Bearer realm="https://{elsewhere}/t"'}))
        with pytest.raises(Unavailable):
            client(registry.host, extraHosts=["127.0.0.1:1"]).get_manifest("a/b", "t")
        assert heard == []


def test_name_that_resolves_anew_is_judged_anew() -> None:
    """The address of each new connection counts, not what the name meant when it was first looked at."""
    with Hostile() as registry:
        port = registry.host.partition(":")[2]
        registry.fault("GET", "/v2/", lambda _seen, reply: type(reply)(raw=b"HTTP/1.0 200 OK\r\n\r\nfirst"))
        engine = Engine()
        url = f"http://rebind.example:{port}/v2/"

        def resolve(address: str) -> None:
            engine._handle().curl.setopt(pycurl.RESOLVE, [f"rebind.example:{port}:{address}"])

        resolve("127.0.0.1")
        assert engine.request("GET", url, max_bytes=99, reach=Reach.PRIVATE).content == b"first"
        resolve("169.254.169.254")
        with pytest.raises(Unavailable, match="link-local"):
            engine.request("GET", url, max_bytes=99, reach=Reach.PRIVATE)
        resolve("127.0.0.1")
        with pytest.raises(Unavailable, match="private address 127"):
            engine.request("GET", url, max_bytes=99, reach=Reach.PUBLIC)
        assert len(registry.seen) == 1


def test_one_good_address_among_private_ones_is_still_the_only_one_tried() -> None:
    with Hostile() as registry:
        port = registry.host.partition(":")[2]
        engine = Engine()
        engine._handle().curl.setopt(pycurl.RESOLVE, [f"mixed.example:{port}:169.254.169.254,127.0.0.1"])
        answer = engine.request("GET", f"http://mixed.example:{port}/v2/", max_bytes=99, reach=Reach.PRIVATE)
        assert answer.status_code == 200
