"""One row of the table of alerts, and what its condition is judged by."""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from gpubox.common.metrics import field
from gpubox.common.rules.rule import Limits, Reading, Rule
from gpubox.common.severity import Severity

Memory = Dict[str, Any]
"""What a rule remembers from sample to sample; JSON can hold it."""
HOUR = 3600.0
"""Seconds for which something that happened once stays raised, unless it is acknowledged before."""
UNTIL_ACKNOWLEDGED = float("inf")
"""Stands for seconds: it stays raised until somebody acknowledges it."""


class Moment(NamedTuple):
    """When a sample was judged."""

    now: float
    """Its time, in seconds since the epoch; a clock may be set in between."""
    clock: float = 0.0
    """Seconds for which the box was observed: it stands still while no samples come, and never goes back."""
    elapsed: float = 0.0
    """Seconds of it since the last sample."""
    gap: bool = True
    """Whether samples are missing between the last one and this."""


class Observation:
    """One record of a sample, with what is known of the time before it."""

    def __init__(self, reading: Reading, record: object, sample: object, box: Memory, moment: Moment) -> None:
        self.reading = reading
        self.about = str(field(record, "uuid") or reading.name)
        """Names the subject; stays the same when a GPU gets another number."""
        self.record = record
        self.sample = sample
        self.box = box
        """What is remembered of the whole box."""
        self.moment = moment
        self.memory: Memory = {}
        """What the rule remembers of this subject."""
        self.active = False
        """Whether the alert of the rule is raised."""
        self.values: Dict[str, str] = {}
        """Words that the condition worked out, for the templates of the rule."""

    def begin(self, memory: Memory, active: bool) -> None:
        """Begin the judgment of a rule, with what it remembers."""
        self.memory, self.active, self.values = memory, active, {}

    def __getitem__(self, name: str) -> Any:
        return self.reading[name]

    @property
    def limits(self) -> Limits:
        """The thresholds of the user, and of the card."""
        return self.reading.limits

    def words(self, template: str) -> str:
        """Return a template with the names in braces replaced by values of metrics or of the condition."""
        return self.reading.words(template, self.values)


Fires = Callable[[Observation], Optional[bool]]
"""Says whether a condition holds; None where it cannot be judged now, which neither raises nor clears."""


def _nothing(_: Observation) -> None:
    pass


def _never(_: Observation) -> bool:
    return False


class AlertRule(NamedTuple):
    """One row of the table."""

    code: str
    subject: str
    """A subject of the table of metrics, `driver` or `link`."""
    family: str
    """A stronger alert of the same family and subject suppresses a weaker one."""
    needs: Tuple[str, ...]
    """The metrics without which it cannot fire."""
    fires: Fires
    severity: Severity
    title: str
    text: str
    hint: str
    raised_when: str
    """The condition in words, for people."""
    cleared_when: str
    hold: float = 0.0
    """Seconds for which the condition has to hold before it is raised."""
    calm: float = 0.0
    """Seconds without the condition after which it is cleared."""
    stays: Optional[float] = None
    """Seconds after which something that happened once is cleared; None clears with the condition."""
    happened: Callable[[Observation], None] = _nothing
    """Called when it is raised: remembers that this was said."""
    over: Callable[[Observation], bool] = _never
    """Clears one that stays before its time: a reboot was seen, for example."""


def words_of(rule: Rule, title: str = "") -> Tuple[Severity, str, str, str]:
    """Return severity, title, text and hint of a rule without a memory, for its row here."""
    return rule.severity, title or rule.title, rule.text, rule.hint


def by_rule(rule: Rule) -> Fires:
    """Return the condition of a rule without a memory."""

    def fires(view: Observation) -> bool:
        value = view[rule.metric]
        return value is not None and rule.condition(value, view.reading)

    return fires


def above(name: str, limit: Callable[[Observation], float], gap: float) -> Fires:
    """Fire from a limit on; a raised alert stays until the value is below it by `gap`."""

    def fires(view: Observation) -> bool:
        return view[name] >= limit(view) - (gap if view.active else 0.0)

    return fires
