"""The status of one GPU: its findings, and every field or why it is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gpubox.common import units
from gpubox.common.metrics import GPU, metric
from gpubox.common.rules.rule import Finding, Limits
from gpubox.core.sample import Gpu, memory_share
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import Span, Tone
from gpubox.ui.severity import level, tone_of

NO_REASON = "no value given"
"""Shown when the driver gives no reason."""
_FAILURE = "failure"
"""Metric of the findings about a GPU without readings."""
_JOULES = 3.6e6
"""Joules of a kilowatt-hour."""
_METERED = ("memory",)
"""Metrics whose meter shows everything by its color and sign."""


class Fact(NamedTuple):
    """One field of a GPU."""

    label: str
    value: str
    reason: str = ""
    """Why there is no value."""
    tone: Tone = "text"


def short_name(gpu: Gpu) -> str:
    """Return a card's name without the manufacturer, which is always the same."""
    return clean(gpu.name, 64).removeprefix("NVIDIA ").strip() or "GPU"


def why(gpu: Gpu, field: str) -> str:
    """Return why a field of a card is missing, in the driver's words."""
    said = clean(gpu.missing.get(field, ""), 120)
    if not said and field in ("pcie_rx", "pcie_tx"):
        return "measured while this is open"  # reading it blocks the driver for 40 ms
    return said or NO_REASON


def failed(findings: Sequence[Finding]) -> Finding | None:
    """Return the finding about a GPU without readings, None for one with readings."""
    return next((finding for finding in findings if finding.metric == _FAILURE), None)


def marks(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that a card shows as text; its meters show the others by their colors."""
    return [finding for finding in findings if finding.metric not in _METERED]


def tags(gpu: Gpu) -> list[Span]:
    """Return the kind of card and its modes, none of which is a finding."""
    said: list[tuple[str, str]] = []
    if gpu.mig:
        said.append((f"MIG {len(gpu.mig_instances)}", "cut into instances (Multi-Instance GPU)"))
    if gpu.unified:
        said.append(("unified", "its memory is the system's own"))
    if gpu.encoder:
        said.append((f"enc {units.percent(gpu.encoder)}", "video encoder"))
    if gpu.decoder:
        said.append((f"dec {units.percent(gpu.decoder)}", "video decoder"))
    return [Span(short, "muted", "", text) for short, text in said]


def pcie(gpu: Gpu) -> str:
    """Return the present PCIe generation and lanes, and the card's maximum if higher: `4×8 of 4×16`."""
    here, most = (
        metric(GPU, name).show(metric(GPU, name).of(gpu)) for name in ("pcie_link", "pcie_link_max")
    )
    return here if most in (here, units.DASH) else f"{here} of {most}"


def clocks(now: int | None, most: int | None) -> str:
    """Return a clock and its maximum: `1835/1987MHz`."""
    if now is None:
        return units.DASH
    return units.megahertz(now) if most is None else f"{now}/{most}MHz"


def _of(now: str, most: str) -> str:
    return now if most == units.DASH else f"{now} of {most}"


def _yes(value: bool | None, yes: str = "on", no: str = "off") -> str:
    return units.DASH if value is None else yes if value else no


def _count(value: int | None) -> str:
    return units.DASH if value is None else f"{value:,}"


def facts(gpu: Gpu, limits: Limits, findings: Sequence[Finding]) -> list[tuple[str, list[Fact]]]:
    """Return every field of a card in groups, each with a dash and the reason where it is unknown."""

    def fact(label: str, value: str, field: str, tone: Tone = "text") -> Fact:
        return Fact(label, value, why(gpu, field) if value == units.DASH else "", tone)

    def degrees(value: float | None) -> str:
        return units.temperature(value, limits.temperature_unit)

    share = memory_share(gpu.memory_used, gpu.memory_total)
    memory = _of(units.size(gpu.memory_used), units.size(gpu.memory_total))
    energy = units.DASH if gpu.energy is None else f"{gpu.energy / _JOULES:.2f}kWh"
    rows = gpu.remapped_rows
    remapped = units.DASH if rows is None else f"{rows.correctable} + {rows.uncorrectable} after hard errors"
    return [
        ("Work", [
            fact("Utilization", units.percent(gpu.util), "util"),
            fact("Memory bus busy", units.percent(gpu.memory_util), "memory_util"),
            fact("Memory used", memory + ("" if share is None else f"  {share:.0f}%"), "memory_used",
                 level(share, limits.memory, "text")),
            fact("Encoder", units.percent(gpu.encoder), "encoder"),
            fact("Decoder", units.percent(gpu.decoder), "decoder"),
        ]),
        ("Heat and power", [
            fact("Temperature", degrees(gpu.temperature), "temperature",
                 level(gpu.temperature, limits.temperature, "text")),
            fact("Slows down from", degrees(gpu.temperature_slowdown or None), "temperature_slowdown"),
            fact("Shuts down from", degrees(gpu.temperature_shutdown), "temperature_shutdown"),
            fact("Memory temperature", degrees(gpu.temperature_memory), "temperature_memory"),
            fact("Fan", units.percent(gpu.fan), "fan"),
            fact("Power", _of(units.watts(gpu.power), units.watts(gpu.power_limit)), "power"),
            fact("Energy since load", energy, "energy"),
        ]),
        ("Clocks and link", [
            fact("SM clock", clocks(gpu.clock_sm, gpu.clock_sm_max), "clock_sm"),
            fact("Memory clock", clocks(gpu.clock_memory, gpu.clock_memory_max), "clock_memory"),
            fact("P-state", units.DASH if gpu.pstate is None else f"P{gpu.pstate}", "pstate"),
            fact("PCIe", pcie(gpu), "pcie_gen"),
            fact("PCIe to the card", units.rate(gpu.pcie_rx), "pcie_rx"),
            fact("PCIe from the card", units.rate(gpu.pcie_tx), "pcie_tx"),
        ]),
        ("Health", [
            fact("ECC corrected", _count(gpu.ecc_corrected), "ecc_corrected"),
            fact("ECC uncorrected", _count(gpu.ecc_uncorrected), "ecc_uncorrected",
                 tone_of(findings, "ecc_uncorrected")),
            fact("Remapped rows", remapped, "remapped_rows"),
            fact("Retired pages", _count(gpu.retired_pages), "retired_pages"),
            Fact("Last Xid", "none" if gpu.xid is None else f"{gpu.xid} at {units.clock_time(gpu.xid_at)}"),
        ]),
        ("Setup", [
            fact("MIG", _yes(gpu.mig), "mig"),
            fact("Persistence mode", _yes(gpu.persistence), "persistence"),
            fact("Compute mode", clean(gpu.compute_mode or "") or units.DASH, "compute_mode"),
            fact("Display", _yes(gpu.display_active, "active", "none"), "display_active"),
        ]),
    ]  # fmt: skip


def identity(gpu: Gpu) -> list[Fact]:
    """Return the fields that identify this card."""
    return [
        Fact("Name", clean(gpu.name) or units.DASH),
        Fact("Bus", clean(gpu.bus) or units.DASH),
        Fact("UUID", clean(gpu.uuid) or units.DASH),
    ]
