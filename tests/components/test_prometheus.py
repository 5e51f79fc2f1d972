"""promtool accepts all that is generated, and a real Prometheus scrapes the outlet and fires its rules."""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gpubox.common.prometheus.alert_rules import DOWN, alert_name, words_of
from gpubox.common.prometheus.dashboard import dashboard
from gpubox.common.prometheus.exposition import exposition, label_value
from gpubox.common.prometheus.frame import families
from gpubox.common.rules.alerts.alert_rule import AlertRule
from gpubox.common.rules.alerts.table import OF_SERVICE
from gpubox.common.yaml_text import yaml
from gpubox.remote.monitor.prometheus import PrometheusOutlet
from tests import samples
from tests.common.prometheus.frames import named, recorded
from tests.common.prometheus.test_config import FOLDER
from tests.components.prometheus import PrometheusServer, promtool, scraping
from tests.hang import LIMIT

ALERTS = {alert_name(rule): rule for rule in OF_SERVICE}
UUID, OTHER = samples.UUID_1070, samples.UUID_4090
RECORDED = ("probe-server", "probe-desktop", "probe-mismatch")
FRAMES = [
    *(named(name) for name in samples.BUILDERS),
    *(frame for name in RECORDED for frame in recorded(name)),
]


def test_promtool_has_nothing_to_say_about_the_metrics() -> None:
    for frame in FRAMES:
        assert promtool("check", "metrics", stdin=exposition(families(frame))) == (0, "")


def test_it_dislikes_nothing_but_the_labels_of_dcgm() -> None:
    for frame in FRAMES[:3]:
        status, said = promtool("check", "metrics", stdin=exposition(families(frame, dcgm=True)))
        assert status == 3
        assert re.sub(r"DCGM_FI_DEV_\w+ label names should be written in 'snake_case' .*\n", "", said) == ""


def test_promtool_accepts_the_shipped_files() -> None:
    status, said = promtool("check", "config", str(FOLDER / "scrape.yml"))
    assert (status, said.count("SUCCESS"), "WARNING" in said) == (0, 3, False), said
    status, said = promtool("check", "rules", "--lint=all", "--lint-fatal", str(FOLDER / "gpubox.rules.yml"))
    assert (status, f"{len(ALERTS) + 1} rules found" in said) == (0, True), said


def subject(rule: AlertRule) -> dict[str, str]:
    """The labels that the service gives to an alert of a rule."""
    name = {"gpu": "gpu 0", "disk": "disk /data"}.get(rule.subject, rule.subject)
    labels = {"rule": rule.code, "subject": name, "severity": rule.severity.word}
    return {
        "instance": "attic",
        "job": "gpubox",
        **labels,
        **({"uuid": UUID} if rule.subject == "gpu" else {}),
    }


def series(name: str, labels: dict[str, str], values: str) -> dict[str, str]:
    """A series of a test of promtool."""
    inner = ",".join(f'{key}="{label_value(value)}"' for key, value in labels.items())
    return {"series": f"{name}{{{inner}}}", "values": values}


def expanded(text: str, labels: dict[str, str]) -> str:
    """What Prometheus makes of a template when it has no value for it."""
    text = re.sub(r"\{\{ with .*?\{\{ else \}\}(.*?)\{\{ end \}\}", r"\1", text)
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)


def expected(rule: AlertRule, labels: dict[str, str], **words: str) -> list[dict[str, Any]]:
    """The alert that is to fire; `words` stand for annotations with values."""
    annotations = {key: expanded(text, labels) for key, text in words_of(rule).items()}
    return [{"exp_labels": labels, "exp_annotations": {**annotations, **words}}]


def ran(folder: Path, *tests: dict[str, Any]) -> tuple[int, str]:
    """What promtool says of tests of the shipped rules."""
    file = folder / "test.yml"
    rules = str(FOLDER / "gpubox.rules.yml")
    file.write_text(yaml({"rule_files": [rules], "evaluation_interval": "1m", "tests": list(tests)}))
    return promtool("test", "rules", str(file))


def fires(rule: AlertRule, values: list[dict[str, str]], **words: str) -> dict[str, Any]:
    """A test of promtool in which the alert of a rule is raised after a minute, and cleared after three."""
    labels = subject(rule)
    moments = {
        "0m": [],
        "1m": expected(rule, labels, **words),
        "2m": expected(rule, labels, **words),
        "3m": [],
    }
    name = alert_name(rule)
    return {
        "interval": "1m",
        "input_series": [series("gpubox_alert_active", labels, "_ 1 1 stale"), *values],
        "alert_rule_test": [
            {"eval_time": moment, "alertname": name, "exp_alerts": alerts}
            for moment, alerts in moments.items()
        ],
    }


@pytest.mark.parametrize("name", ALERTS)
def test_the_alert_of_each_rule_fires_and_clears(tmp_path: Path, name: str) -> None:
    status, said = ran(tmp_path, fires(ALERTS[name], []))
    assert status == 0, said


def test_a_test_of_the_wrong_rule_fails(tmp_path: Path) -> None:
    wrong = fires(ALERTS["GpuboxGpuTooHot"], [])
    wrong["alert_rule_test"][1]["alertname"] = "GpuboxGpuWarm"
    status, said = ran(tmp_path, wrong)
    assert (status, "FAILED" in said) == (1, True)


def values_of(**metrics: float) -> list[dict[str, str]]:
    """Series of the GPU of the alert, and of another one."""
    mine, other = ({"instance": "attic", "uuid": uuid} for uuid in (UUID, OTHER))
    of_mine = [series(f"gpubox_gpu_{name}", mine, f"{value}x9") for name, value in metrics.items()]
    return [*of_mine, *(series(f"gpubox_gpu_{name}", other, "7x9") for name in metrics)]


DISK = {"instance": "attic", "mount": "/data"}


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        (
            "GpuboxGpuTooHot",
            values_of(temperature_celsius=93, temperature_slowdown_celsius=92),
            {"description": "The chip has 93°C, and slows itself down from 92°C."},
        ),
        (
            "GpuboxGpuMemoryFills",
            values_of(memory_used_ratio=0.985),
            {
                "description": "98.5% of its memory is in use, and it still grows: a program may fail soon.",
            },
        ),
        (
            "GpuboxGpuEccUncorrected",
            values_of(ecc_uncorrected_errors_total=3),
            {
                "summary": "gpu 0 of attic: … ECC errors",
                "description": "Memory errors that ECC could not correct; now 3 since the driver was loaded.",
            },
        ),
        (
            "GpuboxGpuXid",
            values_of(last_xid=79, last_xid_timestamp_seconds=1_763_901_234),
            {
                "summary": "gpu 0 of attic: Xid 79",
                "description": "Xid error event 79, at 2025-11-23 12:33:54 +0000 UTC: "
                "`gpubox-tui status` says what it means.",
            },
        ),
        (
            "GpuboxDiskFull",
            [
                series("gpubox_disk_free_bytes", DISK, "1073741824x9"),
                series("gpubox_disk_used_ratio", DISK, "0.96x9"),
                series("gpubox_disk_free_bytes", {**DISK, "mount": "/"}, "1x9"),
            ],
            {
                "summary": "disk /data of attic: Full: 1GiB free",
                "description": "How full the disk is: 96%. 1GiB free.",
            },
        ),
        (
            "GpuboxHostMemoryFull",
            [series("gpubox_host_memory_used_ratio", {"instance": "attic"}, "0.97x9")],
            {"description": "97% of the machine's memory is in use."},
        ),
    ],
)
def test_alerts_show_the_values_of_their_subject(
    tmp_path: Path, name: str, values: list[dict[str, str]], words: dict[str, str]
) -> None:
    status, said = ran(tmp_path, fires(ALERTS[name], values, **words))
    assert status == 0, said


def test_a_box_that_gives_no_metrics_for_two_minutes_is_an_alert(tmp_path: Path) -> None:
    labels = {"instance": "attic", "job": "gpubox"}
    moments = {"1m": 0, "2m": 0, "3m": 1, "5m": 1, "6m": 0}
    alert = {
        "exp_labels": {**labels, "severity": "critical"},
        "exp_annotations": {
            "summary": "attic gives no metrics",
            "description": "The box is down, the tunnel to it is, its service does not run, or its readings "
            "are stale. Its other alerts are unknown meanwhile.",
            "next_step": "Open the box with gpubox-tui, and look at the target's error in Prometheus.",
        },
    }
    test = {
        "interval": "1m",
        "input_series": [series("up", labels, "1 0 0 0 0 0 1"), series("up", {"job": "other"}, "0x9")],
        "alert_rule_test": [
            {"eval_time": moment, "alertname": DOWN, "exp_alerts": [alert] * count}
            for moment, count in moments.items()
        ],
    }
    status, said = ran(tmp_path, test)
    assert status == 0, said


def fresh(name: str) -> dict[str, Any]:
    """A frame of just now that stays fresh for as long as the test may take."""
    frame = named(name)
    frame["time"] = time.time()
    frame["sample"]["interval"] = LIMIT
    return frame


@contextmanager
def serving(frame: dict[str, Any], **config: Any) -> Generator[PrometheusOutlet]:
    """An outlet on a free port with a frame."""
    outlet = PrometheusOutlet({"port": 0, **config})
    outlet.start()
    outlet.offer(frame)
    try:
        yield outlet
    finally:
        outlet.close()


def fired(box: str, frame: dict[str, Any]) -> set[tuple[str, str, str]]:
    """The alerts that are to fire for a frame."""
    names = {rule.code: name for name, rule in ALERTS.items()}
    return {(names[alert["code"]], box, alert["subject"]) for alert in frame["alerts"]}


async def test_prometheus_reads_the_outlet_and_its_alerts_fire_and_resolve(tmp_path: Path) -> None:
    hot, hostile = fresh("hot_and_throttled"), fresh("hostile")
    with serving(hot, dcgm=True) as attic, serving(hostile) as lab1:
        async with scraping(tmp_path, {"attic": attic.port, "lab1": lab1.port}) as server:
            await server.until_by_box("gpubox_up", {"attic": 1, "lab1": 0})
            assert True in attic._rendered, "Prometheus prefers OpenMetrics"
            await reads(server, hot, hostile)
            await server.until_firing(fired("attic", hot) | fired("lab1", hostile))
            await shows_all_panels(server)
            attic.offer({**fresh("training_box"), "alerts": []})
            await server.until_firing(fired("lab1", hostile))
            lab1.offer({**hostile, "time": time.time() - 4 * LIMIT})
            await server.until_failing("lab1", "503")
            await server.until_by_box("up", {"attic": 1, "lab1": 0})
            await server.until_by_box("gpubox_up", {"attic": 1})
            await server.until_firing(set())


async def reads(server: PrometheusServer, hot: dict[str, Any], hostile: dict[str, Any]) -> None:
    """See values and labels as they were served."""
    for gpu in hot["sample"]["gpus"]:
        chosen = f'{{instance="attic",uuid="{gpu["uuid"]}"}}'
        ((labels, value),) = await server.query(f"gpubox_gpu_temperature_celsius{chosen}")
        assert value == gpu["temperature"]
        assert (labels["gpu"], labels["model"], labels["job"]) == (str(gpu["index"]), gpu["name"], "gpubox")
        ((_, memory),) = await server.query(f"gpubox_gpu_memory_used_bytes{chosen}")
        assert memory == gpu["memory_used"]
        ((_, memory),) = await server.query(f'DCGM_FI_DEV_FB_USED{{UUID="{gpu["uuid"]}"}}')
        assert memory == pytest.approx(gpu["memory_used"] / 1024**2)
    owners = await server.query('gpubox_gpu_owner_memory_bytes{instance="attic"}')
    assert {(labels["user"], labels["uuid"], value) for labels, value in owners} == {
        (row["user"], row["uuid"], row["gpu_memory"]) for row in hot["owners"]
    }
    ((labels, _),) = await server.query('gpubox_host_info{instance="lab1"}')
    written = label_value(hostile["sample"]["host"]["hostname"])
    assert label_value(labels["hostname"]) == written


async def shows_all_panels(server: PrometheusServer) -> None:
    """See that every panel of the dashboard has something to draw."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            assert await server.query(target["expr"].replace("$instance", ".*")), (
                panel["title"],
                target["expr"],
            )
