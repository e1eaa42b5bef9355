"""Which address a request comes from, also behind proxies, and which addresses count as one.

X-Forwarded-For is what anybody writes into it. A proxy appends the address of whoever it talks to, so the list is true
from its right end on, as far as trusted proxies wrote it: the first address from there that is no trusted proxy's is
the client's. Left of it may stand whatever the client has sent.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOME_BITS = 64  # an IPv6 network of one customer: it has more addresses than could ever be counted


def behind(trusted: Sequence[Network]) -> Middleware:
    """Have `request.remote` be the client's address, where the peer is one of the `trusted` proxies."""

    @web.middleware
    async def addressed(request: web.Request, handler: Handler) -> web.StreamResponse:
        address = client_address(request.remote, request.headers.getall("X-Forwarded-For", ()), trusted)
        return await handler(request if address == request.remote else request.clone(remote=address or ""))

    return addressed


def client_address(peer: str | None, forwarded: Iterable[str], trusted: Sequence[Network]) -> str | None:
    """The address of whoever asks. `forwarded`: the values of the headers X-Forwarded-For, in their order.

    Where a trusted proxy passes on what is no address, it is the proxy's own: nothing is known of who is behind it.
    """
    current = _parse(peer or "")
    if current is None or not _is_in(current, trusted):
        return peer
    for hop in reversed(",".join(forwarded).split(",")):
        address = _parse(hop)
        if address is None:
            break
        current = address
        if not _is_in(current, trusted):
            break
    return str(current)


@functools.lru_cache(10_000)
def counted(address: str | None) -> str:
    """The name that all addresses have in common which one client is likely to have: IPv6 counts by /64."""
    parsed = _parse(address or "")
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(parsed), _HOME_BITS), strict=False))
    return str(parsed) if parsed else "unknown"


def is_in(peer: str | None, networks: Sequence[Network]) -> bool:
    """Whether an address, as a request has it, belongs to one of these networks."""
    address = _parse(peer or "")
    return address is not None and _is_in(address, networks)


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _parse(text: str) -> Address | None:
    """The address; some proxies write its port too. An IPv4 address in IPv6's clothes is an IPv4 address."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
