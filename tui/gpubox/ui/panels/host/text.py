"""The host as lines: meters first, then the readings of minor interest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gpubox.common import units
from gpubox.common.metrics import DISK, HOST, host_memory_used, metric
from gpubox.common.rules.rule import Finding
from gpubox.common.rules.table import judge
from gpubox.config.settings import Settings
from gpubox.core.host import limits, without_size
from gpubox.core.sample import Disk, Driver, Host, Sample, memory_share
from gpubox.core.sanitize import clean
from gpubox.ui.draw.meter import meter
from gpubox.ui.draw.spans import EMPTY, SIGNS, Line, Span, beside, cut, joined
from gpubox.ui.severity import signed, tone_of

_STEPS = "▁▁▂▃▄▅▆▇█"
_LABEL = 6
_FULLNESS = "fullness"
"""Metric of the findings about a disk that has a meter."""
_NO_SIZE = ("hangs", "fault")
"""Metrics of the findings about a disk without a size."""
_BROAD = 92
"""Cells from which the text is beside the meters."""


def draw_host(sample: Sample, settings: Settings, width: int) -> list[Line]:
    """Return the lines of a host, the most important first."""
    host = sample.host
    if width >= _BROAD:
        left = min(64, width // 2)
        right = width - left - 3
        upper = [*_meters(host, settings, left)]
        lower = [*_cores(host, right), *_rates(host, right), *_words(sample, settings, right)]
        return beside([(upper, left), (lower, right)], gap=3)
    cpu, *rest = _meters(host, settings, width)
    return [cpu, *_cores(host, width), *rest, *_rates(host, width), *_words(sample, settings, width)]


def _meters(host: Host, settings: Settings, width: int) -> Iterator[Line]:
    yield meter("cpu", host.cpu, units.percent(host.cpu), width, "util", label_width=_LABEL)
    used = host_memory_used(host)
    share = metric(HOST, "memory").of(host)
    tone = tone_of(judge(HOST, host, settings.limits), "memory", "memory")
    yield meter("mem", share, _pair(used, host.memory_total), width, tone, label_width=_LABEL)
    if host.swap_total:
        share = memory_share(host.swap_used, host.swap_total)
        yield meter("swap", share, _pair(host.swap_used, host.swap_total), width, "calm", label_width=_LABEL)
    longest = max((len(clean(disk.mount, 40)) for disk in host.disks), default=0)
    label = min(max(_LABEL, longest + 1), max(_LABEL, width // 3))
    for disk in host.disks:
        yield from _disk(disk, settings, width, label)


def _disk(disk: Disk, settings: Settings, width: int, label: int) -> Iterator[Line]:
    findings = judge(DISK, disk, settings.limits)
    mount = cut(clean(disk.mount, 40), label - 1)
    if reason := without_size(disk):
        late = any(finding.metric in _NO_SIZE for finding in findings)
        reason = cut(f"! {clean(reason, 80)}" if late else reason, width - label)
        said = Span(reason, "warn" if late else "muted")
        place = Span(clean(f"{disk.device} ({disk.filesystem})", 80), "muted")
        yield (Span(f"{mount:<{label}}", "muted"), *joined([said, place], width - label, " · "))
        return
    share, tone = metric(DISK, _FULLNESS).of(disk), tone_of(findings, _FULLNESS, "calm")
    yield meter(mount, share, _pair(disk.used, disk.total), width, tone, label_width=label)
    if words := [_words_of(finding) for finding in sorted(findings, key=_read_only_first)]:
        yield (Span(" " * label), *joined(words, width - label, " · "))


def _read_only_first(finding: Finding) -> bool:
    return finding.metric == _FULLNESS


def _words_of(finding: Finding) -> Span:
    """Return a finding about a disk: its title with the free space, and the rest as a tooltip."""
    said = signed(finding)
    return Span(f"{said.text}, {said.note}", said.tone) if finding.metric == _FULLNESS else said


def _pair(used: float | None, total: float | None) -> str:
    return units.DASH if used is None else f"{units.size(used)}/{units.size(total)}"


def _cores(host: Host, width: int) -> list[Line]:
    """Return a small bar per core; when they do not fit into two lines, a bar is the mean of several."""
    room = max(1, width - _LABEL)
    cores: Sequence[float] = host.cores
    if not cores:
        return []
    each = -(-len(cores) // (2 * room))
    means = [sum(cores[at : at + each]) / len(cores[at : at + each]) for at in range(0, len(cores), each)]
    bars = "".join(_STEPS[min(8, round(max(0.0, share) * 8 / 100))] for share in means)
    note = f"{len(cores)} cores" + (f", {each} to a bar" if each > 1 else "")
    out: list[Line] = []
    for at in range(0, len(bars), room):
        label = "" if at else "cores"
        out.append((Span(f"{label:<{_LABEL}}", "muted"), Span(bars[at : at + room], "util", "", note)))
    return out


def _rates(host: Host, width: int) -> list[Line]:
    known = [
        ("disk", "read", host.disk_read, "write", host.disk_write),
        ("net", "in", host.net_receive, "out", host.net_send),
    ]
    out: list[Line] = []
    for label, first, one, second, other in known:
        if one is None and other is None:
            continue
        out.append((
            Span(f"{label:<{_LABEL}}", "muted"),
            Span(f"{units.rate(one):>7}"), Span(f" {first:<6}", "muted"),
            Span(f"{units.rate(other):>7}"), Span(f" {second}", "muted"),
        ))  # fmt: skip
    return [tuple(line) for line in out] if width >= 34 else []


def _words(sample: Sample, settings: Settings, width: int) -> Iterator[Line]:
    host, driver, cost = sample.host, sample.driver, sample.probe
    load = "  ".join(f"{one:.2f}" for one in host.load[:3])
    tasks = "" if host.processes is None else f"{host.processes:,} processes"
    yield _line("load", [Span(load or units.DASH), Span(tasks, "muted")], width)
    tone = tone_of(judge(HOST, host, settings.limits), "temperature")
    heat = units.temperature(host.temperature, settings.ui.temperature_unit)
    heat = Span(heat + (f" {SIGNS[tone]}" if tone in SIGNS else ""), tone)
    model = clean(host.cpu_model, 60).replace("(R)", "").replace("(TM)", "").replace(" Processor", "")
    yield _line("heat", [heat, Span(model, "muted")], width)
    if most := limits(host):
        yield _line("limit", [Span("of the container", "muted"), Span(most)], width)
    yield EMPTY
    yield _line("up", [Span(units.duration(host.uptime)), Span(clean(host.distribution, 60), "muted")], width)
    yield _line("linux", [Span(clean(host.kernel, 60)), Span(clean(host.machine, 16), "muted")], width)
    yield _line("gpu", _driver(driver), width)
    parts = [
        Span(f"{units.DASH if cost.cpu is None else f'{cost.cpu:.1f}'}% cpu"),
        Span(units.size(cost.memory)),
    ]
    parts.append(Span("" if cost.tick is None else f"{cost.tick:.1f} ms a reading", "muted"))
    parts.append(Span(f"Python {clean(cost.python, 16)}" if cost.python else "plain sh", "muted"))
    yield _line("probe", parts, width)


def _driver(driver: Driver) -> list[Span]:
    if driver.version is None:
        return [Span("no driver", "muted")]
    parts = [Span(f"driver {clean(driver.version, 24)}")]
    if driver.cuda:
        parts.append(Span(f"CUDA {clean(driver.cuda, 12)}", "muted"))
    if driver.simulated:
        parts.append(Span("SIMULATED", "label"))
    return parts


def _line(label: str, parts: Sequence[Span], width: int) -> Line:
    shown = joined([part for part in parts if part.text], width - _LABEL, " · ")
    return (Span(f"{label:<{_LABEL}}", "muted"), *shown)
