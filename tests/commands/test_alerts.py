"""`gpubox-tui alerts`: lists what is stored, acknowledges, mutes, tries outlets, says what cannot fire."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gpubox.commands import alert_report
from gpubox.common.alerts.alert import Alert
from gpubox.common.rules.alerts.table import ALERT_RULES
from gpubox.common.severity import Severity
from gpubox.config.settings import HistorySettings
from gpubox.store import store as store_module
from gpubox.store.alerts import AlertRecord
from gpubox.store.store import Store
from tests.commands import test_docs
from tests.commands.run import Ran, here

HOT = Alert("gpu-too-hot", "gpu 0", Severity.CRITICAL, "Too \x1b[31mhot", "It is", "Cool it", 5.0, "GPU-a")
FULL = Alert("disk-full", "disk /data", Severity.CRITICAL, "Full", "1B free", "", 6.0)
OLD = Alert("gpu-power-brake", "gpu 0", Severity.WARNING, "Power brake", "It brakes", "", 1.0, "GPU-a")


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with two active alerts of `local` and one that is over."""
    path = tmp_path / "history.sqlite"
    monkeypatch.setattr(store_module, "default_path", lambda: path)

    async def fill() -> None:
        with Store(path, HistorySettings()) as store:
            for alert in (OLD, HOT, FULL):
                assert await store.alerts.add("local", alert)
            await store.alerts.clear("local", OLD.key, 3.0)
            await store.alerts.write_state("local", {}, 7.0)

    asyncio.run(fill())
    return path


def alerts(*words: str) -> Ran:
    return here("alerts", "local", *words)


def listed() -> dict[str, dict[str, object]]:
    found = json.loads(alerts("list", "--json").out)
    return {one["code"]: one for one in found["alerts"]}


def test_active_alerts_are_listed_first_with_what_to_do() -> None:
    ran = alerts()
    lines = ran.out.splitlines()
    assert [line.split()[1] for line in lines[1:4]] == ["critical", "critical", "warning"]
    assert lines[3].endswith("over after 2s")
    assert "   → Cool it" in lines
    assert "\x1b" not in ran.out
    assert "judged" in ran.err
    assert len(alerts("list", "--active").out.splitlines()) < len(lines)


def test_the_list_as_json_has_what_is_documented() -> None:
    found = json.loads(alerts("list", "--json").out)
    assert (found["box"], found["judged"], found["mutes"]) == ("local", 7.0, [])
    assert found["alerts"][0]["title"] == HOT.title


def test_an_alert_is_acknowledged_by_its_number_its_rule_or_with_all() -> None:
    number = str(listed()["disk-full"]["id"])
    assert alerts("ack", number).status == 0
    assert listed()["disk-full"]["acknowledged"] is not None
    assert alerts("ack", "gpu-too-hot").status == 0
    assert listed()["gpu-too-hot"]["acknowledged"] is not None
    assert alerts("ack", "all").status == 0
    ran = alerts("ack", "gpu-power-brake")
    assert ran.status == 1
    assert "no active alert gpu-power-brake" in ran.err


@pytest.mark.parametrize(
    ("what", "muted"),
    [("gpu-too-hot", ["gpu-too-hot"]), ("gpu 0", ["gpu-too-hot"]), ("box", ["disk-full", "gpu-too-hot"])],
)
def test_what_is_muted_is_said_and_undone(what: str, muted: list[str]) -> None:
    assert "until 2" in alerts("mute", what, "--for", "2h").out
    assert sorted(code for code, one in listed().items() if one["muted"]) == muted
    assert alerts("unmute", what).status == 0
    assert not any(one["muted"] for one in listed().values())
    assert alerts("unmute", what).status == 1
    assert "over or unmuted" in alerts("mute", what).out
    assert alerts("unmute", "all").status == 0
    assert not any(one["muted"] for one in listed().values())


def test_a_wrong_time_is_a_usage_error() -> None:
    assert alerts("mute", "box", "--for", "soon").status == 2


def test_a_test_says_what_each_outlet_did_and_runs_the_command(tmp_path: Path) -> None:
    file = tmp_path / "event"
    ran = alerts("test", "gpu-too-hot", "--set", f'alerts.command=cat >"{file}"')
    assert ran.status == 0, ran.err
    assert ran.out.startswith("TEST · local")
    event = json.loads(file.read_text())
    assert (event["test"], event["alert"]["code"]) == (True, "gpu-too-hot")
    assert any(one["test"] for one in listed().values())
    assert alerts("test", "gpu-sings").status == 1


def test_rules_say_what_cannot_fire_here() -> None:
    found = json.loads(alerts("rules", "--json", "--set", "alerts.off=host-rebooted").out)
    rules = {one["code"]: one for one in found["rules"]}
    assert set(rules) == {rule.code for rule in ALERT_RULES}
    assert rules["host-rebooted"]["why_not"] == "off in the settings"
    assert rules["disk-full"]["can_fire"]
    assert {one["code"] for one in found["not_judged"]} >= {"gpu-nvlink"}
    lines = alerts("rules").out.splitlines()
    assert any(line.startswith("gpu-nvlink") for line in lines)


@pytest.mark.parametrize(
    ("head", "fields"),
    [
        ("`alerts[]`", alert_report.to_json(AlertRecord(1, HOT), {}, 1.0)),
        ("`rules[]`", alert_report.rule_to_json(ALERT_RULES[0], {}, ())),
    ],
)
def test_the_json_is_explained(head: str, fields: dict[str, object]) -> None:
    documented = [name for cell in test_docs.rows("json", head) for name in test_docs.names(cell)]
    assert sorted(documented) == sorted(fields)
