"""Turns facts of a box into its services: classified, named, without duplicates, their text safe to draw."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import quote

import msgspec

from gpubox.boxes.services.facts import Jupyter, Listener, RunningServices, ServiceFacts, TensorBoard
from gpubox.boxes.services.kinds import ZABBIX, ServiceKind
from gpubox.boxes.services.match import kind_by_port, kind_of, names_of, option, program_of
from gpubox.boxes.services.service import Access, Service
from gpubox.core.json_bytes import Unreadable, decode_json
from gpubox.core.sanitize import clean

_HTTPS = (443, 8443)
_EPHEMERAL = 32768
"""First ephemeral port of the kernel: what listens there is rarely meant for people."""
_BARE_NAME = 40

F = TypeVar("F", bound="Jupyter | TensorBoard")


@dataclass(frozen=True, slots=True)
class _Place:
    """A listening socket, and what is known of its process."""

    bind: str = ""
    port: int = 0
    path: str = ""
    uid: int = -1
    user: str = ""
    pid: int | None = None
    process: RunningServices = field(default_factory=RunningServices)
    names: frozenset[str] = frozenset()
    """Candidates where the process is hidden."""
    sure: bool = True
    """Whether `process` certainly holds it."""


def read(facts: ServiceFacts) -> tuple[Service, ...]:
    """Return the services of a box: one's own first, pages before the rest, system services last."""
    notes = (_each(facts.jupyter, Jupyter), _each(facts.tensorboard, TensorBoard))
    found = [service for place in _places(facts) if (service := _service(place, facts, *notes)) is not None]
    found.sort(key=lambda one: (one.system, not one.mine, not one.page, one.port, one.path))
    return _distinct(_inner(found))


def _inner(found: Sequence[Service]) -> list[Service]:
    """Mark as internal what a server listens on besides its page, on ephemeral ports."""
    fronts = {(one.pid, one.kind) for one in found if one.page and one.port < _EPHEMERAL}
    out: list[Service] = []
    for one in found:
        inner = one.port >= _EPHEMERAL and (one.pid, one.kind) in fronts
        out.append(replace(one, page=False, system=True) if inner else one)
    return out


def _each(files: Iterable[msgspec.Raw], kind: type[F]) -> list[F]:
    """Return the files that can be read; a program of another version must not hide the others."""
    found: list[F] = []
    decoder = msgspec.json.Decoder(kind)
    for file in files:
        try:
            found.append(decode_json(file, decoder))
        except Unreadable:
            continue
    return found


def _places(facts: ServiceFacts) -> Iterator[_Place]:
    """Merge sockets of one server: listening on IPv4 and IPv6 makes one service."""
    held: dict[tuple[int, object], list[Listener]] = {}
    for one in facts.listeners:
        held.setdefault((one.port, one.pid or (one.uid, one.guess)), []).append(one)
    for same in held.values():
        one = min(same, key=_reach)
        pid = one.pid if one.pid is not None else one.guess
        process = facts.processes.get(str(pid), RunningServices()) if pid is not None else RunningServices()
        programs = facts.programs.get(str(one.uid), ()) if pid is None else ()
        yield _Place(
            one.host,
            one.port,
            uid=one.uid,
            user=one.user,
            pid=pid,
            process=process,
            names=frozenset(name for program in programs for name in names_of(program.name, program.words)),
            sure=pid is not None,
        )
    for socket in facts.sockets:
        process = facts.processes.get(str(socket.pid), RunningServices())
        yield _Place(path=socket.path, uid=process.uid, user=process.user, pid=socket.pid, process=process)


def _reach(listener: Listener) -> int:
    """Order the addresses of one service by how widely it is open, the widest first."""
    order = ("0.0.0.0", "::", "127.0.0.1", "::1")
    return order.index(listener.host) if listener.host in order else len(order)


def _service(
    place: _Place, facts: ServiceFacts, jupyters: Sequence[Jupyter], boards: Sequence[TensorBoard]
) -> Service | None:
    process = place.process
    line = " ".join(process.words)
    kind = _kind(place, facts, line)
    mine = place.uid == facts.uid
    if place.path and (kind is None or not kind.page or kind.system):
        return None  # every desktop has dozens of them, none for a browser
    bare = Service(
        "",
        kind.id if kind else "",
        kind.name if kind else _bare(place),
        bind=clean(place.bind, 64),
        port=place.port,
        path=place.path,
        pid=place.pid,
        user=clean(place.user, 64),
        mine=mine,
        secure=place.port in _HTTPS,
        system=kind.system if kind else place.port >= _EPHEMERAL or (place.uid == 0 and not mine),
    )
    if kind is None:
        folder = process.folder if process.folder != "/" else ""
        return replace(bare, folder=clean(folder, 256), title=_title(folder))
    described = _described(bare, kind, process)
    if kind.id == "jupyter":
        return _jupyter(described, process, _note(jupyters, place))
    if kind.id == "tensorboard":
        return _tensorboard(described, process, _note(boards, place))
    if kind is ZABBIX and facts.zabbix.apache and place.port != facts.zabbix.nginx:
        return replace(described, base="/zabbix/")
    return described


def _kind(place: _Place, facts: ServiceFacts, line: str) -> ServiceKind | None:
    names = names_of(place.process.name, place.process.words) if place.sure else place.names
    if not place.path and _zabbix(place, facts, names):
        return ZABBIX
    if place.sure:
        return kind_of(place.port, set(names), line)
    return kind_by_port(place.port, place.user, set(names))


def _zabbix(place: _Place, facts: ServiceFacts, names: Iterable[str]) -> bool:
    """Whether a web server serves Zabbix here."""
    if place.port == facts.zabbix.nginx:
        return not place.sure or "nginx" in names
    return facts.zabbix.apache and place.port in (80, 443) and bool({"apache2", "httpd"} & set(names))


def _bare(place: _Place) -> str:
    """Return a name for a service of unknown kind."""
    words = place.process.words
    known = names_of("", words)
    program = program_of(words)
    if known or place.process.name:
        return clean(max(known - {program}, key=len, default=program or place.process.name), _BARE_NAME)
    alone = place.names if len(place.names) == 1 else ()
    return clean(next(iter(alone), ""), _BARE_NAME) or "unknown"


def _described(service: Service, kind: ServiceKind, process: RunningServices) -> Service:
    """Add the facts of its command line to a service."""
    words = process.words
    about = _whole(option(words, kind.about) or (process.folder if kind.local else ""), process)
    token = process.token or option(words, kind.token)
    open_ = "--without-connection-token" in words or (
        "--auth" in words and option(words, ("--auth",)) == "none"
    )
    access = Access.TOKEN if token else Access.OPEN if open_ else Access(kind.access)
    base = option(words, kind.base)
    return replace(
        service,
        page=bool(kind.page),
        access=access,
        base=_path(base) if base else kind.page or "/",
        token=token,
        parameter=kind.parameter,
        folder=clean(about, 256),
        title=_title(about),
        secure=service.secure or bool(option(words, ("--certfile", "--cert", "--ssl-certfile"))),
    )


def _note(notes: Sequence[F], place: _Place) -> F | None:
    """Add what a server wrote about itself; a file of another user is not trusted."""
    for note in notes:
        if note.pid == place.pid and note.owner in (place.uid, 0):
            if place.path and getattr(note, "sock", "") == place.path:
                return note
            if place.port and note.port == place.port:
                return note
    return None


_FLAVORS = (("lab", "Jupyter Lab"), ("notebook", "Jupyter Notebook"), ("nbclassic", "Jupyter Notebook"))


def _jupyter(service: Service, process: RunningServices, note: Jupyter | None) -> Service:
    names = " ".join(names_of(process.name, process.words)) + " " + " ".join(process.words[1:3])
    name = next((name for word, name in _FLAVORS if re.search(rf"\b{word}\b|jupyter_?{word}", names)), "")
    service = replace(service, name=name or "Jupyter Server")
    if note is None:
        return service
    folder = note.root_dir or note.notebook_dir
    access = Access.TOKEN if note.token else Access.PASSWORD if note.password else Access.OPEN
    return replace(
        service,
        access=access,
        token=note.token,
        secure=note.secure,
        base=_path(note.base_url),
        folder=clean(folder, 256),
        title=_title(folder),
    )


def _tensorboard(service: Service, process: RunningServices, note: TensorBoard | None) -> Service:
    if note is None:
        return service
    folder = _whole(note.logdir, process)
    return replace(service, base=_path(note.path_prefix), folder=clean(folder, 256), title=_title(folder))


def _whole(folder: str, process: RunningServices) -> str:
    """Make a folder of a command line absolute, by the working folder of its process."""
    if not folder or "://" in folder or not process.folder:
        return folder
    return posixpath.normpath(posixpath.join(process.folder, folder))


def _path(text: str) -> str:
    """Return the path of a URL: with a slash at both ends, and without characters that would end it early."""
    bare = quote(text.strip("/"), safe="/-._~%")
    return f"/{bare}/" if bare else "/"


def _title(folder: str) -> str:
    return clean(folder.rstrip("/").rpartition("/")[2] or folder, 64)


def _distinct(services: Sequence[Service]) -> tuple[Service, ...]:
    """Make the keys unique; the first of several keeps the one without a number."""
    keys: set[str] = set()
    out: list[Service] = []
    for service in services:
        plain = key = _plain_key(service)
        if key in keys and service.port:
            plain = key = f"{key}-{service.port}"
        number = 2
        while key in keys:
            key, number = f"{plain}-{number}", number + 1
        keys.add(key)
        out.append(replace(service, key=key))
    return tuple(sorted(out, key=lambda one: (one.system, not one.mine, not one.page, one.key)))


def _plain_key(service: Service) -> str:
    if service.kind:
        return "-".join(part for part in (service.kind, _slug(service.title)) if part)
    name = _slug(service.name)
    return f"{name if name[:1].isalpha() else 'port'}-{service.port}"


def _slug(text: str) -> str:
    """Reduce text to the characters of a key: letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:32]
