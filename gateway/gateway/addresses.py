"""Which address a request comes from: the connection's, unless a named reverse proxy says another one.

`X-Forwarded-For` is only what somebody wrote. It counts where the connection comes from a proxy that the setting
`TRUSTED_PROXIES` names; then the last entry that is no named proxy itself is the client, for every proxy appends the
address that it saw. Entries before it are the client's own words, and are not read. `Forwarded`, `X-Real-IP`,
`X-Forwarded-Host` and `X-Forwarded-Proto` are never read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

Address = IPv4Address | IPv6Address

HOPS = 10
"""Entries that are read at most: more proxies than any site has."""
LONGEST = 60
"""Characters of an entry: an IPv6 address in brackets with a port has 47."""
SITE = 64
"""Bits of an IPv6 address that one site has for itself; it may choose the rest anew for each request."""
UNKNOWN = "unknown"


class Proxies:
    """trusted: addresses and networks, with commas between. Raises ValueError for what is neither."""

    def __init__(self, trusted: str = "") -> None:
        entries = [entry.strip() for entry in trusted.split(",") if entry.strip()]
        self._trusted = tuple(ip_network(entry) for entry in entries)

    def client(self, scope: Scope) -> str:
        """The client's address in the form in which it is counted: an IPv6 address stands for its /64 network."""
        address = self.address(scope)
        return UNKNOWN if address is None else counted(address)

    def address(self, scope: Scope) -> Address | None:
        """The client's address; None where the connection has none."""
        peer = parsed(scope["client"][0]) if scope.get("client") else None
        if peer is not None and self._trusted and self._is_trusted(peer):
            return self._named(scope["headers"], peer)
        return peer

    def _named(self, headers: Sequence[tuple[bytes, bytes]], peer: Address) -> Address:
        """The last untrusted address. An entry that is no address ends the search at the proxy that sent it."""
        said = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        for entry in reversed(said.rsplit(b",", HOPS)[-HOPS:]):
            address = parsed(entry.decode("latin-1").strip())
            if address is None:
                return peer
            peer = address
            if not self._is_trusted(address):
                return peer
        return peer

    def _is_trusted(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._trusted)


def parsed(text: str) -> Address | None:
    """The address, without a port and in its shortest form; None where the text is none."""
    if len(text) > LONGEST:
        return None
    if bracketed := re.fullmatch(r"\[([^\[\]]+)\](:\d{1,5})?", text):
        text = bracketed[1]
    elif ported := re.fullmatch(r"(\d+(?:\.\d+){3}):\d{1,5}", text, re.ASCII):
        text = ported[1]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def counted(address: Address) -> str:
    """What is counted together."""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, SITE), strict=False))
    return str(address)
