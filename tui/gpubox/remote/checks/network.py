"""Facts of how a box is reached: addresses, ports of the SSH server, firewall. Nothing is sent to others."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import socket
import struct
import time

from gpubox.common.listeners import listeners
from gpubox.remote import services
from gpubox.remote.checks import commands, filters, login_user, sshd_process
from gpubox.remote.checks.packet_filter import Packet
from gpubox.remote.checks.running import is_local
from gpubox.remote.checks.sshd_config import EVERYONE, MatchedLogin, SshdConfig, main_file
from gpubox.remote.kernel_files import contents, listing, read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional, Set

    Row = Dict[str, Any]

MOST = 20
"""Most addresses, listeners, rules and ports."""
FILTERED = 3
"""Most ports that are looked for in the rules of the kernel."""
FOREVER = 0xFFFFFFFF
"""Life of an address that nobody has to renew, in seconds."""
CLOUD_INIT = "/50-cloud-init.conf"
"""A file that only root can read on Ubuntu; cloud-init writes nothing about ports to it."""
GUARDS = ("fail2ban-server", "sshguard", "crowdsec")
"""Programs that shut out those who fail to log in."""
WAYS_IN = {
    "tailscaled": "Tailscale",
    "zerotier-one": "ZeroTier",
    "cloudflared": "cloudflared",
    "autossh": "autossh",
    "frpc": "frp",
    "netbird": "NetBird",
    "headscale": "Headscale",
}
"""Programs through which a box behind a router is reached."""
NAMERS = ("ddclient", "inadyn", "noip2", "duckdns")
"""Programs that keep a name of DNS at a changing address."""


def gather() -> Row:
    """Return the facts."""
    running = programs()
    routes = default_routes()
    interface = routes[0]["interface"] if routes else ""
    above = sshd_process.ancestors()
    server = sshd_process.server(above)
    login = connection(above)
    ports = configured_ports(server)
    listening = ssh_listeners(server, set(ports or [22]) | ({login["port"]} if login else set()))
    return {
        "root": os.geteuid() == 0,
        "container": os.path.exists(rooted("/.dockerenv"))
        or bool(read_text(rooted("/run/systemd/container"), 64)),
        "vendor": read_text(rooted("/sys/class/dmi/id/sys_vendor"), 100),
        "routes": routes,
        "addresses": addresses({row["interface"] for row in routes}),
        "wireless": bool(interface) and os.path.isdir(rooted("/sys/class/net/%s/wireless" % interface)),
        "connection": login,
        "config": (server.config or main_file())[:400],
        "ports": ports,
        "listening": listening,
        "firewall": firewall(running, routes, login, listening),
        "guards": [name for name in GUARDS if name in running],
        "ways_in": [title for name, title in WAYS_IN.items() if name in running]
        + (["WireGuard"] if wireguard() else []),
        "namers": [name for name in NAMERS if name in running],
    }


def programs() -> Set[str]:
    """Return the names of the programs that run."""
    found: Set[str] = set()
    for pid, _ in services.processes():
        words = services.words(pid)
        found.add(read_text(rooted("/proc/%d/comm" % pid), 64))
        found.update(word.rpartition("/")[2].rstrip(":")[:64] for word in words[:2])
    return found


def default_routes() -> List[Row]:
    """Return the default routes, the preferred one of each family first."""
    found: List[Row] = []
    for family in ("4", "6"):
        rows = loaded("ip", "-%s" % family, "-j", "route", "show", "default")
        rows.sort(key=lambda row: number(row.get("metric")) or 0)
        found += [
            {
                "family": int(family),
                "interface": str(row["dev"])[:32],
                "gateway": str(row.get("gateway", ""))[:64],
                "protocol": str(row.get("protocol", ""))[:16],
            }
            for row in rows[:1]
            if "dev" in row
        ]
    return found or kernel_routes()


def kernel_routes() -> List[Row]:
    """Return the default route of IPv4 as the kernel's table gives it, where there is no `ip`."""
    rows: List[Row] = []
    for line in read_text(rooted("/proc/net/route")).splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == "00000000" and fields[7] == "00000000":
            try:
                gateway = socket.inet_ntoa(struct.pack("=I", int(fields[2], 16)))
            except (ValueError, struct.error):
                continue
            row = {"family": 4, "interface": fields[0][:32], "gateway": gateway, "protocol": ""}
            rows.append({**row, "gateway": "" if gateway == "0.0.0.0" else gateway})
    return rows[:1]


def addresses(interfaces: Set[str]) -> List[Row]:
    """Return the addresses of the interfaces of default routes: a VPN or a bridge has others."""
    found: List[Row] = []
    for row in loaded("ip", "-j", "addr", "show"):
        name = row.get("ifname")
        for one in infos(row) if name in interfaces else ():
            if not isinstance(one.get("local"), str) or one.get("scope") == "link":
                continue
            life = number(one.get("valid_life_time"))
            found.append(
                {
                    "address": one["local"][:64],
                    "interface": name,
                    "dynamic": bool(one.get("dynamic")) or (life is not None and life < FOREVER),
                    "temporary": bool(one.get("temporary") or one.get("deprecated")),
                }
            )
    return found[:MOST]


def infos(interface: Row) -> List[Row]:
    """Return the addresses of an interface, as `ip` gives them."""
    found = interface.get("addr_info")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def loaded(*argv: str) -> List[Row]:
    """Return the objects that a command prints as JSON, or none."""
    try:
        value = json.loads(commands.output(*argv, seconds=commands.QUICK) or "[]")
    except (ValueError, RecursionError):
        return []
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def number(value: object) -> Optional[int]:
    """Return a whole number as such, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def connection(above: List[sshd_process.ShownProcess]) -> Optional[Row]:
    """Return who is connected to which port, as sshd says; None without sshd."""
    fields = sshd_process.connection(above)
    if not fields or not re.fullmatch(r"\d{1,5}", fields[3]):
        return None
    port = int(fields[3])
    if not 0 < port < 65536:
        return None
    return {"client": fields[0][:64], "server": fields[2][:64], "port": port}


def configured_ports(server: sshd_process.SshServer) -> Optional[List[int]]:
    """Return the ports that the sshd that let us in is configured to have, or else the usual one.

    None where its files cannot be read, and for another server than sshd.
    """
    if server.kind not in ("", "sshd"):
        return None
    config = SshdConfig(server.config or main_file(), MatchedLogin(login_user.name(), []), server.options)
    if not config.files or any(not path.endswith(CLOUD_INIT) for path in config.hidden):
        return None
    lines = [line for line in config.lines if line.match in EVERYONE]
    given = [line.value for line in lines if line.keyword == "port"]
    ports = {int(value) for value in server.ports or given if re.fullmatch(r"\d{1,5}", value)} or {22}
    places = [line.value.partition(" ")[0] for line in lines if line.keyword == "listenaddress"]
    if places:  # of those with a port of their own, Port says nothing
        found = [re.search(r"(?:^[^:]+|\]):(\d{1,5})$", place) for place in places]
        ports = {int(one.group(1)) for one in found if one} | (ports if None in found else set())
    return sorted(port for port in ports if 0 < port < 65536)[:MOST]


def ssh_listeners(server: sshd_process.SshServer, ports: Set[int]) -> List[Row]:
    """Return the sockets on which SSH servers listen; `other` marks those that did not let us in.

    Without root their processes are hidden: then those of root count at the ports that sshd is configured to
    have, or through which this login came. Ports that a session forwards are not its server's.
    """
    limit = services.TABLE
    table = services.text(
        contents(rooted("/proc/net/tcp"), limit) + contents(rooted("/proc/net/tcp6"), limit)
    )
    rows = list(listeners(table))[: services.MOST]
    sockets: Dict[str, List[Row]] = {}
    for row in rows:
        sockets.setdefault("socket:[%d]" % row["inode"], []).append(row)
    services.holders(sockets, services.processes(), time.process_time() + 0.5)
    config = server.config or main_file()
    found: List[Row] = []
    for row in rows:
        name = read_text(rooted("/proc/%d/comm" % row["pid"]), 64) if "pid" in row else ""
        if name.startswith("dropbear"):
            other = server.kind != "dropbear"
        elif name.startswith("sshd"):
            shown = sshd_process.process(row["pid"])
            if shown is None or not sshd_process.LISTENER.match(shown.title):
                continue
            other = server.kind not in ("", "sshd") or not sshd_process.serves(shown, config)
        elif name in ("", "systemd") and row["uid"] == 0 and row["port"] in ports:
            other = False
        else:
            continue
        found.append({"host": row["host"], "port": row["port"], "other": other})
    return found[:MOST]


def firewall(running: Set[str], routes: List[Row], login: Optional[Row], listening: List[Row]) -> Row:
    """Return which firewall is there, whether it is on, and where readable its rules.

    `active` is None where only root can know.
    """
    if "firewalld" in running:
        ports = commands.output("firewall-cmd", "--list-all", seconds=commands.ACTIVATING)
        return {"kind": "firewalld", "active": True, "rules": rules(ports) if ports else None}
    enabled = re.search(r"^\s*ENABLED\s*=\s*(\w+)", read_text(rooted("/etc/ufw/ufw.conf")), re.M | re.I)
    if enabled and enabled.group(1).lower() == "yes":
        shown = commands.output("ufw", "status", seconds=commands.ACTIVATING) if os.geteuid() == 0 else ""
        active = None if not shown else "Status: active" in shown
        return {
            "kind": "ufw",
            "active": True if active is None else active,
            "rules": rules(shown) if shown else None,
        }
    if os.geteuid() == 0:
        packet = first_packet(routes, login)
        own = {row["port"] for row in listening if not row["other"] and not is_local(row["host"])}
        return filters.look(packet, [login["port"]] if login and packet.source else sorted(own)[:FILTERED])
    return {"kind": "", "active": None, "rules": None}


def first_packet(routes: List[Row], login: Optional[Row]) -> Packet:
    """Return the packet with which another login from the same client would begin, its port left open.

    A client on the box itself says nothing of the way from outside: then the client is unknown.
    """
    client, server = (plain(login[key]) for key in ("client", "server")) if login else ("", "")
    if not client or client == server or ipaddress.ip_address(client).is_loopback:
        four = [row for row in routes if row["family"] == 4]
        row = (four or routes or [{"family": 4, "interface": ""}])[0]
        return Packet(row["family"], 0, interface=row["interface"])
    dev = next((str(row.get("dev")) for row in loaded("ip", "-j", "route", "get", client)), "")
    shown = loaded("ip", "-j", "addr", "show", "dev", dev) if dev and dev != "lo" else []
    here = [one for row in shown for one in infos(row) if one.get("local") == server]
    return Packet(6 if ":" in server else 4, 0, client, server, dev if here else "")


def plain(address: str) -> str:
    """Return an address without its zone, one of IPv4 as such; "" for what is none."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def rules(text: str) -> List[str]:
    """Return the rules of ufw or firewalld, without blank lines."""
    return [" ".join(line.split())[:100] for line in text.splitlines() if line.strip()][: MOST * 2]


def wireguard() -> bool:
    """Return whether there is an interface of WireGuard."""
    return any(
        "DEVTYPE=wireguard" in read_text(rooted("/sys/class/net/%s/uevent" % name), 512)
        for name in listing(rooted("/sys/class/net"))[:100]
    )
