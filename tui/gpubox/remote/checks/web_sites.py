"""Reads configurations of nginx, Apache and Caddy: which sites they serve, and with which certificates.

Only names, ports and paths of certificates leave a configuration: it may hold passwords of what is behind it.
"""

from __future__ import annotations

import glob
import os
import re

from gpubox.remote.kernel_files import read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, Iterator, List, Set

    Row = Dict[str, Any]

FILES, DEPTH, WORDS, SITES = 200, 8, 50000, 60
"""Most files of a configuration, levels of inclusion, words, and sites."""
FILE = 1 << 19
"""Most bytes of one file."""
NAMES = 20
"""Most names of a site."""

NGINX_WORD = re.compile(
    r"""[ \t\r\n]+|\#[^\n]*|(?P<mark>[{};])|"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\.|[^'\\])*)'"""
    r"""|(?P<bare>(?:\\.|\$\{[^}\s]*\}|[^\s;{}\\])+)""",
    re.S,
)
NGINX_PASSES = ("proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass")
HOST = re.compile(r"(?:\w+://)?(?:[^/@]*@)?([A-Za-z0-9_.-]+)(?::\d+)?(?:/.*)?")
"""A host in the target of a proxy."""


class Budget:
    """What is left to be read of a configuration: inclusion may go in circles."""

    def __init__(self) -> None:
        self.files = FILES
        self.words = WORDS
        self.unreadable: List[str] = []

    def text(self, path: str) -> str:
        """Return a file, or "" when it cannot be read or too many were."""
        self.files -= 1
        if self.files < 0:
            return ""
        place = rooted(path)
        if not os.access(place, os.R_OK):
            self.unreadable.append(path)
            return ""
        return read_text(place, FILE)

    def matching(self, pattern: str, folder: str) -> List[str]:
        """Return the files that an include names, whose folder is that of the main file."""
        prefix = rooted("")
        found = sorted(glob.glob(rooted(os.path.join(folder, pattern))))[:FILES]
        return [path[len(prefix) :] for path in found if not os.path.isdir(path)]


def nginx(path: str) -> Row:
    """Return the sites of nginx by its main file, and the files that could not be read.

    Also the hosts that a test of the configuration would ask a name server for.
    """
    budget = Budget()
    sites: List[Row] = []
    hosts: Set[str] = set()
    upstreams: Set[str] = set()
    stack: List[Row] = [{"name": "main", "certificates": [], "ssl": False, "listen": [], "names": []}]
    for words in nginx_directives(path, os.path.dirname(path), budget, 0):
        mark, name = words[-1], words[0]
        top = stack[-1]
        if mark == "{":
            stack.append(
                {
                    "name": name,
                    "certificates": top["certificates"],
                    "ssl": top["ssl"],
                    "listen": [],
                    "names": [],
                }
            )
            if name == "upstream":
                upstreams.update(words[1:2])
        elif mark == "}":
            if len(stack) > 1:
                stack.pop()
            if top["name"] == "server" and stack[-1]["name"] in ("http", "stream"):
                sites += nginx_sites(top)
        else:
            nginx_setting(words[:-1], top, os.path.dirname(path))
            if name in NGINX_PASSES or (name == "server" and top["name"] == "upstream"):
                hosts.update(HOST.sub(r"\1", word) for word in words[1:2] if HOST.fullmatch(word))
            elif name == "ssl_stapling" and words[1:2] == ["on"]:
                hosts.add("ocsp.")  # the responder that the certificate names
    secure = {site["port"] for site in sites if site["secure"]}
    for site in sites:  # nginx speaks TLS on a port as soon as one of its servers says so
        site["secure"] = site["port"] in secure
    return {
        "sites": sites[:SITES],
        "unreadable": budget.unreadable[:5],
        "looked_up": sorted(host for host in hosts - upstreams if must_look_up(host))[:5],
    }


def nginx_directives(path: str, folder: str, budget: Budget, depth: int) -> Iterator[List[str]]:
    """Yield the directives of a file of nginx and what it includes: their words, then `;`, `{` or `}`."""
    words: List[str] = []
    text, place = budget.text(path), 0
    while place < len(text) and budget.words > 0:
        found = NGINX_WORD.match(text, place)
        if found is None:  # a quote without its end
            place += 1
            continue
        place = found.end()
        mark = found.group("mark")
        if mark is None:
            word = next(
                (found.group(kind) for kind in ("bare", "double", "single") if found.group(kind)), None
            )
            if word is not None:
                budget.words -= 1
                words.append(word)
            continue
        if mark == ";" and words[:1] == ["include"] and depth < DEPTH:
            for name in (name for pattern in words[1:2] for name in budget.matching(pattern, folder)):
                yield from nginx_directives(name, folder, budget, depth + 1)
        elif words or mark != ";":
            yield [*(words if mark != "}" else []), mark]
        words = []


def nginx_setting(words: List[str], block: Row, folder: str) -> None:
    """Add a setting to a block."""
    name = words[0]
    if name == "listen" and len(words) > 1:
        block["listen"].append(words[1:])
    elif name == "server_name":
        block["names"] += words[1:]
    elif name == "ssl":
        block["ssl"] = words[1:] == ["on"]
    elif name == "ssl_certificate" and len(words) > 1 and "$" not in words[1] and ":" not in words[1]:
        own = block.setdefault("own", [])  # a list of its own replaces the inherited one
        own.append(os.path.join(folder, words[1]))
        block["certificates"] = own


def nginx_sites(block: Row) -> Iterator[Row]:
    """Yield a row for each port of a server."""
    ports: Set[int] = set()
    for words in block["listen"] or [["80"]]:
        port = port_of(words[0])
        if port and port not in ports:
            ports.add(port)
            secure = block["ssl"] or "ssl" in words[1:] or "quic" in words[1:]
            yield site("nginx", block["names"], port, secure, block["certificates"])


def must_look_up(host: str) -> bool:
    """Return whether a name server would be asked for a host."""
    bare = host.lower()
    if bare == "localhost" or re.fullmatch(r"[\d.]+|unix", bare):
        return False
    return bare not in read_text(rooted("/etc/hosts")).lower().split()


def apache(path: str) -> Row:
    """Return the sites of Apache by its main file, and the files that could not be read."""
    budget = Budget()
    sites: List[Row] = []
    block: Row = {}
    for words in apache_directives(path, [os.path.dirname(path)], budget, 0):
        name, rest = words[0].lower(), words[1:]
        if name == "<virtualhost":
            block = {"ports": rest, "names": [], "certificates": [], "ssl": False}
        elif name == "</virtualhost" and block:
            ports = sorted({port_of(word) for word in block["ports"]} - {0})
            sites += [
                site("apache", block["names"], port, block["ssl"], block["certificates"]) for port in ports
            ]
            block = {}
        elif not block:
            continue
        elif name in ("servername", "serveralias"):
            block["names"] += [re.sub(r"^\w+://|:\d+$", "", word) for word in rest]
        elif name == "sslengine":
            block["ssl"] = rest[:1] in (["on"], ["On"])
        elif name == "sslcertificatefile" and rest and "$" not in rest[0]:
            block["certificates"] = [*block["certificates"], os.path.join(os.path.dirname(path), rest[0])]
    return {"sites": sites[:SITES], "unreadable": budget.unreadable[:5], "looked_up": []}


def apache_directives(path: str, folder: List[str], budget: Budget, depth: int) -> Iterator[List[str]]:
    """Yield the words of each line of a file of Apache and what it includes; `folder` holds ServerRoot."""
    for line in re.sub(r"\\\r?\n", " ", budget.text(path)).splitlines():
        words = [a or b or c for a, b, c in re.findall(r'"([^"]*)"|\'([^\']*)\'|([^\s"\'>]+)', line)]
        if not words or words[0].startswith("#"):
            continue
        budget.words -= len(words)
        if budget.words < 0:
            return
        name = words[0].lower()
        if name == "serverroot" and words[1:]:
            folder[0] = words[1]
        elif name in ("include", "includeoptional") and words[1:] and depth < DEPTH:
            for found in budget.matching(words[1], folder[0]):
                yield from apache_directives(found, folder, budget, depth + 1)
        else:
            yield words


def caddy(path: str) -> Row:
    """Return the sites of a Caddyfile, and the files that could not be read; a site has https by itself."""
    budget = Budget()
    sites: List[Row] = []
    depth, now = 0, []
    for line in budget.text(path).splitlines():
        words = line.split("#")[0].replace(",", " ").split()
        if not words:
            continue
        if depth == 0 and not words[0].startswith(("(", "{", "import")):
            now = [made for word in words if word != "{" for made in caddy_sites(word)]
            sites += now
        elif words[0] == "tls" and len(words) > 2 and words[1].startswith("/"):
            for made in now:
                made["certificates"] = [words[1]]
        depth = max(0, depth + words.count("{") - words.count("}"))
    return {"sites": sites[:SITES], "unreadable": budget.unreadable[:5], "looked_up": []}


def caddy_sites(word: str) -> Iterator[Row]:
    """Yield the site of an address of a Caddyfile: `example.org`, `http://example.org`, `:8080`."""
    found = re.fullmatch(r"(?:(https?)://)?([\w.*-]*)(?::(\d+))?(?:/.*)?", word)
    if found is None:
        return
    scheme, host, digits = found.groups()
    port = port_of(digits or ("80" if scheme == "http" else "443"))
    secure = scheme == "https" or (scheme is None and bool(host) and port != 80)
    if port:
        yield site("caddy", [host] if host else [], port, secure, [])


def site(server: str, names: List[str], port: int, secure: bool, certificates: List[str]) -> Row:
    """Return a site."""
    return {
        "server": server,
        "names": [name[:253] for name in names[:NAMES]],
        "port": port,
        "secure": secure,
        "certificates": [path[:400] for path in certificates[:4]],
    }


def port_of(word: str) -> int:
    """Return the port of an address of a listen directive: `443`, `[::]:443`, `*:443`; 0 for none."""
    if word.startswith("unix:"):
        return 0
    digits = word if word.isdigit() else word.rpartition(":")[2]
    if not re.fullmatch(r"\d{1,5}", digits) or word.endswith("]"):
        return 80 if ":" not in word or word.endswith("]") else 0
    return int(digits) if 0 < int(digits) < 65536 else 0
