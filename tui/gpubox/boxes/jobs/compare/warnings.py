"""Caveats of a comparison: what failed, what was unfair, and what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import mean

from gpubox.boxes.jobs.compare.grouping import Side, gpu_model, gpu_names, same_work
from gpubox.boxes.jobs.wording import command, outcome, requested_gpus, succeeded
from gpubox.core.env import Package
from gpubox.core.record import Record
from gpubox.core.sanitize import clean

_MANY = 30
"""Most packages that are named; two environments may differ in hundreds."""
_OTHERS = 5
"""How many of them may be unrelated to computing."""
_CROWDED = 100.0
"""Preemptions per CPU second from which a job competed with others; alone it has a few."""

_LEAST_RATIO = 1.05
"""Least ratio of energies and of CPU times that is reported."""
_FRAMEWORKS = (
    *("torch", "pytorch", "tensorflow", "tensorflow-gpu", "tensorflow-cpu", "tensorflow-rocm"),
    *("tensorflow-base", "jax", "jaxlib", "numpy", "python"),
)
_GPU_PARTS = ("cuda", "cudnn", "cublas", "nvidia", "nccl", "triton", "mkl", "openblas")
"""Prefixes of packages that frameworks compute with."""


def notes(them: Sequence[Side], said: Mapping[str, str]) -> list[str]:
    """Return sentences about what failed and what makes the comparison unfair.

    `said` holds the last line of the log, by the id of a job; it may be raw.
    """
    out: list[str] = []
    for side in them:
        out += [*_failures(side, said), *_gpu_notes(side)]
    out += _crowded(them)
    if not same_work(them):
        out.append("They ran different commands: the times may be those of different work")
    models = {gpu_model(side.last) for side in them if side.last.gpus} - {""}
    if len(models) > 1:
        out.append(f"They ran on different GPUs: {' and '.join(sorted(models))}")
    return [*out, *_energy(them)]


def _failures(side: Side, said: Mapping[str, str]) -> list[str]:
    failed = [record for record in side.records if not succeeded(record)]
    if not failed:
        return []
    words = outcome(failed[-1])
    why = clean(failed[-1].ending.why, 160) if failed[-1].ending else ""
    words += f" ({why})" if why else ""
    last = clean(said.get(failed[-1].id, "").strip(), 160)
    words += f"; its last words: {last}" if last else ""
    if any(record.ending is None for record in failed):
        return [f"{side.label} has not ended: {words}"]
    if not side.finished:
        return [f"{side.label} did not finish: {words}"]
    return [
        f"{len(failed)} of {len(side.records)} runs of {side.label} failed: {words}; "
        "the figures are those of the others"
    ]


def _crowded(them: Sequence[Side]) -> list[str]:
    """Return the sides that shared the CPUs with others: their times depend on the box, too."""
    works = [_work(side) for side in them]
    rates = [interruptions / work if work >= 1 else 0.0 for work, interruptions in works]
    found = [
        f"{side.label} was preempted {rate:,.0f} times per second of CPU time"
        for side, rate in zip(them, rates, strict=True)
        if rate >= _CROWDED
    ]
    if not found:
        return []
    inflated = "its time is" if len(found) == 1 else "their times are"
    words = "Other processes, or too many threads, competed for the CPUs: "
    words += f"{', '.join(found)}; {inflated} inflated"
    known = sorted(
        ((work, side) for side, (work, _) in zip(them, works, strict=True) if work >= 1),
        key=lambda pair: pair[0],
    )
    if len(known) > 1 and known[-1][0] / known[0][0] >= _LEAST_RATIO:
        (least, best), (most, other) = known[0], known[-1]
        words += f". In CPU time {best.label} took {most / least:.2g} x less than {other.label}"
    return [words]


def _work(side: Side) -> tuple[float, float]:
    """Return the mean CPU seconds of finished runs, and how often they were preempted."""
    used = [record.usage for record in side.finished if record.usage is not None]
    if not used:
        return 0.0, 0.0
    return mean(usage.user + usage.sys for usage in used), mean(usage.involuntary for usage in used)


def _gpu_notes(side: Side) -> list[str]:
    out: list[str] = []
    ran = [record for record in side.records if record.gpus and record.usage is not None]
    unused = [record for record in ran if not any(gpu.used for gpu in record.gpus)]
    if unused:
        some = "" if len(unused) == len(side.records) else f" in {len(unused)} of {len(side.records)} runs"
        out.append(f"{side.label} never used the GPU that it had{some}")
    gpus = [gpu for record in side.records for gpu in record.gpus]
    strangers = dict.fromkeys(clean(one, 80) for gpu in gpus for one in gpu.shared)
    if strangers:
        shown = ", ".join(list(strangers)[:3]) + (" and others" if len(strangers) > 3 else "")
        out.append(f"{side.label} shared its GPU with {shown}")
    throttled: dict[str, float] = {}
    for gpu in gpus:
        for reason, seconds in gpu.throttled.items():
            throttled[reason] = max(throttled.get(reason, 0.0), seconds)
    slowed = [
        f"{clean(reason, 40)} for {seconds:.0f} s" for reason, seconds in throttled.items() if seconds >= 1
    ]
    if slowed:
        out.append(f"{side.label} was throttled: {', '.join(slowed)}")
    if any(gpu.inferred for gpu in gpus):
        out.append(f"{side.label}: that it used the GPU is guessed from the GPU's memory alone")
    if any(gpu.simulated for gpu in gpus):
        out.append(f"{side.label}: the GPU is simulated")
    return out


def _energy(them: Sequence[Side]) -> list[str]:
    """Return the ratio of energies, where two finished sides have it."""
    known: list[tuple[float, Side]] = []
    for side in them:
        sums = [
            sum(energies)
            for record in side.finished
            if (energies := [gpu.energy for gpu in record.gpus if gpu.energy is not None])
        ]
        if sums and mean(sums) > 0:
            known.append((mean(sums), side))
    if len(known) < 2:
        return []
    known.sort(key=lambda pair: pair[0])
    (least, best), *others = known
    return [
        f"{best.label} took {amount / least:.1f} x less GPU energy than {side.label}"
        for amount, side in others
        if amount / least >= _LEAST_RATIO
    ]


_FACTS: tuple[tuple[str, Callable[[Record], str]], ...] = (
    ("command", command),
    ("environment", lambda record: clean(record.spec.env or record.spec.prefix, 80)),
    ("GPUs wanted", lambda record: requested_gpus(record.spec.gpus)),
    ("GPUs", gpu_names),
    ("box", lambda record: clean(record.host, 60)),
    ("CPU", lambda record: clean(record.cpu_model, 60)),
    ("user", lambda record: clean(record.user, 40)),
    ("backend", lambda record: record.spec.backend),
    ("commit", lambda record: clean(record.commit[:12] + ("+" if record.commit.endswith("+") else ""), 20)),
)


def differences(
    them: Sequence[Side], packages: Mapping[str, Sequence[Package]]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what differs besides the figures, with a value for each side; empty where a side has none."""
    last = [side.last for side in them]
    rows = [(name, tuple(of(record) for record in last)) for name, of in _FACTS]
    names = dict.fromkeys(name for record in last for name in record.spec.environment)
    rows += [(f"${clean(name, 40)}", tuple(_variable(record, name) for record in last)) for name in names]
    labels = tuple(side.label for side in them)
    differing = [row for row in rows if len(set(row[1])) > 1 and row[1] != labels]
    return (*differing, *_packages([packages.get(record.spec.prefix) for record in last]))


def _variable(record: Record, name: str) -> str:
    if name in record.spec.hidden:
        return "(hidden)"
    return clean(record.spec.environment.get(name, ""), 80)


def _packages(lists: Sequence[Iterable[Package] | None]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the packages in which environments differ; none where one of them is unknown."""
    known = [{one.name: one for one in each} for each in lists if each is not None]
    if len(known) < len(lists):
        return []
    names = sorted({name for each in known for name in each}, key=_weight)
    rows: list[tuple[str, tuple[str, ...]]] = []
    for name in names:
        versions = tuple(_version(each.get(name)) for each in known)
        if len(set(versions)) > 1:
            rows.append((clean(name, 60), versions))
    parts = sum(_weight(name)[0] <= len(_FRAMEWORKS) for name, _ in rows)
    most = min(_MANY, parts + _OTHERS) if parts else _MANY
    if len(rows) > most + 1:
        return [*rows[:most], (f"and {len(rows) - most} packages more", ("",) * len(known))]
    return rows


def _weight(name: str) -> tuple[int, str]:
    """Sort key of packages: those that decide a framework's speed come first."""
    plain = name.lower()
    if plain in _FRAMEWORKS:
        return _FRAMEWORKS.index(plain), plain
    return len(_FRAMEWORKS) + (not plain.startswith(_GPU_PARTS)), plain


def _version(package: Package | None) -> str:
    if package is None:
        return ""
    return clean(f"{package.version} {package.build}".strip(), 60)
