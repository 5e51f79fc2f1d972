"""Facts of how a box is reached from outside, as remote/checks/network.py gathers them."""

from __future__ import annotations

import ipaddress
from typing import ClassVar, Literal

import msgspec

from gpubox.boxes.checks.check import CannotLook, Facts
from gpubox.core.bounds import Port, Whole
from gpubox.core.sanitize import clean

Reach = Literal["public", "carrier", "private"]
"""Who may reach an address: all, nobody because of a carrier's NAT, or the own network."""

_CARRIER = (ipaddress.ip_network("100.64.0.0/10"), ipaddress.ip_network("192.0.0.0/29"))
"""Addresses behind the NAT of a carrier, and of DS-Lite."""
_CLOUDS = ("amazon", "google", "digitalocean", "hetzner", "vultr", "scaleway", "openstack", "oracle", "ovh")
NO_ROUTE = "No route leads outside"
_EVERYWHERE = ("0.0.0.0", "::")


def reach(address: str) -> Reach:
    """Return who may reach an address; what is no address counts as private."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "private"
    if any(parsed in network for network in _CARRIER if network.version == parsed.version):
        return "carrier"
    return "public" if parsed.is_global else "private"


class OwnAddress(msgspec.Struct, frozen=True):
    """An address of an interface that leads outside."""

    address: str
    interface: str = ""
    dynamic: bool = False
    """Whether it was given for a time, as DHCP does."""
    temporary: bool = False
    """Whether it is one of IPv6 that changes by itself each day."""


class DefaultRoute(msgspec.Struct, frozen=True):
    """The route that leads outside, of one family."""

    family: Whole
    interface: str = ""
    gateway: str = ""
    protocol: str = ""
    """Who made it: dhcp, static, ra; empty where nothing says so."""


class SshConnection(msgspec.Struct, frozen=True):
    """The login through which the facts came."""

    client: str
    """Its address, as the box sees it."""
    server: str
    port: Port


class SshListener(msgspec.Struct, frozen=True):
    """A socket on which the SSH server listens."""

    host: str
    port: Port
    other: bool = False
    """Whether it is another server than the one that let this login in, or than the usual sshd."""


class FilteredPort(msgspec.Struct, frozen=True):
    """What the kernel's filters do to a new login at a port."""

    port: Port
    lets_in: bool | None = None
    """None where the rules leave it open, or are not understood."""
    why: str = ""
    """The rule or the policy that decides."""
    tool: str = ""
    """nft, iptables or ip6tables, whose chain refuses it."""
    chain: str = ""
    """That chain: `inet filter input`, or of iptables `filter INPUT`."""


class Firewall(msgspec.Struct, frozen=True):
    """The firewall of the box."""

    kind: str = ""
    """ufw, firewalld, nftables, iptables; empty for none, or where unknown."""
    active: bool | None = None
    """None where only root can know."""
    rules: tuple[str, ...] | None = None
    """As the firewall prints them; None where they are unknown."""
    ports: tuple[FilteredPort, ...] = ()
    """The port of this login, else those of the SSH server; only of nftables and iptables."""


class NetworkFacts(Facts, frozen=True):
    """How a box is reached from outside."""

    SECTION: ClassVar[str] = "network"

    root: bool = False
    container: bool = False
    vendor: str = ""
    """Who made the machine; a cloud puts its name there."""
    routes: tuple[DefaultRoute, ...] = ()
    addresses: tuple[OwnAddress, ...] = ()
    """Those of the interfaces of default routes, without link-local ones."""
    wireless: bool = False
    connection: SshConnection | None = None
    config: str = ""
    """The main file of the sshd that let this login in, or of the usual one."""
    ports: tuple[Port, ...] | None = None
    """Ports that it is configured to have; None where unknown."""
    listening: tuple[SshListener, ...] = ()
    firewall: Firewall = Firewall()
    guards: tuple[str, ...] = ()
    """Programs that shut out those who fail to log in."""
    ways_in: tuple[str, ...] = ()
    """VPNs and tunnels that run, by which a box behind a router is reached."""
    namers: tuple[str, ...] = ()
    """Programs that keep a name of DNS at a changing address."""

    @property
    def no_network(self) -> str:
        """Why the box has no network of its own to judge; empty when it has one."""
        if not self.routes:
            return NO_ROUTE
        return "Its network belongs to the host of the container" if self.container else ""

    @property
    def four(self) -> OwnAddress | None:
        """The address of IPv4 that leads outside."""
        return next((one for one in self.addresses if "." in one.address), None)

    @property
    def public(self) -> tuple[OwnAddress, ...]:
        """The public addresses that stay."""
        return tuple(one for one in self.addresses if reach(one.address) == "public" and not one.temporary)

    @property
    def public_four(self) -> bool:
        """Whether it has a public address of IPv4: no router is between it and the internet."""
        return any("." in one.address for one in self.public)

    @property
    def own(self) -> OwnAddress:
        """The address by which others know the box; raises CannotLook."""
        found = self.four or next(iter(self.public or self.addresses), None)
        if found is None:
            raise CannotLook("The addresses of the box could not be read; `ip addr` prints them")
        return found

    @property
    def cloud(self) -> str:
        """The cloud that the machine is in, or an empty text."""
        vendor = self.vendor.lower()
        return clean(self.vendor, 40) if any(name in vendor for name in _CLOUDS) else ""

    @property
    def ssh_ports(self) -> tuple[int, ...]:
        """The ports of the SSH server that other machines reach; of another one where that has none."""
        reached = [one for one in self.listening if not _loopback(one.host)]
        own = [one for one in reached if not one.other]
        return tuple(sorted({one.port for one in own or reached}))

    @property
    def everywhere(self) -> bool:
        """Whether the SSH server listens on all addresses."""
        return any(one.host in _EVERYWHERE for one in self.listening if not one.other)


def _loopback(host: str) -> bool:
    return host.startswith("127.") or host == "::1"
