"""What is known of a job, as labels and texts that are safe to draw: for the panel and the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gpubox.boxes.jobs import wording
from gpubox.boxes.jobs.backends import title_of
from gpubox.common import units
from gpubox.core.record import GpuUse, Record, Usage
from gpubox.core.sanitize import clean


class JobFact(NamedTuple):
    """One line."""

    label: str
    text: str
    """Empty when nothing is known."""


def facts(record: Record) -> list[JobFact]:
    """Return what a job is and how it went."""
    spec, ending, seconds = record.spec, record.ending, wording.seconds(record)
    variables = " ".join(
        f"{clean(name, 60)}={'•••' if name in spec.hidden else clean(value, 80)}"
        for name, value in {**spec.environment, **dict.fromkeys(spec.hidden, "")}.items()
    )
    by = f" by {clean(spec.by, 60)}" if spec.by else ""
    found = [
        JobFact("Id", record.id),
        *_known("Name", clean(spec.name, 200)),
        JobFact("Command", clean(spec.command, 2000)),
        JobFact("Folder", clean(record.cwd or spec.cwd or "~", 400)),
        JobFact("Environment", clean(f"{spec.env}  {spec.prefix}", 400).strip()),
        *_known("Login", "" if spec.login else "without the environment of one"),
        JobFact("Variables", variables),
        JobFact("GPUs", wording.gpus_in_full(record)),
        JobFact("State", wording.state_line(record)),
        JobFact("Submitted", wording.clock(record.submitted) + by),
        JobFact("Started", wording.clock(record.started)),
        JobFact("Ended", wording.clock(record.ended)),
        *_known("For", units.duration(seconds) if record.usage is None and seconds is not None else ""),
        JobFact("Activation", precise(record.activation) if record.activation is not None else ""),
        JobFact("Time limit", units.duration(spec.limit) if spec.limit else "none"),
        *_known(title_of(spec.backend), " ".join(clean(word, 40) for word in _in_queue(record))),
        JobFact("Host", f"{clean(record.host, 60)}, {clean(record.cpu_model, 80)}".strip(", ")),
        JobFact("Git commit", clean(record.commit, 60)),
        JobFact("Warning", clean(record.warning, 400)),
        JobFact("Log", units.size(record.log_bytes)),
        JobFact("Record", clean(record.folder, 400)),
    ]
    if ending is not None:
        left = ", ".join(map(str, ending.leftovers))
        found += _known("Why", clean(ending.why, 400))
        found += _known("Core", clean(ending.core_file, 400))
        found += _known("Left behind", f"processes {left}, which were ended" if left else "")
    return found + _known("Results", clean(", ".join(record.results), 800))


def _known(label: str, text: str) -> list[JobFact]:
    return [JobFact(label, text)] if text else []


def _in_queue(record: Record) -> tuple[str, ...]:
    return (record.queue_id, *record.spec.options.values()) if record.queue_id else ()


def times(usage: Usage) -> list[JobFact]:
    """Return the figures of GNU time, under its names."""
    everything = f"{units.size(usage.peak_tree)} at once" if usage.peak_tree is not None else ""
    return [
        JobFact("Elapsed", precise(usage.real)),
        JobFact("User", precise(usage.user)),
        JobFact("System", precise(usage.sys)),
        JobFact("CPU", f"{usage.cpu:.0f}%"),
        JobFact("Largest", largest(usage)),
        JobFact("All memory", everything),
        JobFact("Page faults", f"{usage.major_faults} from disk, {usage.minor_faults} from memory"),
        JobFact("Switches", f"{usage.voluntary} by itself, {usage.involuntary} made to"),
        JobFact("Disk", f"{units.size(512 * usage.inputs)} read, {units.size(512 * usage.outputs)} written"),
    ]


def largest(usage: Usage) -> str:
    """Return the memory of the largest process; below the floor the kernel's figure is that of its parent."""
    return units.size(usage.max_rss) if usage.max_rss > usage.floor else f"< {units.size(usage.floor)}"


def gpu_name(gpu: GpuUse) -> str:
    """Return the index and the model of a GPU that a job used."""
    name = clean(gpu.name, 40).removeprefix("NVIDIA ").removeprefix("GeForce ")
    return f"GPU {gpu.index if gpu.index >= 0 else '?'} {name}".rstrip()


def gpu_figures(gpu: GpuUse) -> Iterator[str]:
    """Yield what a job took of a GPU."""
    if gpu.simulated:
        yield "simulated"
    if gpu.mean_util is not None:
        busy = f", {gpu.busy_util:.0f}% while busy" if gpu.busy_util is not None else ""
        yield f"util {gpu.mean_util:.0f}%{busy}"
    if gpu.peak_memory is not None:
        of = f" of {units.size(gpu.memory_total)}" if gpu.memory_total else ""
        yield f"memory {units.size(gpu.peak_memory)}{of}"
    if gpu.mean_power is not None:
        yield f"{units.watts(gpu.mean_power)}, at most {units.watts(gpu.max_power)}"
    if gpu.energy is not None:
        yield f"{gpu.energy:.0f} J" if gpu.energy < 3600 else f"{gpu.energy / 3600:.1f} Wh"
    if gpu.max_temperature is not None:
        yield f"at most {units.celsius(gpu.max_temperature)}"


def gpu_notes(gpu: GpuUse) -> Iterator[str]:
    """Yield the caveats of a GPU's figures."""
    name = f"GPU {gpu.index}" if gpu.index >= 0 else "the GPU"
    if not gpu.used and gpu.mean_util is not None:
        yield f"! it never used {name}"
    if gpu.inferred:
        yield f"! that it used {name} is guessed from the memory alone"
    if gpu.shared:
        yield f"! {name} was shared with {clean(', '.join(gpu.shared), 200)}"
    for reason, seconds in gpu.throttled.items():
        if seconds >= 1:
            why = clean(reason.replace("_", " "), 60)
            yield f"! {name} was slowed down for {units.duration(seconds)}: {why}"


def precise(seconds: float) -> str:
    """Format a span for comparison: `13.20 s` under two minutes, else in its largest units."""
    return f"{seconds:.2f} s" if seconds < 120 else units.duration(seconds)
