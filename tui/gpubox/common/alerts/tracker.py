"""Follows samples of one box, and says when an alert is raised and when it is cleared."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Set

from gpubox.common.alerts.alert import Alert, AlertChange
from gpubox.common.alerts.clock import ObservedClock
from gpubox.common.alerts.subjects import Groups, link_group, sample_groups
from gpubox.common.alerts.track import Track
from gpubox.common.metrics import LINK, field
from gpubox.common.rules.alerts.alert_rule import AlertRule, Moment, Observation
from gpubox.common.rules.alerts.table import ALERT_RULES, BY_CODE
from gpubox.common.rules.rule import DEFAULTS, Limits

VERSION = 1
"""Of the state; one of another version is dropped."""
FORGET = 600.0
"""Observed seconds without a reading after which an alert is cleared: its disk or card is gone."""
TICK = 5.0
"""Seconds between two looks at a link, at most."""
_MOST = 2000
"""Rules and subjects that are remembered; a box that keeps renaming its disks must not fill this machine."""
_STRONGEST_FIRST = tuple(sorted(ALERT_RULES, key=lambda rule: -rule.severity))


class AlertTracker:
    """The alerts of one box. A record is a struct of `core.sample` or a dict of the same fields.

    Time is that for which the box was observed: a gap in the samples, or a clock that is set, neither raises
    nor clears anything.
    """

    def __init__(self, limits: Limits = DEFAULTS) -> None:
        self.limits = limits
        self._active: Dict[str, Alert] = {}
        self._tracks: Dict[str, Track] = {}
        self._box: Dict[str, Any] = {}
        self._clock, self._link_clock = ObservedClock(), ObservedClock()

    @property
    def active(self) -> Sequence[Alert]:
        """The alerts that are raised and not cleared: the most severe first, then the oldest."""
        return sorted(self._active.values(), key=lambda alert: (-alert.severity, alert.since))

    def feed(self, sample: object, now: float) -> List[AlertChange]:
        """Judge a sample, and return what was raised and cleared by it; `now` is its time."""
        moment = self._clock.step(now, field(sample, "interval") or 1.0)
        groups = sample_groups(sample, self.limits, self._box, moment)
        return self._judge(groups, moment, [rule for rule in _STRONGEST_FIRST if rule.subject != LINK])

    def feed_link(self, record: object, now: float) -> List[AlertChange]:
        """Judge a record of the link, which has to come every `TICK` seconds; returns as `feed` does."""
        moment = self._link_clock.step(now, TICK)
        groups = link_group(record, self.limits, self._box, moment)
        return self._judge(groups, moment, [rule for rule in _STRONGEST_FIRST if rule.subject == LINK])

    def acknowledge(self, key: str, now: float) -> List[AlertChange]:
        """Mark an alert as seen; what stays until then is cleared, and so is a card that was taken out."""
        alert = self._active.get(key)
        if alert is None:
            return []
        gone = alert.code == "gpu-missing"
        if gone:
            self._box.get("gpus", {}).pop(alert.about, None)
        if gone or BY_CODE[alert.code].stays is not None:
            return [self._clear(key, now)]
        self._active[key] = alert._replace(acknowledged=True)
        return []

    def state(self) -> Dict[str, Any]:
        """Return what has to survive a restart, as JSON can hold it."""
        return {
            "v": VERSION,
            "clock": self._clock.clock,
            "link_clock": self._link_clock.clock,
            "active": [alert.row() for alert in self._active.values()],
            "tracks": {key: track.row() for key, track in self._tracks.items()},
            "box": self._box,
        }

    def restore(self, state: Mapping[str, Any]) -> bool:
        """Continue from a state; returns False for a damaged one, or one of another version."""
        try:
            if state["v"] != VERSION:
                return False
            alerts = [Alert.of(row) for row in state["active"] if row["code"] in BY_CODE]
            tracks = {str(key): Track.of(row) for key, row in state["tracks"].items()}
            clocks = ObservedClock(float(state["clock"])), ObservedClock(float(state["link_clock"]))
            box = dict(state["box"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return False
        self._active = {alert.key: alert for alert in alerts}
        self._tracks, self._box = tracks, box
        self._clock, self._link_clock = clocks
        return True

    def _judge(self, groups: Groups, moment: Moment, rules: Sequence[AlertRule]) -> List[AlertChange]:
        changes: List[AlertChange] = []
        judged: Set[str] = set()
        for rule in rules:
            for about, views in groups.get(rule.subject, {}).items():
                key = f"{rule.code} {about}"
                judged.add(key)
                changes += self._judge_one(rule, key, views, moment)
        codes = {rule.code for rule in rules}
        for key in [key for key, alert in self._active.items() if key not in judged and alert.code in codes]:
            changes += self._unread(BY_CODE[self._active[key].code], key, self._tracks[key], moment)
        self._forget(judged)
        return changes

    def _judge_one(
        self, rule: AlertRule, key: str, views: Sequence[Observation], moment: Moment
    ) -> List[AlertChange]:
        track = self._tracks.setdefault(key, Track())
        readable = [view for view in views if all(view[name] is not None for name in rule.needs)]
        if not readable:
            return self._unread(rule, key, track, moment)
        track.unread = None
        view = readable[0]
        fires: Optional[bool] = None
        for view in readable:
            view.begin(track.memory, key in self._active)
            fires = rule.fires(view)
            if fires:
                break
        if rule.stays is not None:
            return self._happens(rule, key, track, view, fires)
        if fires is None:
            track.pause(moment)
        elif fires:
            if track.holds(moment, rule.hold):
                return self._raise(rule, key, track, view)
        elif track.rests(moment, rule.calm) and key in self._active:
            return [self._clear(key, moment.now)]
        return []

    def _happens(
        self, rule: AlertRule, key: str, track: Track, view: Observation, fires: Optional[bool]
    ) -> List[AlertChange]:
        """Judge a rule about something that happens once, and stays raised for a time."""
        moment = view.moment
        if fires:
            if track.holds(moment, rule.hold):
                changes = self._raise(rule, key, track, view)
                rule.happened(view)
                track.pending = None
                return changes
        else:
            track.pending = None
        if key in self._active and rule.over(view):
            return [self._clear(key, moment.now)]
        return self._expire(rule, key, track, moment)

    def _expire(self, rule: AlertRule, key: str, track: Track, moment: Moment) -> List[AlertChange]:
        stays = rule.stays
        if key in self._active and stays is not None and moment.clock - track.raised >= stays:
            return [self._clear(key, moment.now)]
        return []

    def _unread(self, rule: AlertRule, key: str, track: Track, moment: Moment) -> List[AlertChange]:
        if rule.stays is not None:
            return self._expire(rule, key, track, moment)
        if track.is_lost(moment, FORGET) and key in self._active:
            return [self._clear(key, moment.now)]
        return []

    def _raise(self, rule: AlertRule, key: str, track: Track, view: Observation) -> List[AlertChange]:
        """Raise an alert, or renew the words of a raised one; weaker ones of its family are cleared."""
        moment, old = view.moment, self._active.get(key)
        if old is None and self._suppressed(rule, view.about):
            return []
        title, text, hint = map(view.words, (rule.title, rule.text, rule.hint))
        alert = Alert(
            rule.code,
            view.reading.name,
            rule.severity,
            title,
            text,
            hint,
            moment.now,
            str(field(view.record, "uuid") or ""),
        )
        track.raised = moment.clock
        if old is not None:
            self._active[key] = alert._replace(since=old.since, acknowledged=old.acknowledged)
            return []
        self._active[key] = alert
        weaker = [one for one in self._family(rule, view.about) if one.severity < rule.severity]
        return [*(self._clear(one.key, moment.now) for one in weaker), AlertChange(alert, True, moment.now)]

    def _suppressed(self, rule: AlertRule, about: str) -> bool:
        return any(one.severity > rule.severity for one in self._family(rule, about))

    def _family(self, rule: AlertRule, about: str) -> List[Alert]:
        return [
            one
            for one in self._active.values()
            if BY_CODE[one.code].family == rule.family
            and BY_CODE[one.code].subject == rule.subject
            and (one.about or one.subject) == about
        ]

    def _clear(self, key: str, now: float) -> AlertChange:
        track = self._tracks.get(key)
        if track is not None:
            track.pending = track.calm = track.unread = None
        return AlertChange(self._active.pop(key), False, now)

    def _forget(self, judged: Set[str]) -> None:
        """Drop the tracks that remember nothing, and, of too many, those of subjects that are gone."""
        crowded = len(self._tracks) > _MOST
        for key in [
            key
            for key, track in self._tracks.items()
            if key not in self._active and (track.blank or (crowded and key not in judged))
        ]:
            del self._tracks[key]
