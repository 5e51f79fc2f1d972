"""The service as a process: what it hands out, and what does not end it."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.hang import LIMIT
from tests.remote.monitor.service.box import Box, Row
from tests.waiting import until

RECORDED = {"recorder": {}}
RAISED = "gpu-reset-required"


def raised(frame: Row) -> list[Row]:
    """Return the alerts of a GPU that needs a reset which a frame raises."""
    changes = [one for one in frame["changes"] if one["raised"]]
    return [one["alert"] for one in changes if one["alert"]["code"] == RAISED]


def test_frames_hold_sample_owners_alerts_and_jobs(any_box: Box, gpus: dict[str, str]) -> None:
    any_box.environment.update(gpus)
    (any_box.root / "pids").write_text(f"{os.getpid()} 0 1000 C 40\n{os.getppid()} 0 500 C 10\n")
    (any_box.root / "control").write_text("temp.0=71\nreset.1=1\n")
    any_box.configure(outlets=RECORDED)
    any_box.service()
    until(lambda: any(raised(frame) for frame in any_box.frames()), any_box.log)
    count = len(any_box.frames())
    until(lambda: len(any_box.frames()) > count + 1, any_box.log)
    frame = any_box.frames()[-1]
    assert set(frame) == {"v", "time", "host", "sample", "alerts", "changes", "owners", "jobs"}
    assert (frame["v"], frame["host"]) == (1, os.uname().nodename)
    assert frame["sample"]["gpus"][0]["temperature"] == 71
    assert any_box.frames()[0]["sample"]["host"]["cpu"] is not None
    (owner,) = frame["owners"]
    assert owner["uuid"] == frame["sample"]["gpus"][0]["uuid"]
    assert (owner["gpu_memory"], owner["processes"]) == (1500 << 20, 2)
    (alert,) = [alert for frame in any_box.frames() for alert in raised(frame)]  # once
    assert alert["severity"] == "critical"
    assert RAISED in [alert["code"] for alert in frame["alerts"]]
    assert frame["jobs"] == {"running": 0, "failed": 0, "queued": 0}
    status = any_box.status()
    assert (status["gpus"], status["interval"], status["config"], status["trouble"]) == (2, 0.1, "", "")
    assert [(one["name"], one["ok"]) for one in status["outlets"]] == [("history", True), ("recorder", True)]
    assert status["memory"] > 1 << 20
    assert any_box.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in any_box.folder.rglob("*")} == {0}


def test_a_second_service_says_that_one_runs_and_ends_well(box: Box) -> None:
    box.configure()
    first = box.service()
    until(box.status, box.log)
    second = box.service()
    assert second.wait(LIMIT) == 0
    assert second.stdout
    assert f'"pid": {first.pid}' in second.stdout.read().decode()
    assert first.poll() is None


def test_a_signal_ends_it_at_once_and_closes_its_outlets(box: Box) -> None:
    box.configure(interval=60.0, outlets=RECORDED)
    service = box.service()
    until(box.frames, box.log)
    service.terminate()
    assert service.wait(LIMIT) == 0
    assert '"closed": true' in (box.folder / "spool/frames").read_text()
    assert "ended by a signal" in box.log()


def test_a_changed_configuration_is_applied_without_a_restart(box: Box) -> None:
    box.configure(interval=60.0, outlets=RECORDED)
    service = box.service()
    until(box.status, box.log)
    box.configure(interval=0.1, outlets={**RECORDED, "another": {}})
    service.send_signal(signal.SIGHUP)
    until(lambda: len(box.frames()) > 3, box.log)
    assert '"closed"' not in (box.folder / "spool/frames").read_text()
    words = {one["name"]: one["words"] for one in box.status()["outlets"]}
    assert words["another"] == "This version of the service has no outlet `another`"
    box.configure(outlets={})
    service.send_signal(signal.SIGHUP)
    until(lambda: [one["name"] for one in box.status()["outlets"]] == ["history"], box.log)
    assert '"closed"' in (box.folder / "spool/frames").read_text()


def test_a_configuration_that_cannot_be_used_changes_nothing(box: Box) -> None:
    box.configure(outlets=RECORDED)
    service = box.service()
    until(box.status, box.log)
    for text, words in (('{"interval": 0}', "interval"), ("{", "JSON"), ('{"outlets": [1]}', "outlets")):
        (box.folder / "config.json").write_text(text)
        service.send_signal(signal.SIGHUP)
        until(lambda words=words: words in box.status()["config"], box.log)
    count = len(box.frames())
    until(lambda: len(box.frames()) > count + 1, box.log)
    box.configure(outlets=RECORDED)
    service.send_signal(signal.SIGHUP)
    until(lambda: box.status()["config"] == "", box.log)
    assert "configuration: good again" in box.log()


def test_an_outlet_that_fails_costs_no_other_one(box: Box) -> None:
    outlets = {"recorder": {"refuse": True}, "faulty": {"raise": True}, "good": {"file": "good"}}
    box.configure(outlets=outlets)
    kinds = "outlets.OUTLETS['faulty'] = outlets.OUTLETS['good'] = outlets.OUTLETS['recorder']"
    box.service(kinds + "; outlets.RETRY = 0.2")
    until(lambda: len(box.frames("good")) > 2, box.log)
    words = {one["name"]: (one["ok"], one["words"]) for one in box.status()["outlets"]}
    assert words["recorder"] == (False, "[Errno 98] Address already in use")
    assert words["faulty"][0] is False
    assert "RuntimeError: a fault" in words["faulty"][1]
    assert words["good"][0] is True
    assert box.log().count("Address already in use") == 1


def test_killed_again_and_again_it_leaves_a_readable_state_and_no_frame_twice(box: Box) -> None:
    box.configure(interval=0.05, outlets=RECORDED)
    for _ in range(20):
        count, service = len(box.frames()), box.service()
        until(lambda count=count: len(box.frames()) > count + 1, box.log)
        time.sleep(random.random() / 20)  # at any point of its loop
        service.send_signal(signal.SIGKILL)
        assert service.wait(LIMIT) == -signal.SIGKILL
        assert box.status()["v"] == 1
    times = [frame["time"] for frame in box.frames()]
    assert len(times) >= 40
    assert times == sorted(set(times))
    (box.folder / "status.json.1.tmp").write_text("{")  # as one that was killed while it wrote
    box.service()
    until(lambda: not list(box.folder.glob("*.1.tmp")), box.log)


def test_a_driver_that_hangs_costs_its_readings_and_no_frame(box: Box, gpus: dict[str, str]) -> None:
    box.environment.update(gpus, FAKE_NVML_DELAY_FN="nvmlDeviceGetTemperature=60000000")
    box.configure(outlets=RECORDED)
    box.service("driver.HANG = driver.HANG_START = 0.0; main.WAKING = 0.1")
    until(lambda: "hang" in (box.status() or {"faults": ()})["faults"], box.log)
    count = len(box.frames())
    until(lambda: len(box.frames()) > count + 1, box.log)
    box.running[0].terminate()
    assert box.running[0].wait(LIMIT) == 0


def test_a_disk_that_takes_no_status_ends_nothing(box: Box) -> None:
    box.configure(outlets=RECORDED)
    box.service(
        "store = records.store\ncalls = []\n"
        "records.store = lambda *words: calls.append(1) or (len(calls) <= 2 and store(*words))"
    )
    until(lambda: len(box.frames()) > 3, box.log)
    assert "is the disk full?" in box.log()
    assert box.status()["frames"] < box.frames()[-1]["sample"]["seq"]
    written = box.status()["clock"]
    until(
        lambda: box.request("status")["age"] < time.clock_gettime(time.CLOCK_BOOTTIME) - written - 1, box.log
    )


@pytest.mark.parametrize("hours", [-48, 48])
def test_a_clock_that_jumps_neither_stops_nor_hurries_it(box: Box, hours: int) -> None:
    box.configure(outlets=RECORDED)
    box.service(
        "import time\ngenuine, calls = time.time, []\n"
        f"time.time = lambda: calls.append(1) or genuine() + ({hours} * 3600 if len(calls) > 20 else 0)"
    )
    until(lambda: len(box.frames()) > 2, box.log)
    before = box.frames()[0]["time"]
    until(lambda: abs(box.frames()[-1]["time"] - before) > 3600, box.log)
    count, begun = len(box.frames()), time.monotonic()
    until(lambda: len(box.frames()) > count + 5, box.log)
    assert time.monotonic() - begun > 0.3
    assert box.request("status")["age"] < LIMIT


def test_it_reports_through_the_log_when_it_cannot_begin(box: Box) -> None:
    box.configure()
    (box.folder / "spool").write_text("")
    service = box.service()
    assert service.wait(LIMIT) == 70
    assert "ended by a fault" in box.log()


def test_the_lock_holds_the_identity_of_the_process(box: Box) -> None:
    box.configure()
    service = box.service()
    until(box.status, box.log)
    assert json.loads((box.folder / "lock").read_text())["pid"] == service.pid
    assert box.request("status")["pid"] == service.pid


def test_jobs_are_counted_by_their_records(box: Box) -> None:
    box.configure(outlets=RECORDED)
    jobs = Path(box.folder.parent / "jobs")
    endings = {
        "20260101-000000-aaaa": {"how": "exit", "code": 0},
        "20260101-000000-bbbb": {"how": "exit", "code": 1},
        "20260101-000000-cccc": {"how": "stopped", "by": "ada"},
        "20260101-000000-dddd": {"how": "lost"},
    }
    for job, ending in endings.items():
        (jobs / job).mkdir(parents=True)
        row = {"id": job, "state": "ended", "spec": {"id": job}, "submitted": 1.0, "ending": ending}
        (jobs / job / "status.json").write_text(json.dumps(row))
    box.service()
    until(box.frames, box.log)
    assert box.frames()[-1]["jobs"] == {"running": 0, "failed": 2, "queued": 0}


def test_a_test_message_goes_to_the_channels_alone(box: Box) -> None:
    event = box.root / "event"
    command = {"kind": "command", "command": f"cat > {event}.new && mv {event}.new {event}"}
    box.configure(interval=60.0, outlets={**RECORDED, "messages": {"channels": [command]}})
    service = box.service()
    until(box.status, box.log)
    frames = len(box.frames())
    (box.folder / "test").write_text("{}")
    service.send_signal(signal.SIGHUP)
    until(event.exists, box.log)
    sent = json.loads(event.read_text())
    assert (sent["test"], sent["title"].startswith("[TEST] ")) == (True, True)
    assert not (box.folder / "test").exists()
    assert all(not frame.get("test") for frame in box.frames())
    assert len(box.frames()) <= frames + 1
