"""What there is to say about one GPU: what is wrong, and every field or why it is missing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from gpubox.common import units
from gpubox.common.severity import Severity
from gpubox.common.throttle import reasons
from gpubox.config.settings import Settings
from gpubox.core.sample import Gpu, memory_share
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import Tone, level

NO_REASON = "no value given"
"""Stands where the driver did not even say why."""
_BUSY = 2
"""Up to this P-state the PCIe link should run at full speed; an idle card slows it down on purpose."""
_TONES: dict[Severity, Tone] = {Severity.INFO: "muted", Severity.WARNING: "warn", Severity.CRITICAL: "alarm"}


class Mark(NamedTuple):
    """One thing worth saying about a GPU."""

    tone: Tone
    short: str
    text: str
    """The whole story, for hover and details."""


class Fact(NamedTuple):
    """One field of a GPU."""

    label: str
    value: str
    reason: str = ""
    """Why there is no value."""
    tone: Tone = "text"


@dataclass(frozen=True, slots=True)
class GpuLimits:
    """From where the readings of one card are marked."""

    temperature: tuple[float, float]
    memory: tuple[float, float]
    unit: str = "celsius"

    @classmethod
    def of(cls, gpu: Gpu, settings: Settings) -> GpuLimits:
        """Return the limits of a card; its own slowdown threshold lowers the alarm, never raises it."""
        warn, alarm = settings.thresholds.temperature
        if (
            gpu.temperature_slowdown is not None and gpu.temperature_slowdown > 0
        ):  # some drivers say 0 for none
            alarm = min(alarm, gpu.temperature_slowdown)
        return cls((min(warn, alarm), alarm), settings.thresholds.memory, settings.ui.temperature_unit)

    def of_degrees(self, value: float) -> Tone:
        """Return the tone of a temperature of this card."""
        return level(value, self.temperature)

    def of_temperature(self, gpu: Gpu) -> Tone:
        """Return the tone of a card's temperature."""
        return level(gpu.temperature, self.temperature)

    def of_memory(self, gpu: Gpu, calm: Tone = "memory") -> Tone:
        """Return the tone of how full a card's memory is."""
        return level(memory_share(gpu.memory_used, gpu.memory_total), self.memory, calm)


def short_name(gpu: Gpu) -> str:
    """Return a card's name without the maker, which is always the same."""
    return clean(gpu.name, 64).removeprefix("NVIDIA ").strip() or "GPU"


def clock_time(seconds: float | None) -> str:
    """Return a moment as this machine's time of day, such as 12:03:11."""
    if seconds is None:
        return ""
    moment = time.localtime(seconds)
    return f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}"


def why(gpu: Gpu, field: str) -> str:
    """Return why a field of a card is missing, in the driver's words."""
    said = clean(gpu.missing.get(field, ""), 120)
    if not said and field in ("pcie_rx", "pcie_tx"):
        return "measured while this is open"  # reading it stops the driver for 40 ms
    return said or NO_REASON


def lost_words(gpu: Gpu) -> tuple[str, ...]:
    """Return what happened to a GPU that gives no readings, and what to do now; empty when it is well."""
    if gpu.lost_at is None and gpu.fault is None:
        return ()
    said = clean(gpu.fault or "GPU is lost", 120)
    number = f" (Xid {gpu.xid})" if gpu.xid is not None else ""
    if "reset" in said.lower():
        return (
            f"The driver says: {said}{number}. What ran on it has ended.",
            f"Stop what still holds it, then `nvidia-smi --gpu-reset -i {gpu.index}`, or reboot the box.",
        )
    if gpu.lost_at is None:
        return (f"The driver says: {said}{number}.", "`journalctl -k | grep -iE 'nvrm|xid'` tells more.")
    return (
        f"{said}: the card no longer answers, and what ran on it has ended.",
        "Reboot the box. If it comes again, check seat, riser and power cables; `journalctl -k` tells more.",
    )


def marks(gpu: Gpu, limits: GpuLimits) -> list[Mark]:
    """Return what is worth saying about a card, the most worrying first."""
    found = [*_heat(gpu, limits), *_memory_health(gpu), *_link(gpu), *_throttle(gpu), *_calm(gpu)]
    order: dict[Tone, int] = {"alarm": 0, "warn": 1}
    return sorted(found, key=lambda mark: order.get(mark.tone, 2))


def _heat(gpu: Gpu, limits: GpuLimits) -> Iterator[Mark]:
    tone = limits.of_temperature(gpu)
    slowed = any("hot" in reason.short for reason in reasons(gpu.throttle))
    if tone in ("warn", "alarm") and not slowed:
        slowdown = units.temperature(gpu.temperature_slowdown, limits.unit)
        yield Mark(tone, "too hot" if tone == "alarm" else "warm", f"it slows down from {slowdown}")


def _memory_health(gpu: Gpu) -> Iterator[Mark]:
    if gpu.fault is not None:
        yield Mark("alarm", clean(gpu.fault, 24), f"the driver says: {clean(gpu.fault, 120)}")
    if gpu.xid is not None:
        text = f"last Xid error event {gpu.xid}, at {clock_time(gpu.xid_at)}; see NVIDIA's list of Xid errors"
        yield Mark("alarm", f"Xid {gpu.xid}", text)
    if gpu.ecc_uncorrected:
        text = "memory errors that ECC could not correct since the driver was loaded"
        yield Mark("alarm", f"{gpu.ecc_uncorrected} ECC errors", text)
    rows = gpu.remapped_rows
    if rows is not None and rows.failed:
        yield Mark("alarm", "row remap failed", "no spare memory rows are left: replace the card")
    if rows is not None and rows.pending:
        yield Mark("warn", "remap pending", "bad memory rows are replaced at the next reset of the card")
    elif rows is not None and rows.uncorrectable:
        yield Mark("warn", f"{rows.uncorrectable} rows remapped", "memory rows replaced after hard errors")
    if gpu.retired_pages:
        yield Mark("warn", f"{gpu.retired_pages} pages retired", "memory pages taken out of use")
    if gpu.ecc_corrected:
        text = "memory errors that ECC corrected since the driver was loaded"
        yield Mark("muted", f"{gpu.ecc_corrected} ECC corrected", text)


def _link(gpu: Gpu) -> Iterator[Mark]:
    narrow = gpu.pcie_width and gpu.pcie_width_max and gpu.pcie_width < gpu.pcie_width_max
    busy = gpu.pstate is not None and gpu.pstate <= _BUSY
    slow = busy and gpu.pcie_gen and gpu.pcie_gen_max and gpu.pcie_gen < gpu.pcie_gen_max
    if narrow or slow:
        text = f"slot or riser give {_lanes(gpu.pcie_gen, gpu.pcie_width)} of the card's {_most(gpu)}"
        # two cards on a desktop board share its lanes: 8 of 16 is how it was built
        tone: Tone = "muted" if not slow and gpu.pcie_width and gpu.pcie_width >= 8 else "warn"
        yield Mark(tone, f"PCIe {_lanes(gpu.pcie_gen, gpu.pcie_width)}", text)


def _throttle(gpu: Gpu) -> Iterator[Mark]:
    for reason in reasons(gpu.throttle):
        yield Mark(_TONES[reason.severity], reason.short, reason.text)


def _calm(gpu: Gpu) -> Iterator[Mark]:
    if gpu.mig:
        yield Mark("muted", f"MIG {len(gpu.mig_instances)}", "cut into instances (Multi-Instance GPU)")
    if gpu.unified:
        yield Mark("muted", "unified", "its memory is the system's own")
    if gpu.encoder:
        yield Mark("muted", f"enc {units.percent(gpu.encoder)}", "video encoder")
    if gpu.decoder:
        yield Mark("muted", f"dec {units.percent(gpu.decoder)}", "video decoder")


def _lanes(generation: int | None, width: int | None) -> str:
    if generation is None and width is None:
        return units.DASH
    return f"{generation or '?'}×{width or '?'}"


def _most(gpu: Gpu) -> str:
    return _lanes(gpu.pcie_gen_max, gpu.pcie_width_max)


def pcie(gpu: Gpu) -> str:
    """Return generation and lanes now, and what the card can where that is more: `4×8 of 4×16`."""
    most = _most(gpu)
    here = _lanes(gpu.pcie_gen, gpu.pcie_width)
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


def facts(gpu: Gpu, limits: GpuLimits) -> list[tuple[str, list[Fact]]]:
    """Return every field of a card in groups, each with a dash and the reason where it is unknown."""

    def fact(label: str, value: str, field: str, tone: Tone = "text") -> Fact:
        return Fact(label, value, why(gpu, field) if value == units.DASH else "", tone)

    def degrees(value: float | None) -> str:
        return units.temperature(value, limits.unit)

    share = memory_share(gpu.memory_used, gpu.memory_total)
    memory = _of(units.size(gpu.memory_used), units.size(gpu.memory_total))
    energy = units.DASH if gpu.energy is None else f"{gpu.energy / 3.6e6:.2f}kWh"
    rows = gpu.remapped_rows
    remapped = units.DASH if rows is None else f"{rows.correctable} + {rows.uncorrectable} after hard errors"
    return [
        ("Work", [
            fact("Utilization", units.percent(gpu.util), "util"),
            fact("Memory bus busy", units.percent(gpu.memory_util), "memory_util"),
            fact("Memory used", memory + ("" if share is None else f"  {share:.0f}%"), "memory_used",
                 limits.of_memory(gpu, "text")),
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
                 "alarm" if gpu.ecc_uncorrected else "text"),
            fact("Remapped rows", remapped, "remapped_rows"),
            fact("Retired pages", _count(gpu.retired_pages), "retired_pages"),
            Fact("Last Xid", "none" if gpu.xid is None else f"{gpu.xid} at {clock_time(gpu.xid_at)}"),
        ]),
        ("Setup", [
            fact("MIG", _yes(gpu.mig), "mig"),
            fact("Persistence mode", _yes(gpu.persistence), "persistence"),
            fact("Compute mode", clean(gpu.compute_mode or "") or units.DASH, "compute_mode"),
            fact("Display", _yes(gpu.display_active, "active", "none"), "display_active"),
        ]),
    ]  # fmt: skip


def identity(gpu: Gpu) -> list[Fact]:
    """Return what tells this card from all others."""
    return [
        Fact("Name", clean(gpu.name) or units.DASH),
        Fact("Bus", clean(gpu.bus) or units.DASH),
        Fact("UUID", clean(gpu.uuid) or units.DASH),
    ]
