"""config/zabbix is what the tables of metrics and rules say, and no part of it changes its name."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from gpubox.boxes.monitor_config import zabbix_rules
from gpubox.boxes.monitor_config.zabbix_rules import lasting, triggers
from gpubox.boxes.monitor_config.zabbix_template import AGENT, FRAME_FILE, PUSH, files, template
from gpubox.common.metrics import LINK
from gpubox.common.rules.alerts.alert_rule import AlertRule, Observation
from gpubox.common.rules.alerts.table import ALERT_RULES, OF_SERVICE
from gpubox.common.severity import Severity
from gpubox.common.zabbix_items import ITEMS
from tests.house.tree import ROOT

FOLDER = ROOT / "config" / "zabbix"
REFRESH = "rewrite it with: python -m tests.boxes.monitor_config.test_zabbix"


@pytest.mark.parametrize("name", files())
def test_the_files_are_the_programs(name: str) -> None:
    assert (FOLDER / name).read_text() == files()[name], REFRESH


def test_what_is_here_is_generated_or_explains_it() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*files(), "README.md"}


def test_every_rule_that_raises_alerts_has_one_trigger() -> None:
    codes = re.findall(r'tag: "rule"\n +value: "(.+)"', template(PUSH))
    expected = [rule.code for rule in ALERT_RULES if rule.severity > Severity.INFO and rule.subject != LINK]
    assert sorted(codes) == sorted([*expected, "no-data"])
    assert len(OF_SERVICE) == len(expected) > 25


def fell(_: Observation) -> bool:
    return True


FELL = AlertRule(
    "gpu-fell", "gpu", "fall", (), fell, Severity.CRITICAL, "{what}", "It fell {far}{xid_note}",
    "Look at {index}", "it fell", "an hour later", stays=3600.0,
)  # fmt: skip
"""A rule about something that happened once."""


def test_a_trigger_has_the_words_of_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zabbix_rules, "OF_SERVICE", (FELL,))
    (trigger,) = triggers("gpu", "/T/gpubox.gpu.alerts", str)
    assert triggers("disk", "/T/x", str) == triggers("box", "/T/x", str) == []
    assert trigger["name"] == "GPU {#GPU.INDEX} ({#GPU.NAME}): Fell"
    assert trigger["expression"] == 'find(/T/gpubox.gpu.alerts,,"regexp","(^|\\n)gpu-fell: ")=1'
    assert trigger["description"].split("\n\n") == [
        *("It fell …", "What to do: Look at …", "Raised: it fell", "Cleared: an hour later"),
    ]
    assert (trigger["priority"], trigger["manual_close"]) == ("HIGH", "YES")


def test_what_ends_with_its_cause_is_not_closed_by_hand() -> None:
    codes = {rule.code for rule in OF_SERVICE if lasting(rule)}
    assert codes >= {rule.code for rule in OF_SERVICE if "xid" in rule.code}
    assert not codes & {"gpu-too-hot", "disk-full", "gpu-lost"}


def test_every_item_is_there_once() -> None:
    text = template(PUSH)
    for item in (item for items in ITEMS.values() for item in items):
        assert len(re.findall(rf'^ +key: "{re.escape(item.key)}(\[.*\])?"$', text, re.MULTILINE)) >= 1, (
            item.key
        )


def test_uuids_are_version_4_and_unique() -> None:
    for variant in (PUSH, AGENT):
        counted = Counter(re.findall(r'uuid: "(.+)"', template(variant)))
        assert set(counted.values()) == {1}
        group = "7df96b18c230490a9a0a9e2307226338"
        assert all(
            re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", one)
            for one in counted
            if one != group
        )


def test_uuids_of_the_published_parts_stay() -> None:
    # A changed one makes Zabbix delete the item and its history at the next import.
    assert PUSH.uuid("template") == "cc217b4f9b2a464ab795d63426b09344"
    assert AGENT.uuid("template") == "757fc8e926e548a7b76d390e0bc2c77e"
    assert PUSH.uuid("item", "gpu", "temperature") == "d575f589d9be4129a2b856b95f4bdf19"


def test_the_agent_is_given_no_frame_that_is_old(tmp_path: Path) -> None:
    (line,) = [
        line for line in files()["gpubox_agent.conf"].splitlines() if line.startswith("UserParameter=")
    ]
    file = tmp_path / "frame.json"
    command = line.partition(",")[2].replace(FRAME_FILE, str(file))
    file.write_text("{}")

    def given() -> bytes:
        return subprocess.run(["sh", "-c", command], capture_output=True).stdout

    assert given() == b"{}"
    old = time.time() - 600
    os.utime(file, (old, old))
    assert given() == b""


if __name__ == "__main__":
    for file, content in files().items():
        (FOLDER / file).write_text(content)
