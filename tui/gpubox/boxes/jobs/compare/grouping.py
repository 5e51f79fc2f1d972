"""Groups records into sides: the runs of one command in one environment belong together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from gpubox.boxes.jobs.wording import command, succeeded
from gpubox.core.record import Record
from gpubox.core.sanitize import clean


@dataclass(frozen=True, slots=True)
class Side:
    """The runs of one command in one environment."""

    label: str
    """Its label in sentences, distinct from other sides; safe to draw."""
    records: tuple[Record, ...]
    """Its runs, in order."""

    @property
    def finished(self) -> tuple[Record, ...]:
        """The runs that ended with exit code 0; only their times are meaningful."""
        return tuple(record for record in self.records if succeeded(record))

    @property
    def last(self) -> Record:
        """The newest run."""
        return self.records[-1]


def sides(records: Sequence[Record]) -> tuple[Side, ...]:
    """Return the sides in the order in which they were given."""
    found: dict[Hashable, list[Record]] = {}
    for record in records:
        found.setdefault(_key(record), []).append(record)
    runs = [sorted(each, key=lambda record: record.started or record.submitted) for each in found.values()]
    labels = _labels([each[-1] for each in runs])
    return tuple(Side(label, tuple(each)) for label, each in zip(labels, runs, strict=True))


def _key(record: Record) -> Hashable:
    spec = record.spec
    if spec.group:
        return "group", spec.group
    variables = tuple(sorted(spec.environment.items()))
    gpus = (spec.gpus.mode, spec.gpus.count, spec.gpus.uuids)
    return (
        spec.argv,
        spec.prefix,
        spec.cwd,
        variables,
        gpus,
        spec.backend,
        tuple(sorted(spec.options.items())),
    )


def gpu_names(record: Record) -> str:
    """Return the GPUs of a job by model: `2 x NVIDIA H200`, or `CPU` for one without."""
    names = [clean(gpu.name, 60) or "GPU" for gpu in record.gpus]
    if not names:
        return (
            "CPU"
            if record.spec.gpus.mode == "none"
            else "all GPUs"
            if record.spec.gpus.mode == "any"
            else "GPU"
        )
    kinds = {name: names.count(name) for name in names}
    return ", ".join(name if count == 1 else f"{count} x {name}" for name, count in kinds.items())


def gpu_model(record: Record) -> str:
    """Return the GPUs of a job by model; empty where the record does not say, as it may have had none."""
    known = all(gpu.name for gpu in record.gpus)
    return gpu_names(record) if known and (record.gpus or record.spec.gpus.mode == "none") else ""


def same_work(them: Sequence[Side]) -> bool:
    """Return whether all sides did the same work: one command, or the sides of one `compare`."""
    specs = [side.last.spec for side in them]
    series = {spec.group.rpartition("-")[0] for spec in specs}
    return len({spec.argv for spec in specs}) <= 1 or (len(series) == 1 and "" not in series)


def _name(record: Record) -> str:
    return clean(record.spec.name, 40)


def _env(record: Record) -> str:
    return clean(record.spec.env, 40)


_LABELS: tuple[Callable[[Record], str], ...] = (
    _name,
    _env,
    lambda record: " ".join(filter(None, (_name(record), _env(record)))),
    lambda record: command(record, 28),
    gpu_model,
    lambda record: " ".join(filter(None, (_env(record), gpu_model(record)))),
    lambda record: f"{clean(record.spec.env or record.spec.name, 24)} {record.id[-6:]}".strip(),
)
"""What distinguishes sides, most significant first: a name that the user gave."""


def _labels(records: Sequence[Record]) -> list[str]:
    for label in _LABELS:
        labels = [label(record) for record in records]
        if len(set(labels)) == len(labels) and all(labels):
            return labels
    return [clean(record.id, 40) for record in records]
