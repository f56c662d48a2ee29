"""Where requests may go: the configured server, the hosts allowed for downloads, and nowhere else.

Names are looked up here and connected to by the address that was checked, so a name cannot lead to another address
between the check and the connection. A connection is used once: sharing one between two names that have the same
address would send one name's key through the other's certificate.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urljoin, urlsplit

import httpx2

from storymem_backbones.http.errors import EngineError


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address, all lower case."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise EngineError(f"{url[:80]!r} is no address") from error
    return parts.scheme.lower(), (parts.hostname or "").lower(), port or (443 if parts.scheme == "https" else 80)


class Reach:
    """What may be reached.

    Args:
        base_url: The configured server.
        download_hosts: Further hosts, for results.
        allow_private: Whether names may lead to private addresses.
    """

    def __init__(self, base_url: str, download_hosts: tuple[str, ...], allow_private: bool) -> None:
        self._base = origin(base_url)
        self._base_url = base_url
        self._hosts = frozenset(host.lower() for host in download_hosts)
        self._private = allow_private

    def is_server(self, url: str) -> bool:
        """Whether an address is of the configured server itself: the only place that gets the key."""
        return origin(url) == self._base

    def resolve(self, url: str) -> str:
        """Return an address that the server gave, made absolute.

        Raises:
            EngineError: It leads elsewhere.
        """
        whole = urljoin(f"{self._base_url}/", url)
        scheme, host, _ = origin(whole)
        if urlsplit(whole).username or scheme not in ("http", "https"):
            raise EngineError(f"the server sends us to {_shown(whole)}, which is refused: it is neither http nor https")
        if self.is_server(whole):
            return whole
        if host not in self._hosts or (scheme == "http" and self._base[0] == "https"):
            raise EngineError(
                f"the server sends us to {_shown(whole)}, which is refused; if its results are there, "
                f"set download_hosts=[{host!r}]"
            )
        return whole

    def look_up(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host that may be connected to, in the system's order.

        Raises:
            EngineError: It is unknown, or private without being allowed.
        """
        if _is_literal(host) or host == "localhost":  # private or not, that is what was configured
            return [host] if host != "localhost" else ["127.0.0.1", "::1"]
        try:
            found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except OSError as error:
            raise EngineError(f"{host}: no such host ({error.strerror or error})") from error
        if not self._private and (private := [a for a in found if not _is_public(a)]):
            raise EngineError(f"{host} leads to the private address {private[0]}; if that is meant, allow_private=true")
        return found


class PinnedTransport(httpx2.BaseTransport):
    """Connects to addresses that :class:`Reach` has checked; certificates are still checked against the name."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._inner = httpx2.HTTPTransport(limits=httpx2.Limits(max_keepalive_connections=0))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to the first of the host's addresses that takes a connection."""
        host, named = request.url.host, request.url
        port = named.port or (443 if named.scheme == "https" else 80)
        request.extensions = {**request.extensions, "sni_hostname": host}
        addresses = self._reach.look_up(host, port)
        for last, address in ((a is addresses[-1], a) for a in addresses):
            request.url = named.copy_with(host=address)
            try:
                return self._inner.handle_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if last:
                    raise
        raise httpx2.ConnectError(f"{host} has no address")

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool((mapped or ip).is_global)


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
