"""Whose address counts: the peer's, or what a trusted proxy says, whatever else stands in the header."""

from __future__ import annotations

import ipaddress
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from hypothesis import settings as examples

from handlers.addresses import Network, client_address, counted
from server.app import running
from server.settings import Settings, SettingsError, load_settings
from tests.clients import Socket
from tests.conftest import Connect, Organisation

PROXIES: tuple[Network, ...] = (
    ipaddress.IPv4Network("10.0.0.0/8"),
    ipaddress.IPv4Network("127.0.0.1/32"),
    ipaddress.IPv6Network("fd00::/8"),
)
quick = examples(max_examples=200, database=None, deadline=None)

addresses = st.ip_addresses().map(str)
proxies = st.sampled_from(["10.0.0.1", "10.255.0.9", "127.0.0.1", "fd00::7", "::ffff:10.1.2.3"])
strangers = addresses.filter(lambda one: not trusted(one))
forged = st.lists(st.one_of(addresses, proxies, st.text(st.characters(codec="latin-1"), max_size=20)), max_size=5)


def trusted(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return any((mapped or parsed) in network for network in PROXIES)


def plain(address: str) -> str:
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


@quick
@given(peer=strangers, header=forged)
def test_a_stranger_is_who_it_is_whatever_it_sends(peer: str, header: list[str]) -> None:
    assert client_address(peer, header, PROXIES) == peer
    assert client_address(peer, header, ()) == peer


@quick
@given(client=strangers, sent=forged, through=st.lists(proxies, max_size=3), peer=proxies, lines=st.booleans())
def test_behind_proxies_what_the_client_sent_itself_changes_nothing(
    client: str, sent: list[str], through: list[str], peer: str, lines: bool
) -> None:
    hops = [*sent, client, *through]
    header = hops if lines else [", ".join(hops)]
    assert client_address(peer, header, PROXIES) == plain(client)


@quick
@given(peer=proxies, header=forged)
def test_there_is_always_an_address_to_count_by(peer: str, header: list[str]) -> None:
    address = client_address(peer, header, PROXIES)
    assert address is not None
    assert counted(address) != "unknown"


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ([], "127.0.0.1"),
        ([""], "127.0.0.1"),
        (["192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1:1234"], "192.0.2.1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["[2001:db8::1]:443"], "2001:db8::1"),
        (["::ffff:192.0.2.1"], "192.0.2.1"),
        (["192.0.2.9, 192.0.2.1"], "192.0.2.1"),
        (["192.0.2.9", "192.0.2.1, 10.0.0.1"], "192.0.2.1"),
        (["10.0.0.2, 10.0.0.1"], "10.0.0.2"),  # somebody within the proxies' network
        (["192.0.2.1, unknown, 10.0.0.1"], "10.0.0.1"),
        (["192.0.2.1, _hidden"], "127.0.0.1"),
        (["192.0.2.256"], "127.0.0.1"),
    ],
)
def test_a_header_is_read_from_its_right_end(header: list[str], address: str) -> None:
    assert client_address("127.0.0.1", header, PROXIES) == address


def test_ipv6_counts_by_network_and_ipv4_by_address() -> None:
    assert counted("2001:db8:1:2::1") == counted("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert counted("2001:db8:1:3::1") != counted("2001:db8:1:2::1")
    assert counted("192.0.2.1") == counted("::ffff:192.0.2.1") == "192.0.2.1"
    assert counted("fe80::1%eth0") == "fe80::/64"
    assert counted(None) == counted("") == "unknown"


async def test_a_second_connection_is_recorded_with_the_address_behind_the_proxy(
    settings: Settings, school: Organisation, connect: Connect
) -> None:
    console = await connect("/proctor", school.proctor.token)
    await console.ok("join", {"examId": school.exam_id})
    first = await connect("/exam", school.student.token)
    await first.ok("start", {"examId": school.exam_id})
    second = await forwarded(first.url, school.student.token, "192.0.2.7, 2001:db8::7")
    await second.ok("start", {"examId": school.exam_id})
    item = await console.activity("second_connection")
    assert item["data"]["address"] == "127.0.0.1"  # nobody is trusted by default
    await second.close()
    behind = settings.model_copy(update={"trusted_proxies": [ipaddress.ip_network("127.0.0.1")]})
    async with running(behind) as server:
        watching = await Socket(server.ws_url, "/proctor").connect(school.proctor.token)
        await watching.ok("join", {"examId": school.exam_id})
        sockets = [await forwarded(server.ws_url, school.student.token, one) for one in ("192.0.2.6", "2001:db8::7")]
        for socket in sockets:
            await socket.ok("start", {"examId": school.exam_id})
        item = await watching.activity("second_connection")
        assert item["data"]["address"] == "2001:db8::7"
        for socket in (*sockets, watching):
            await socket.close()


async def forwarded(url: str, token: str, header: str) -> Socket:
    socket = Socket(url, "/exam")
    options: Any = {"auth": {"token": token}, "transports": ["websocket"], "headers": {"X-Forwarded-For": header}}
    await socket.client.connect(url, namespaces=["/exam"], **options)
    return socket


def test_trusted_proxies_are_networks() -> None:
    found = load_settings(_env_file=None, trusted_proxies="127.0.0.1, 10.0.0.0/8,fd00::/8").trusted_proxies
    assert [str(one) for one in found] == ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]
    assert load_settings(_env_file=None).trusted_proxies == []
    for wrong in ("proxy.example", "10.0.0.1/8", "*"):
        with pytest.raises(SettingsError, match="TRUSTED_PROXIES"):
            load_settings(_env_file=None, trusted_proxies=wrong)
