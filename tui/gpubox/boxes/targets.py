"""Box names: which exist, and which one a typed name means."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from gpubox.config.settings import BoxEntry, Settings
from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean
from gpubox.core.target import Target

LOCAL = Target("local", "local", "built in", "this machine, without ssh")
DEMO = Target("demo", "demo", "built in", "three simulated GPUs, to try the panel")

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_USER = re.compile(r"[A-Za-z0-9_][^\s:/\[\]]*(?<!\\)")  # also `CORP\ada` and `ada@corp.example`


@dataclass(frozen=True, slots=True)
class BoxAddress:
    """A typed name, parsed."""

    host: str
    user: str = ""
    port: int = 0
    """0 leaves it to ssh."""


def known(settings: Settings, recent: Sequence[str] = ()) -> list[Target]:
    """Return every known box: last used first, then settings, ssh config, `local` and `demo`.

    Boxes typed earlier are among the last used ones.
    """
    targets: dict[str, Target] = {}
    for target in (*map(_of_entry, settings.box), *map(_of_alias, _aliases()), LOCAL, DEMO):
        targets.setdefault(target.name, target)
    used: dict[str, Target] = {}
    for name in recent:
        target = targets.get(name) or _typed(name)
        if target is not None:
            used[name] = target
    return [*used.values(), *(target for name, target in targets.items() if name not in used)]


def refreshed(targets: Sequence[Target], settings: Settings, opened: Container[str] = ()) -> list[Target]:
    """Return known targets in their order, updated from changed settings.

    New ones come after the last one that is not built in. One that no source names any more is dropped,
    unless it was typed or is in `opened`.
    """
    fresh = {target.name: target for target in known(settings)}
    stay = [
        fresh.pop(target.name, target)
        for target in targets
        if target.name in fresh or target.name in opened or target.source == "typed"
    ]
    at = max((at for at, target in enumerate(stay, 1) if target.source != LOCAL.source), default=0)
    return [*stay[:at], *fresh.values(), *stay[at:]]


def parse(name: str, settings: Settings) -> Target:
    """Return the box that a name means: a `[[box]]`, an ssh alias, `local`, `demo`, or an address.

    Raises ConfigError when it cannot be an address, or looks like a typo of a known name.
    """
    name = name.strip()
    for entry in settings.box:
        if entry.name == name:
            return _of_entry(entry)
    for target in (LOCAL, DEMO):
        if target.name == name:
            return target
    aliases = _aliases()
    if name in aliases:
        return _of_alias(name)
    target = Target(_named(address(name)), "ssh", "typed")
    if close := _slips(name, (*(entry.name for entry in settings.box), *aliases, LOCAL.name, DEMO.name)):
        raise ConfigError(
            f"No box called {clean(name, 64)}",
            f"Close to it: {', '.join(clean(other, 64) for other in close)}",
            "If it is a host name all the same, write it as user@host",
        )
    return target


def with_tags(names: Iterable[str], settings: Settings) -> tuple[str, ...]:
    """Return names of boxes, `@tag` replaced by the boxes with that tag; raises ConfigError without any."""
    found: dict[str, None] = {}
    for name in names:
        tag = name.removeprefix("@")
        tagged = [entry.name for entry in settings.box if tag in entry.tags] if tag != name else [name]
        if not tagged:
            raise ConfigError(
                f"No box has the tag {clean(tag, 64)}",
                "Tags are given to boxes in the settings",
                f'Write `tags = ["{clean(tag, 64)}"]` in the [[box]] of each',
            )
        found |= dict.fromkeys(tagged)
    return tuple(found)


def address(name: str) -> BoxAddress:
    """Return the parts of `host`, `user@host:port`, `[v6]:port` or `ssh://user@host:port`.

    Raises ConfigError for anything else: what begins with a dash would be an option to ssh.
    """
    user, at, rest = name.removeprefix("ssh://").rstrip("/").rpartition("@")
    if rest.startswith("["):
        host, bracket, port = rest[1:].partition("]")
        good = bool(bracket) and (not port or (len(port) > 1 and port.startswith(":"))) and _is_v6(host)
        port = port[1:]
    elif _is_v6(rest):
        host, port, good = rest, "", True
    else:
        host, colon, port = rest.partition(":")
        good = bool(_HOST.fullmatch(host)) and bool(port or not colon)
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        good = False
    if (at and not _USER.fullmatch(user)) or not good:
        raise ConfigError(
            "Not the name of a box",
            f"`{clean(name, 64)}` is neither an alias nor an address",
            "Write an alias of ~/.ssh/config, user@host, user@host:port, [address]:port, local or demo",
        )
    return BoxAddress(host, user, int(port or 0))


def entry_of(target: Target, settings: Settings) -> BoxEntry:
    """Return how to reach an ssh target: its `[[box]]` of the settings, or one made of its name."""
    for entry in settings.box:
        if entry.name == target.name:
            return entry
    if target.source == "ssh config":
        return BoxEntry(name=target.name, host=target.name)
    parts = address(target.name)
    return BoxEntry(name=target.name, host=parts.host, user=parts.user, port=parts.port)


def _of_entry(entry: BoxEntry) -> Target:
    shown = _named(BoxAddress(entry.host or entry.name, entry.user, entry.port))
    jump = f" by {entry.jump}" if entry.jump else ""
    return Target(entry.name, "ssh", "settings", clean(f"{shown}{jump}", 120))


def _of_alias(alias: str) -> Target:
    return Target(alias, "ssh", "ssh config")


def _typed(name: str) -> Target | None:
    try:
        return Target(_named(address(name)), "ssh", "typed")
    except ConfigError:
        return None


def _named(parts: BoxAddress) -> str:
    host = f"[{parts.host}]" if ":" in parts.host and parts.port else parts.host
    user = f"{parts.user}@" if parts.user else ""
    return f"{user}{host}:{parts.port}" if parts.port else f"{user}{host}"


def _is_v6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _slips(name: str, names: Iterable[str]) -> list[str]:
    """Return known names of which a bare word is probably a typo.

    gpu2 beside gpu1 is not a typo: an ssh config may have a pattern for both, and names count up. Nor is a
    name with a dot, a user or a port.
    """
    if re.search(r"[.@:]", name):
        return []
    import difflib  # 5 ms that only a wrong name needs

    letters = re.sub(r"\d", "", name)
    close = difflib.get_close_matches(name, list(dict.fromkeys(names)), n=3, cutoff=0.75)
    return [other for other in close if re.sub(r"\d", "", other) != letters]


def _aliases() -> Sequence[str]:
    """Return the concrete host names of ~/.ssh/config."""
    from gpubox.ssh.aliases import aliases

    return aliases()
