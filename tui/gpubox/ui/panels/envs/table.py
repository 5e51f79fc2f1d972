"""Environments as rows: the builds of their frameworks, and whether they see the GPUs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gpubox.common import units
from gpubox.core.bounds import whole
from gpubox.core.env import Build, Env, Envs
from gpubox.core.sample import Sample
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import Line, Span, Tone
from gpubox.ui.draw.table import Column

_TONES: Mapping[str, Tone] = {"cuda": "util", "rocm": "util", "cpu": "text"}
_FRAMEWORKS = {"torch": 0, "tensorflow": 1, "jax": 2}


@dataclass(frozen=True, slots=True)
class EnvRow:
    """An environment as the list shows it."""

    env: Env
    chosen: bool = False
    """Whether shells and jobs of this box use it."""
    marked: bool = False
    """Whether it is to be compared with another one."""
    cuda: str = ""
    """Highest CUDA version that the box's driver runs; empty when that is not known."""
    now: float = 0.0
    """The box's clock."""

    @property
    def key(self) -> str:
        """Its unique key: the folder."""
        return self.env.prefix

    @property
    def tone(self) -> Tone:
        """The tone of its text: dimmed when it cannot be used."""
        return "muted" if self.env.broken else "text"


def rows(envs: Envs | None, used: Env | None, marked: Collection[str], sample: Sample | None) -> list[EnvRow]:
    """Return a row for each environment; `marked` are folders, `sample` has the driver's CUDA version."""
    if envs is None:
        return []
    cuda = (sample.driver.cuda if sample is not None else "") or envs.cuda
    now = sample.time if sample is not None else 0.0
    return [
        EnvRow(env, used is not None and env.prefix == used.prefix, env.prefix in marked, cuda or "", now)
        for env in envs.envs
    ]


def version(text: str) -> tuple[int, ...]:
    """Return a version as numbers, up to the first part that is not a number."""
    out: list[int] = []
    for part in text.split("."):
        number = whole(part)
        if number is None:
            break
        out.append(number)
    return tuple(out)


def newer(build: Build, cuda: str) -> bool:
    """Return whether a build needs a newer CUDA than the driver supports.

    Only major versions count: within one, an older driver runs newer builds.
    """
    needed, there = version(build.cuda), version(cuda)
    return bool(needed and there and needed[0] > there[0])


def built(build: Build, cuda: str = "") -> Span:
    """Return a build in a few words: `torch 2.4 CUDA 12.1`, marked when it cannot work here."""
    name = f"{clean(build.framework, 16)} {short(build.version)}".strip()
    words = f"{name} {build.built_for}"
    if build.missing:
        return Span(f"{words}, libraries missing", "warn")
    if build.target == "cuda" and newer(build, cuda):
        return Span(f"{words}, driver {clean(cuda, 8)}", "alarm")
    return Span(words, _TONES.get(build.target, "muted"))


def short(text: str) -> str:
    """Return a version without its third and local parts: `2.4` for `2.4.1+cu121`."""
    head = clean(text, 24).partition("+")[0]
    return ".".join(head.split(".")[:2])


def builds(row: EnvRow) -> Line:
    """Return all frameworks of an environment, GPU builds first."""
    order = sorted(
        row.env.builds,
        key=lambda one: (
            one.target not in ("cuda", "rocm"),
            _FRAMEWORKS.get(one.framework, 9),
            one.framework,
        ),
    )
    spans: list[Span] = []
    for build in order:
        span = built(build, row.cuda)
        spans += [Span(", ", "faint")] if spans else []
        spans.append(span._replace(tone=row.tone) if row.env.broken else span)
    return tuple(spans)


def sight(row: EnvRow) -> Span:
    """Return whether it sees GPUs, as it answered when asked, else as its builds suggest."""
    env = row.env
    if env.broken:
        return Span("broken", "alarm")
    if env.sight is None:
        says = any(build.target in ("cuda", "rocm") for build in env.builds)
        return Span("says GPU" if says else "says CPU", "muted") if env.builds else Span("")
    found = env.sight
    if found.sees is None:
        return Span("no answer", "muted")
    count = len(found.devices) or 1
    words = f"sees {count} GPU{'s' * (count != 1)}" if found.sees else "sees none"
    if not found.current:
        return Span(f"{words}?", "muted", note="The environment or the driver changed since it was asked")
    return Span(words, "util" if found.sees else "warn")


def why(row: EnvRow) -> list[str]:
    """Return notes on an environment: what is wrong with it, its folder, and its answer about GPUs."""
    env = row.env
    out = [f"Broken: {clean(env.broken, 200)}"] if env.broken else []
    for build in env.builds:
        name = f"{clean(build.framework, 16)} {clean(build.version, 24)}"
        if build.missing:
            out.append(f"{name} is built for CUDA {clean(build.cuda, 8)}, but {clean(build.missing, 160)}")
        elif build.target == "cuda" and newer(build, row.cuda):
            out.append(
                f"{name} wants CUDA {clean(build.cuda, 8)}; the driver runs at most {clean(row.cuda, 8)}"
            )
    if env.sight is not None and (env.sight.words if not env.sight.sees else env.sight.devices):
        out.append(env.sight.answer)
    size = f" · {units.size(env.size)}" if env.size is not None else ""
    out.append(clean(env.prefix, 200) + size)
    return out


def ago(row: EnvRow) -> str:
    """Return the time since it was last used or changed."""
    if row.env.used is None or not row.now:
        return ""
    return units.duration(row.now - row.env.used).split(" ")[0]


def _name(row: EnvRow) -> Line:
    sign = Span("● ", "accent") if row.chosen else Span("  ")
    mark = Span("✓ ", "warn") if row.marked else Span("  ")
    tone: Tone = "title" if row.chosen else row.tone
    return (sign, mark, Span(clean(row.env.name, 60) or "?", tone))


def _python(row: EnvRow) -> float | None:
    parts = version(row.env.python)
    return float(parts[0] * 1000 + (parts[1] if len(parts) > 1 else 0)) if parts else None


def _plain(line: Line) -> str | None:
    return "".join(span.text for span in line) or None


def _sight(row: EnvRow) -> Line:
    return (sight(row),)


def _packages(row: EnvRow) -> str:
    return "" if row.env.packages is None else str(row.env.packages)


COLUMNS: Sequence[Column[EnvRow]] = (
    Column("name", 18, _name, lambda row: row.env.name.lower(), title="    NAME", left=True),
    Column("kind", 6, lambda row: row.env.kind, lambda row: row.env.kind, left=True, tone="muted", need=3),
    Column(
        "python",
        7,
        lambda row: (Span(clean(row.env.python, 10) or "–", row.tone),),
        _python,
        left=True,
        need=2,
    ),
    Column("built for", 22, builds, lambda row: _plain(builds(row)), left=True, grows=True),
    Column("sight", 12, _sight, lambda row: _plain(_sight(row)), left=True, title="GPUS", need=1),
    Column("packages", 5, _packages, lambda row: row.env.packages, title="PKGS", falling=True, need=6),
    Column("size", 6, lambda row: units.size(row.env.size), lambda row: row.env.size, falling=True, need=4),
    Column("used", 5, ago, lambda row: row.env.used, falling=True, tone="muted", need=5),
)
"""The columns of the list."""
