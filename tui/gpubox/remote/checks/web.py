"""Facts of web servers: what runs, certificates on disk and as served, renewal, open services.

Connections go to sockets that listen on this machine, and to no other address.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import socket
import threading
import time

from gpubox.common.listeners import listeners
from gpubox.remote import services, users
from gpubox.remote.checks import (
    certificates,
    commands,
    login_user,
    open_services,
    unit_states,
    web_renewal,
    web_sites,
)
from gpubox.remote.kernel_files import contents, read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

    Row = Dict[str, Any]

SECONDS = 1.0
"""Most seconds of a connection to a server of this machine."""
MOST = 12
"""Most connections of each kind, certificates and servers."""
PROGRAMS = {"nginx": "nginx", "apache2": "apache", "httpd": "apache", "caddy": "caddy"}
"""Web servers by their programs."""
DEFAULTS = {
    "nginx": ("/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf", "/usr/local/etc/nginx/nginx.conf"),
    "apache": (
        "/etc/apache2/apache2.conf",
        "/etc/httpd/conf/httpd.conf",
        "/usr/local/apache2/conf/httpd.conf",
    ),
    "caddy": ("/etc/caddy/Caddyfile",),
}
UNITS = {
    "nginx": ("nginx.service",),
    "apache": ("apache2.service", "httpd.service"),
    "caddy": ("caddy.service",),
}
LIVE = "/etc/letsencrypt/live"
STORES = ("/var/lib/caddy/.local/share/caddy/certificates",)
"""Where Caddy keeps certificates."""
CONTAINER = re.compile(r"docker|containerd|libpod|kubepods|lxc|machine\.slice")
READERS = {"nginx": web_sites.nginx, "apache": web_sites.apache, "caddy": web_sites.caddy}


def gather() -> Row:
    """Return the facts."""
    running = servers()
    sites = [site for server in running for site in server.pop("sites")]
    jobs: Dict[str, Callable[[], Any]] = {
        "renewals": web_renewal.renewals,
        "services": open_services.look,
        "stopped": lambda: stopped({server["name"] for server in running}),
        "stored": lambda: stored(sites),
    }
    for place, server in enumerate(running):
        jobs["test %d" % place] = lambda server=server: tested(server)
    ports = listening()
    for place, target in enumerate(secure_targets(sites, ports)):
        jobs["served %d" % place] = lambda target=target: served(target)
    for place, target in enumerate(plain_targets(sites, ports)):
        jobs["plain %d" % place] = lambda target=target: plain(target)
    done = together(jobs)
    for place, server in enumerate(running):
        server.update(done.get("test %d" % place) or {"valid": None, "problem": "the test took too long"})
        for key in ("trusted", "looked_up", "words"):
            server.pop(key, None)
    found, hidden = done.get("stored") or ([], [])
    return {
        "time": time.time(),
        "root": os.geteuid() == 0,
        "servers": running,
        "stopped": done.get("stopped") or [],
        "certificates": found,
        "hidden": hidden,
        "served": [done[name] for name in jobs if name.startswith("served") and done.get(name)],
        "tls": sorted({site["port"] for site in sites if site["secure"]} | ({443} & set(ports))),
        "plain": [done[name] for name in jobs if name.startswith("plain") and done.get(name)],
        "renewals": done.get("renewals"),
        "tools": web_renewal.tools(),
        "services": done.get("services"),
    }


def together(jobs: Dict[str, Callable[[], Any]]) -> Dict[str, Any]:
    """Run functions at the same time; return what came of those that ended in time and without a fault."""
    done: Dict[str, Any] = {}

    def run(name: str, job: Callable[[], Any]) -> None:
        with contextlib.suppress(Exception):  # the border of a thread: the others go on
            done[name] = job()

    threads = [threading.Thread(target=run, args=one, daemon=True) for one in jobs.items()]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 2.2
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return dict(done)


def servers() -> List[Row]:
    """Return the web servers that run, each program with each configuration once, with their sites."""
    found: Dict[Tuple[str, str], Row] = {}
    own = read_text(rooted("/proc/self/cgroup"), 4096)
    for pid, uid in services.processes():
        words = services.words(pid)
        title = words[0].split() if len(words) == 1 else words
        program = title[0].rpartition("/")[2].rstrip(":") if title else ""
        if program not in PROGRAMS or "worker" in title[1:2] or "cache" in title[1:2]:
            continue
        name = PROGRAMS[program]
        inside = contained(pid, own)
        key = (name, "container" if inside else config_of(title))
        if len(found) < MOST and key not in found:
            found[key] = {**server(name, uid, title, inside), "unit": "" if inside else unit(pid, name)}
    return list(found.values())


def unit(pid: int, name: str) -> str:
    """Return the service of systemd that a web server runs as; "" for another process."""
    group = read_text(rooted("/proc/%d/cgroup" % pid), 4096).rstrip("/")
    last = group.splitlines()[-1].rpartition("/")[2] if "/system.slice/" in group else ""
    return last if last in UNITS[name] else ""


def contained(pid: int, own: str) -> bool:
    """Return whether a process is in a container that we are not in: its paths mean other files."""
    with contextlib.suppress(OSError):
        if os.readlink(rooted("/proc/%d/ns/mnt" % pid)) != os.readlink(rooted("/proc/self/ns/mnt")):
            root = os.stat(rooted("/proc/%d/root/" % pid))
            here = os.stat(
                rooted("/")
            )  # services of systemd have a namespace of their own over the same files
            return (root.st_dev, root.st_ino) != (here.st_dev, here.st_ino)
    group = read_text(rooted("/proc/%d/cgroup" % pid), 4096)
    return bool(CONTAINER.search(group)) and not CONTAINER.search(own)


def server(name: str, uid: int, words: List[str], container: bool) -> Row:
    """Return a server, with the sites of its configuration."""
    given = config_of(words)
    defaults = [path for path in DEFAULTS[name] if os.path.exists(rooted(path))]
    path = given or (defaults[0] if defaults else "")
    # Who writes a configuration runs code in who tests it: only root's and our own are tested.
    trusted = not container and (
        uid in (0, os.geteuid()) or (not given and bool(defaults)) or given in DEFAULTS[name]
    )
    row: Row = {"name": name, "user": users.name(uid), "container": container, "config": path[:400]}
    row.update(mine=uid == login_user.uid(), prefix=" ".join(prefix(words)[1:])[:400])
    read: Row = READERS[name](path) if trusted and path else {"sites": [], "unreadable": [], "looked_up": []}
    return {**row, **read, "trusted": trusted and bool(path) and owned(path), "words": words}


def config_of(words: List[str]) -> str:
    """Return the absolute path of the configuration that a command line names, or ""."""
    named = {"-p": "", "-d": "", "-c": "", "-f": "", "--config": "", "-config": ""}
    rest = iter(words[1:])
    for word in rest:
        name, equals, value = word.partition("=")
        if name in named:
            named[name] = value if equals else next(rest, "")
    path = named["-c"] or named["-f"] or named["--config"] or named["-config"]
    path = os.path.join(named["-p"] or named["-d"], path) if path else ""
    return path if path.startswith("/") else ""


def owned(path: str) -> bool:
    """Return whether a file belongs to root or to us."""
    try:
        return os.stat(rooted(path)).st_uid in (0, os.geteuid())
    except OSError:
        return False


def tested(server: Row) -> Row:
    """Return whether the configuration of a server is valid, by its own program; None: unknown."""
    if server["container"]:
        return {"valid": None, "problem": "it runs in a container"}
    if not server["trusted"]:
        return {"valid": None, "problem": "its configuration belongs to another user"}
    if server["looked_up"]:
        names = ", ".join(server["looked_up"])
        return {"valid": None, "problem": "a test would ask a name server for %s" % names[:100]}
    path: str = server["config"]
    if server["name"] == "nginx":
        return verdict(commands.run(*nginx_test(path, server["words"]), seconds=commands.LONG))
    if server["name"] == "apache":
        ways = (("apachectl", "-t"), ("apache2ctl", "-t"), ("httpd", "-t"))
        command = next((way for way in ways if commands.which(way[0])), ways[0])
        return verdict(
            commands.run(
                *command, *(() if path in DEFAULTS["apache"] else ("-f", path)), seconds=commands.LONG
            )
        )
    # `caddy validate` leaves files in the data folder, `caddy adapt` does not.
    return verdict(commands.run("caddy", "adapt", "--config", path, seconds=commands.LONG))


def nginx_test(path: str, words: List[str]) -> List[str]:
    """Return the command that tests a configuration of nginx, with the prefix of the running one."""
    return ["nginx", "-t", "-c", path, *prefix(words)]


def prefix(words: List[str]) -> List[str]:
    """Return the option of a command line of nginx that names its folder, if it has one."""
    found = words[words.index("-p") : words.index("-p") + 2] if "-p" in words else []
    return found if len(found) == 2 else []


def verdict(done: Optional[commands.Done]) -> Row:
    """Return what a test of a configuration came to."""
    if done is None:
        return {"valid": None, "problem": "its program is not there, or took too long"}
    lines = [line.strip() for line in done.err.splitlines() if line.strip()]
    warnings = [
        re.sub(r"^nginx: ", "", line)[:200] for line in lines if "[warn]" in line or "AH00558" in line
    ]
    warnings = [line for line in warnings if '"user" directive' not in line]
    if done.status == 0:
        return {"valid": True, "warnings": warnings[:3]}
    wrong = [line for line in lines if "[emerg]" in line or "Syntax error" in line or "Error:" in line]
    worst = re.sub(r"^nginx: ", "", (wrong or lines or ["it gave no reason"])[0])[:300]
    if os.geteuid() != 0 and re.search("permission denied|13: |operation not permitted", worst, re.I):
        return {"valid": None, "problem": "the test needs root: %s" % worst}
    return {"valid": False, "problem": worst, "warnings": warnings[:3]}


def stopped(running: Iterable[str]) -> List[Row]:
    """Return the services of web servers that do not run although systemd was to start them."""
    if not commands.has_systemd():
        return []
    units = [unit for name, names in UNITS.items() if name not in running for unit in names]
    if not units:
        return []
    return [
        {"unit": one["name"], "state": one["active"]}
        for one in unit_states.states(*units)
        if one["load"] == "loaded" and (one["active"] == "failed" or one["file"] == "enabled")
    ]


def listening() -> Dict[int, str]:
    """Return by port an address of this machine at which something listens, loopback where possible."""
    limit = services.TABLE
    table = services.text(
        contents(rooted("/proc/net/tcp"), limit) + contents(rooted("/proc/net/tcp6"), limit)
    )
    found: Dict[int, List[str]] = {}
    for row in listeners(table):
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(row["host"]) or str(row["host"])
        found.setdefault(row["port"], []).append(host)
    return {
        port: min(hosts, key=lambda host: (host != "127.0.0.1", host != "::1", host))
        for port, hosts in found.items()
    }


def secure_targets(sites: List[Row], ports: Dict[int, str]) -> List[Row]:
    """Return where to ask for certificates: each pair of port and certificate once, with one of its names."""
    found: Dict[Tuple[int, Any], Row] = {}
    for site in sites:
        if site["secure"] and site["port"] in ports:
            names = [name for name in site["names"] if sni(name)]
            key = (site["port"], tuple(site["certificates"]) or tuple(names[:1]))
            found.setdefault(
                key, {**site, "name": sni(names[0]) if names else "", "host": ports[site["port"]]}
            )
    if 443 in ports and not any(port == 443 for port, _ in found):
        found[443, ()] = {"name": "", "host": ports[443], "port": 443, "certificates": [], "server": ""}
    return list(found.values())[:MOST]


def sni(name: str) -> str:
    """Return the name to ask for, for a name of a site; "" for a pattern."""
    plain = "www" + name[1:] if name.startswith("*.") else name
    return (
        plain if re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", plain) and not sni_number(plain) else ""
    )


def sni_number(name: str) -> bool:
    """Return whether a name is an address, which TLS does not ask for."""
    return bool(re.fullmatch(r"[\d.]+", name))


def served(target: Row) -> Row:
    """Return the certificate that a server of this machine gives out for a name."""
    import ssl  # costs 20 ms

    row: Row = {key: target[key] for key in ("server", "name", "host", "port")}
    row["paths"] = target["certificates"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLError):
        context.set_ciphers("ALL:@SECLEVEL=0")  # an old key is shown, too
    try:
        raw = socket.create_connection((target["host"], target["port"]), SECONDS)
        with raw, context.wrap_socket(raw, server_hostname=target["name"] or None) as secure:
            data = secure.getpeercert(binary_form=True) or b""
    except (OSError, ValueError) as error:
        row["certificate"] = {"error": str(error)[:150] or "no answer"}
        return row
    try:
        row["certificate"] = certificates.read(data)
    except ValueError as error:
        row["certificate"] = {"error": str(error)[:100]}
    return row


def plain_targets(sites: List[Row], ports: Dict[int, str]) -> List[Row]:
    """Return the names that are served with TLS and may be asked for without it."""
    if 80 not in ports:
        return []
    names = dict.fromkeys(
        sni(name) for site in sites if site["secure"] and site["port"] == 443 for name in site["names"]
    )
    return [{"name": name, "host": ports[80], "port": 80} for name in names if name][:MOST]


def plain(target: Row) -> Row:
    """Return how a server of this machine answers a request without TLS."""
    row: Row = dict(target)
    request = "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nUser-Agent: gpubox\r\n\r\n" % target["name"]
    data = b""
    until = time.monotonic() + SECONDS
    try:
        with socket.create_connection((target["host"], target["port"]), SECONDS) as raw:
            raw.sendall(request.encode())
            while b"\r\n\r\n" not in data and len(data) < 16384 and time.monotonic() < until:
                block = raw.recv(4096)
                if not block:
                    break
                data += block
    except OSError as error:
        row["error"] = str(error)[:150] or "no answer"
    head = data.decode("latin-1")
    status = re.match(r"HTTP/1\.[01] (\d{3})", head)
    location = re.search(r"^location:[ \t]*([^\r\n?#]{0,200})", head, re.I | re.M)  # a query may hold secrets
    row["status"] = int(status.group(1)) if status else 0
    row["location"] = location.group(1) if location else ""
    return row


def stored(sites: List[Row]) -> Tuple[List[Row], List[str]]:
    """Return the certificates on disk, and the folders and files that could not be read."""
    paths = dict.fromkeys(path for site in sites if site["secure"] for path in site["certificates"])
    used = set(paths)
    hidden: List[str] = []
    try:
        names = sorted(os.listdir(rooted(LIVE)))
        paths.update(
            dict.fromkeys("%s/%s/fullchain.pem" % (LIVE, name) for name in names if name != "README")
        )
    except PermissionError:
        hidden.append(LIVE)
    except OSError:
        pass
    prefix = rooted("")
    for store in STORES:
        paths.update(
            dict.fromkeys(path[len(prefix) :] for path in sorted(glob.glob(rooted(store + "/*/*/*.crt"))))
        )
        parent = os.path.dirname(os.path.dirname(store))
        if os.path.isdir(rooted("/var/lib/caddy")) and not os.access(rooted(parent), os.X_OK):
            hidden.append(store)
    found = [certificates.on_disk(path) for path in list(paths)[:50]]
    for row in found:
        row["used"] = row["path"] in used
    return found, hidden
