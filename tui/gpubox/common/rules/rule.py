"""One row of the table of rules, what it reads, and the finding that it yields."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, NamedTuple, Tuple

from gpubox.common.metrics import GPU, field, metric
from gpubox.common.severity import Severity

Pair = Tuple[float, float]
"""Thresholds: from here a value is a warning, and from here it is critical."""


class Limits(NamedTuple):
    """The thresholds that the user may set, as (warning, critical)."""

    temperature: Pair = (80, 90)
    """Degrees Celsius; a card's own slowdown threshold lowers the second."""
    memory: Pair = (90, 97)
    """Percent of GPU memory in use."""
    host_memory: Pair = (85, 95)
    """Percent of the machine's memory in use."""
    disk: Pair = (85, 95)
    """Percent of a disk in use."""
    temperature_unit: str = "celsius"
    """Unit of temperatures in words: `celsius` or `fahrenheit`."""

    def for_gpu(self, gpu: object) -> Limits:
        """Return the limits of a card; its own slowdown threshold lowers them, never raises them."""
        warning, critical = self.temperature
        slowdown = field(gpu, "temperature_slowdown")
        if slowdown is not None and slowdown > 0:  # some drivers say 0 for none
            critical = min(critical, slowdown)
        return self._replace(temperature=(min(warning, critical), critical))


DEFAULTS = Limits()
"""The thresholds of a user who set none."""


class Finding(NamedTuple):
    """The result of a rule that fired. Text from the box is not cleaned here, but where it is shown."""

    severity: Severity
    code: str
    """Names the rule, for programs: `gpu-too-hot`."""
    subject: str
    """What it is about: `gpu 0`, `host`, `disk /data`, `driver` or `link`."""
    title: str
    """A few words, no full stop."""
    text: str
    """What it means, in a sentence or half of one."""
    hint: str = ""
    """What the user can do now; may be empty."""
    metric: str = ""
    """The metric that the rule judges."""


NOTHING: Mapping[str, str] = {}


class Reading:
    """One record, read by the names of metrics."""

    def __init__(self, subject: str, record: object, limits: Limits = DEFAULTS) -> None:
        self.subject = subject
        self.limits = limits.for_gpu(record) if subject == GPU else limits
        self._record = record
        self._values: dict[str, Any] = {}
        """Values read so far: ten rules judge the same bit mask."""

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            self._values[name] = metric(self.subject, name).of(self._record)
        return self._values[name]

    @property
    def name(self) -> str:
        """The subject of its findings."""
        if self.subject == GPU:
            return f"{GPU} {self['index']}"
        mount = field(self._record, "mount")
        return self.subject if mount is None else f"{self.subject} {mount}"

    def words(self, template: str, values: Mapping[str, str] = NOTHING) -> str:
        """Return a template with the names in braces replaced by `values`, or by formatted metrics."""
        return template.format_map(_Shown(self, values)) if "{" in template else template


class _Shown(Dict[str, str]):
    """Formatted values of a record by metric; text from the box is not parsed again."""

    def __init__(self, reading: Reading, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self._reading = reading

    def __missing__(self, name: str) -> str:
        reading = self._reading
        return metric(reading.subject, name).show(reading[name], reading.limits.temperature_unit)


Condition = Callable[[Any, Reading], bool]
"""Says whether a rule fires, from the value of its metric, which is known, and the rest of the record."""


class Rule(NamedTuple):
    """One row of the table."""

    code: str
    subject: str
    """A subject of the table of metrics, or `driver`."""
    metric: str
    """The metric that it judges. The rule does not fire for a record without it."""
    condition: Condition
    severity: Severity
    title: str
    """Words; names of metrics in braces stand for their values."""
    text: str
    hint: str = ""

    def judge(self, reading: Reading) -> Finding | None:
        """Return the finding of this rule for a record of its subject, or None when it does not fire."""
        value = reading[self.metric]
        if value is None or not self.condition(value, reading):
            return None
        title, text, hint = map(reading.words, (self.title, self.text, self.hint))
        return Finding(self.severity, self.code, reading.name, title, text, hint, self.metric)


def level(value: float | None, limits: Pair) -> Severity | None:
    """Return the severity of a value that should stay below both limits; None if it does, or is unknown."""
    if value is None or value < min(limits):
        return None
    return Severity.CRITICAL if value >= limits[1] else Severity.WARNING


def reaches(limit: str, severity: Severity) -> Condition:
    """Fire when a value is at exactly one level of the named limit."""
    return lambda value, reading: level(value, getattr(reading.limits, limit)) is severity


def some(value: Any, _: Reading) -> bool:
    """Fire for a true value: a count other than 0, a non-empty text, True."""
    return bool(value)
