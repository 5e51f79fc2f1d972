"""The state of a link in words: a phrase, and the lines that are shown while something is wrong."""

from __future__ import annotations

import math
import time
from typing import NamedTuple, assert_never

from gpubox.boxes.box import Box
from gpubox.common import units
from gpubox.common.metrics import LINK
from gpubox.common.rules.link import link_record
from gpubox.common.rules.rule import Finding
from gpubox.common.rules.table import judge
from gpubox.common.severity import Severity
from gpubox.config.settings import UiSettings
from gpubox.core.link_state import Health, Phase
from gpubox.core.sample import Sample, memory_share
from gpubox.ui.severity import STYLES

DOT = " · "
TO_DO = "→ "
"""Begins a line that says what the user can do."""


_SIGNS = {Severity.INFO: "○", Severity.WARNING: "▲", Severity.CRITICAL: "✖"}
"""The sign alone distinguishes the states, without color."""


class LinkPhrase(NamedTuple):
    """The state of a box as a sign, a color and words; the sign alone distinguishes the states."""

    sign: str
    style: str
    words: str


def phrase(health: Health, box: Box | None) -> LinkPhrase:
    """Return the state of a link and its samples."""
    match health.phase:
        case Phase.IDLE:
            return LinkPhrase("○", "$foreground-muted", "not connected")
        case Phase.CONNECTING:
            step = health.step or "connecting"
            again = f" (try {health.attempt + 1})" if health.attempt else ""
            return LinkPhrase("◌", "$primary", _with_age(f"{step}{again}", box))
        case Phase.LIVE:
            return _live(health, box)
        case Phase.WAITING:
            finding = link_findings(health, box)[0]
            return _troubled(finding, _with_age(DOT.join((finding.title, _countdown(health))), box))
        case Phase.REFUSED:
            finding = link_findings(health, box)[0]
            return _troubled(finding, _with_age(finding.title, box))
        case _:
            assert_never(health.phase)


def link_findings(health: Health, box: Box | None) -> list[Finding]:
    """Return the findings about a link and the age of its samples."""
    sample = box.sample.value if box else None
    trouble = health.reason if health.phase in (Phase.WAITING, Phase.REFUSED) else None
    if health.phase is Phase.LIVE and box is not None:
        trouble = box.trouble.value
    age = None if box is None or sample is None else box.age
    interval = Sample().interval if sample is None else sample.interval
    return judge(LINK, link_record(health.phase.value, trouble=trouble, age=age, interval=interval))


def _troubled(finding: Finding, words: str) -> LinkPhrase:
    return LinkPhrase(_SIGNS[finding.severity], STYLES[finding.severity], words)


def _live(health: Health, box: Box | None) -> LinkPhrase:
    unread = box is None or box.age is None
    # While samples arrive, the probe's own error has a line below.
    metric = "trouble" if unread else "age"
    if finding := next((each for each in link_findings(health, box) if each.metric == metric), None):
        return _troubled(finding, finding.title)
    if box is None or unread:
        return LinkPhrase("●", "$primary", "connected, waiting for the first reading")
    round_trip = "" if box.rtt is None else f" {units.milliseconds(box.rtt)}"
    return LinkPhrase("●", "$success", f"live{round_trip}")


def _countdown(health: Health) -> str:
    if health.retry_at is None:
        return "trying again"
    left = max(0, math.ceil(health.retry_at - time.monotonic()))
    return f"again in {units.duration(left)}" if left else "trying again"


def _with_age(words: str, box: Box | None) -> str:
    """Return words with the age of the shown data."""
    if box is None or box.age is None:
        return words
    return f"{words}{DOT}data {units.duration(box.age)} old"


def lasting(health: Health, box: Box | None) -> list[str]:
    """Return the lines to show while something is wrong: what happened, then what to do."""
    features = box.context.features.value.values() if box is not None else ()
    notices = [feature.notice for feature in features if feature.notice]
    found = (each for each in link_findings(health, box) if each.metric in ("phase", "trouble"))
    if (finding := next(found, None)) is None:
        return notices
    shown_above = finding.metric == "phase" or (box is not None and box.age is None)
    return [*notices, *([] if shown_above else [finding.title]), *_lines(finding)]


def _lines(finding: Finding) -> list[str]:
    lines = [line for line in finding.text.splitlines() if line.strip()]
    return [*lines, *(f"{TO_DO}{line}" for line in finding.hint.splitlines() if line.strip())]


def summary(sample: Sample, ui: UiSettings) -> str:
    """Return a box's sample in one short line, for the list of boxes: `2 GPUs 93% 66% 71°C 7.6G`."""
    gpus = sample.gpus
    if not gpus:
        return f"no GPUs  cpu {units.percent(sample.host.cpu)}"
    count = "1 GPU" if len(gpus) == 1 else f"{len(gpus)} GPUs"
    loads = [gpu.util for gpu in gpus if gpu.util is not None]
    heat = [gpu.temperature for gpu in gpus if gpu.temperature is not None]
    fill = [share for gpu in gpus if (share := memory_share(gpu.memory_used, gpu.memory_total)) is not None]
    load = units.percent(sum(loads) / len(loads) if loads else None)
    return (
        f"{count:<7} {load:>4} busy  {units.percent(max(fill, default=None)):>4} memory"
        f"  {units.temperature(max(heat, default=None), ui.temperature_unit):>5}"
    )
