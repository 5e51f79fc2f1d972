"""Every rule of the table of alerts is raised by its script, once, and cleared by it."""

from __future__ import annotations

import json

import pytest
from msgspec import convert

from gpubox.common.alerts.tracker import AlertTracker
from gpubox.common.metrics import LINK
from gpubox.common.rules.alerts.table import ALERT_RULES, NOT_JUDGED, unreadable
from gpubox.core.sample import Sample
from tests import samples
from tests.common.alerts.scripts import SCRIPTS, Player, sample


@pytest.mark.parametrize("code", [rule.code for rule in ALERT_RULES])
def test_each_rule_is_raised_by_its_script_once_and_cleared_by_it(code: str) -> None:
    script, player = SCRIPTS[code], Player()
    assert player.play(code, script.before, 60, script.step) == []
    if script.early:
        assert player.play(code, script.during, script.early, script.step) == []
        again = Player()
        again.play(code, script.before, 60, script.step)
        player = again
    (raised,) = player.play(code, script.during, script.seconds, script.step)
    assert raised.raised
    assert raised.alert.title
    assert "{" not in raised.alert.title + raised.alert.text + raised.alert.hint
    assert player.play(code, script.during, script.step, script.step) == []
    if script.acknowledged:
        after = script.after or script.before
        assert player.play(code, after, 7200, script.step) == []
        (cleared,) = player.tracker.acknowledge(raised.alert.key, player.now)
        assert player.play(code, after, 7200, script.step) == []
    else:
        (cleared,) = player.play(code, script.after or script.before, script.rest, script.step)
    assert not cleared.raised
    assert cleared.alert.key == raised.alert.key


@pytest.mark.parametrize("code", [rule.code for rule in ALERT_RULES])
def test_each_raised_alert_survives_a_restart_and_is_not_raised_again(code: str) -> None:
    script, player = SCRIPTS[code], Player()
    player.play(code, script.before, 60, script.step)
    (raised,) = player.play(code, script.during, script.seconds, script.step)
    state = json.loads(json.dumps(player.tracker.state()))
    other = Player(AlertTracker())
    assert other.tracker.restore(state)
    assert raised.alert.key in {alert.key for alert in other.tracker.active}
    other.now = player.now + 5
    seconds = script.seconds

    def on(passed: float) -> object:
        return script.during(seconds + passed)

    assert other.play(code, on, 60, script.step) == []


def test_every_script_is_of_a_rule() -> None:
    assert set(SCRIPTS) == {rule.code for rule in ALERT_RULES}


def test_codes_and_families_are_in_order() -> None:
    codes = [*(rule.code for rule in ALERT_RULES), *(one.code for one in NOT_JUDGED)]
    assert len(set(codes)) == len(codes)
    for rule in ALERT_RULES:
        assert rule.text or rule.title.startswith("{")
        assert rule.raised_when
        assert rule.cleared_when


def test_a_box_says_what_cannot_fire_there() -> None:
    why = {rule.code: unreadable(rule, {"gpus": [{"index": 0}]}) for rule in ALERT_RULES}
    assert why["gpu-fan-stopped"] == "no reading for speed of the fan"
    assert why["host-rebooted"] == ""
    assert unreadable(ALERT_RULES[0], {}) == ""
    none = {rule.code: unreadable(rule, {"host": {}}) for rule in ALERT_RULES}
    assert none["gpu-missing"] == "there is no GPU"
    assert none["disk-full"] == "no disk is read"
    assert all(not unreadable(rule, sample()) for rule in ALERT_RULES if rule.subject != LINK)


@pytest.mark.parametrize("name", samples.BUILDERS)
def test_records_as_structs_and_as_dicts_give_the_same_alerts(name: str) -> None:
    from msgspec import to_builtins

    struct, plain = Player(), Player()
    shown = samples.BUILDERS[name]()
    struct.play("gpu-too-hot", lambda _: shown, 700)
    plain.play("gpu-too-hot", lambda _: to_builtins(shown), 700)
    assert struct.changes == plain.changes
    assert convert(to_builtins(shown), Sample) == shown
