"""Environments of a box as lines for people or as JSON; pure functions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from gpubox.boxes.envs.diff import Difference
from gpubox.commands.output import plain
from gpubox.common.units import DASH, duration, size
from gpubox.core.env import Build, Env, Envs, Package, Sight
from gpubox.core.sanitize import aligned, clean

_HEAD = ("", "NAME", "KIND", "PYTHON", "PACKAGES", "FRAMEWORKS", "USED", "FOLDER")


def rows(envs: Sequence[Env], chosen: Env | None, now: float | None = None) -> list[str]:
    """Return environments as aligned lines below a header; `*` marks the chosen one."""
    now = time.time() if now is None else now
    table = [_HEAD, *(_row(env, chosen, now) for env in envs)]
    return aligned(table)


def _row(env: Env, chosen: Env | None, now: float) -> tuple[str, ...]:
    mark = "*" if chosen is not None and env.prefix == chosen.prefix else "!" if env.broken else ""
    about = f"broken: {clean(env.broken, 60)}" if env.broken else ", ".join(map(build, env.builds))
    return (
        mark,
        clean(env.name, 32),
        env.kind,
        clean(env.python, 12) or DASH,
        DASH if env.packages is None else str(env.packages),
        about or DASH,
        ago(env.used, now),
        clean(env.prefix, 200),
    )


def build(one: Build) -> str:
    """Return a framework and what it was built for: `torch 2.4.0 CUDA 12.1`."""
    missing = " (libraries missing)" if one.missing else ""
    return f"{clean(one.framework, 20)} {clean(one.version, 24)} {one.built_for}{missing}".replace("  ", " ")


def ago(at: float | None, now: float) -> str:
    """Return how long ago something was."""
    return DASH if at is None else f"{duration(max(0.0, now - at))} ago"


def choice(env: Env | None) -> str:
    """Return a sentence about the environment that shells and jobs run in."""
    return f"{clean(env.name, 100)} is used for shells and jobs" if env else "No environment is used"


def details(env: Env, now: float | None = None) -> list[str]:
    """Return everything that is known about an environment, one line per fact."""
    now = time.time() if now is None else now
    facts = [
        ("name", clean(env.name, 100)),
        ("folder", clean(env.prefix, 400)),
        ("kind", env.kind),
        ("of", clean(env.root, 300)),
        ("tool", clean(env.tool, 300)),
        ("Python", clean(env.python, 20)),
        ("packages", "" if env.packages is None else str(env.packages)),
        ("broken", clean(env.broken, 300)),
        ("used", ago(env.used, now) if env.used else ""),
        ("size", size(env.size) if env.size is not None else ""),
    ]
    for one in env.builds:
        why = f", by {clean(one.why, 100)}" if one.why else ""
        facts.append(("framework", f"{build(one)}{why}"))
        if one.missing:
            facts.append(("", clean(one.missing, 200)))
    if env.sight is not None:
        facts.append(("GPUs", sight(env.sight, now)))
    width = max(len(name) for name, _ in facts)
    return [f"{name:<{width}}  {text}" for name, text in facts if text and text != DASH]


def sight(check: Sight, now: float) -> str:
    """Return the result of a GPU check in words."""
    old = "" if check.current else "; packages or driver changed since"
    return f"{check.answer} ({ago(check.at, now)}{old})"


def packages(found: Sequence[Package]) -> list[str]:
    """Return packages as aligned lines."""
    cells = [(clean(one.name, 60), clean(one.version, 40), clean(one.build, 50), one.source) for one in found]
    widths = [max((len(row[column]) for row in cells), default=0) for column in range(3)]
    return [
        f"{name:<{widths[0]}}  {version:<{widths[1]}}  {built:<{widths[2]}}  {clean(source, 40)}".rstrip()
        for name, version, built, source in cells
    ]


def differing(a: Env, b: Env, found: Difference) -> list[str]:
    """Return what differs between two environments, as lines below a header."""
    lines = [
        f"--- {clean(a.name, 60)}  {clean(a.prefix, 200)}",
        f"+++ {clean(b.name, 60)}  {clean(b.prefix, 200)}",
    ]
    lines += [f"- {_package(one)}" for one in found.only_a]
    lines += [f"+ {_package(one)}" for one in found.only_b]
    lines += [f"  {clean(pair.name, 60)}  {_short(pair.a)} -> {_short(pair.b)}" for pair in found.differing]
    return [*lines, "1 package is equal" if found.equal == 1 else f"{found.equal} packages are equal"]


def _package(one: Package) -> str:
    return f"{clean(one.name, 60)}  {_short(one)}"


def _short(one: Package) -> str:
    return f"{clean(one.version, 40)} {clean(one.build, 50)}".rstrip()


def notes(found: Envs) -> list[str]:
    """Return further notes of a scan, for people."""
    lines = [clean(found.partial, 400)] if found.partial else []
    return lines + (
        [f"The box has {clean(found.modules, 80)}: `module avail` there"] if found.modules else []
    )


def to_json(env: Env, chosen: Env | None) -> dict[str, object]:
    """Return the JSON form of an environment: every field, and whether it is the chosen one."""
    found = plain(env)
    assert isinstance(found, dict)
    return {"chosen": chosen is not None and chosen.prefix == env.prefix, **cast("dict[str, object]", found)}
