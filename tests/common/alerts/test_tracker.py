"""What the tracker holds, clears and remembers: gaps, clocks, suppression, acknowledgments, restarts."""

from __future__ import annotations

from typing import Any

import pytest

from gpubox.common.alerts.tracker import FORGET, AlertTracker
from tests.common.alerts.scripts import GIB, START, TWO_CARDS, Player, sample, seen

HOT = "gpu-too-hot"
DAY = 86400


def codes(tracker: AlertTracker) -> list[str]:
    return [alert.code for alert in tracker.active]


def test_a_box_that_is_well_has_no_alerts() -> None:
    player = Player()
    player.play(HOT, lambda _: sample(), DAY / 4, 10)
    assert player.changes == []


def test_a_short_peak_raises_nothing() -> None:
    player = Player()
    for _ in range(5):
        assert player.play(HOT, seen(temperature=95.0), 50) == []
        assert player.play(HOT, seen(temperature=70.0), 10) == []


def test_a_value_between_the_thresholds_raises_and_clears_nothing() -> None:
    player = Player()
    assert player.play(HOT, seen(temperature=89.0), 600) == []
    assert len(player.play(HOT, seen(temperature=91.0), 70)) == 1
    assert player.play(HOT, seen(temperature=88.0), 3600) == []
    assert HOT in codes(player.tracker)


def test_a_stronger_alert_takes_the_place_of_a_weaker_one() -> None:
    player = Player()
    player.play(HOT, seen(temperature=89.0), 70)
    assert codes(player.tracker) == ["gpu-near-limit"]
    player.play(HOT, seen(temperature=92.0), 70)
    assert codes(player.tracker) == [HOT]
    player.play(HOT, seen(temperature=86.0), 80)
    assert codes(player.tracker) == []


def test_a_weaker_alert_comes_back_after_the_stronger_one() -> None:
    player = Player()
    player.play(HOT, lambda _: sample(host={"memory_available": 3}), 130)
    assert codes(player.tracker) == ["host-memory-full"]
    player.play(HOT, lambda _: sample(host={"memory_available": 12}), 130)
    assert codes(player.tracker) == ["host-memory-nearly-full"]


def test_time_without_samples_does_not_count() -> None:
    player = Player()
    player.play(HOT, seen(temperature=95.0), 40)
    player.now += 7200
    assert player.play(HOT, seen(temperature=95.0), 50) == []
    assert len(player.play(HOT, seen(temperature=95.0), 20)) == 1
    player.play(HOT, seen(temperature=70.0), 40)
    player.now += 7200
    assert player.play(HOT, seen(temperature=70.0), 50) == []
    assert len(player.play(HOT, seen(temperature=70.0), 20)) == 1


@pytest.mark.parametrize("jump", [-7200.0, -3.0, 7200.0, 86400.0 * 365, -86400.0 * 365])
def test_a_clock_that_is_set_raises_and_clears_nothing(jump: float) -> None:
    player = Player()
    player.play(HOT, lambda _: sample(), 700)
    player.now += jump
    player.play(HOT, lambda _: sample(), 700)
    assert player.changes == []
    player.play(HOT, seen(temperature=91.0, ecc_uncorrected=1, throttle=0x40), 700)
    before = codes(player.tracker)
    player.now += jump
    player.changes.clear()
    player.play(HOT, seen(temperature=91.0, ecc_uncorrected=1, throttle=0x40), 700)
    assert codes(player.tracker) == before
    assert player.changes == []


def test_a_share_that_was_seen_before_a_gap_does_not_add_up() -> None:
    player = Player()
    player.play("gpu-throttles", seen(throttle=0x20), 10)
    player.now += 3600
    assert player.play("gpu-throttles", seen(throttle=0x20), 10) == []


def test_a_disk_that_is_unmounted_loses_its_alert_after_a_while() -> None:
    player = Player()
    (raised,) = player.play("disk-full", lambda _: sample(disk={"used": 99_000}), 130)
    gone = sample(host={"disks": []})
    assert player.play("disk-full", lambda _: gone, FORGET - 20) == []
    (cleared,) = player.play("disk-full", lambda _: gone, 30)
    assert (cleared.raised, cleared.alert.key) == (False, raised.alert.key)


def test_readings_that_are_missing_for_a_moment_clear_nothing() -> None:
    player = Player()
    player.play(HOT, seen(temperature=95.0), 70)
    assert player.play(HOT, seen(temperature=None), 300) == []
    assert player.play(HOT, seen(temperature=95.0), 300) == []


def test_an_alert_stays_that_of_its_card_when_it_gets_another_number() -> None:
    player = Player()
    (raised,) = player.play(HOT, seen(temperature=95.0), 70)
    assert player.play(HOT, seen(temperature=95.0, index=3), 70) == []
    (alert,) = player.tracker.active
    assert (alert.key, alert.subject, alert.since) == (raised.alert.key, "gpu 3", raised.alert.since)


def test_a_gpu_is_not_missing_while_the_driver_has_a_fault() -> None:
    player = Player()
    player.play("gpu-missing", lambda _: sample(), 20)
    look = sample(gpus=[], faults=[{"code": "hang"}])
    assert player.play("gpu-missing", lambda _: look, 3600) == []


def test_a_card_that_was_taken_out_is_forgotten_when_acknowledged() -> None:
    player = Player()
    player.play("gpu-missing", lambda _: TWO_CARDS, 20)
    (raised,) = player.play("gpu-missing", seen(uuid="GPU-b", index=1), 20)
    assert raised.alert.subject == "gpu 0"
    assert "NVIDIA A100" in raised.alert.text
    (cleared,) = player.tracker.acknowledge(raised.alert.key, player.now)
    assert not cleared.raised
    assert player.play("gpu-missing", seen(uuid="GPU-b", index=1), 60) == []


def test_a_probe_that_has_not_looked_for_gpus_yet_misses_none() -> None:
    player = Player()
    player.play("gpu-missing", lambda _: TWO_CARDS, 20)
    assert player.play("gpu-missing", lambda _: sample(gpus=[]), 3600) == []


def test_an_acknowledged_alert_stays_while_its_condition_holds() -> None:
    player = Player()
    (raised,) = player.play(HOT, seen(temperature=95.0), 70)
    assert player.tracker.acknowledge(raised.alert.key, player.now) == []
    assert player.play(HOT, seen(temperature=95.0), 70) == []
    assert [alert.acknowledged for alert in player.tracker.active] == [True]
    player.play(HOT, seen(temperature=70.0), 70)
    (again,) = player.play(HOT, seen(temperature=95.0), 70)
    assert not again.alert.acknowledged
    assert player.tracker.acknowledge("nothing", player.now) == []


def test_a_reboot_clears_the_xid_of_a_card() -> None:
    player = Player()
    player.play("gpu-xid", lambda _: sample(), 20)
    player.play("gpu-xid", seen(xid=79, xid_at=5.0), 20)
    (cleared,) = player.play("gpu-xid", lambda _: sample(host={"boot_id": "two"}), 20)
    assert not cleared.raised
    assert codes(player.tracker) == ["host-rebooted"]


def test_a_program_that_fails_on_two_cards_is_the_program() -> None:
    def both(passed: float) -> object:
        error = {"xid": 31, "xid_at": 1000.0 if passed < 300 else 1600.0}
        cards = [{"index": index, "uuid": f"GPU-{index}", **error} for index in (0, 1)]
        return sample(gpus=cards)

    assert Player().play("gpu-xid-same", both, 900) == []


def test_errors_of_one_moment_count_once() -> None:
    def burst(passed: float) -> object:
        return sample({"xid": 119, "xid_at": 1000.0 + passed})

    assert Player().play("gpu-xid-repeats", burst, 170) == []


def test_a_program_that_takes_all_memory_at_once_is_well() -> None:
    player = Player()
    player.play("gpu-memory-fills", seen(memory_used=1 * GIB), 60)
    assert player.play("gpu-memory-fills", seen(memory_used=79 * GIB), 3600) == []


def test_an_idle_card_says_nothing_about_its_link() -> None:
    player = Player()
    assert player.play("gpu-pcie-slow", seen(pcie_gen=1, util=0.0, pstate=8), 3600) == []
    player.play("gpu-pcie-slow", seen(pcie_width=4), 310)
    assert player.play("gpu-pcie-slow", seen(pcie_gen=1, util=0.0, pstate=8), 3600) == []


def test_memory_in_a_container_that_lists_no_processes_belongs_to_what_computes() -> None:
    assert Player().play("gpu-memory-unowned", lambda _: sample(processes=[]), 3600) == []


def test_a_disk_that_was_always_read_only_is_meant_so() -> None:
    assert Player().play("disk-read-only", lambda _: sample(disk={"read_only": True}), 600) == []


def test_one_large_file_does_not_fill_a_disk() -> None:
    player = Player()

    def look(passed: float) -> object:
        return sample(disk={"used": 40_000 + (20_000 if passed > 9000 else 0)}, interval=60)

    assert player.play("disk-fills", look, 12 * 3600, 60) == []


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"v": 99},
        {"v": 1, "clock": 0, "link_clock": 0, "active": [{}], "tracks": {}, "box": {}},
        {"v": 1, "clock": "x", "link_clock": 0, "active": [], "tracks": {}, "box": {}},
        {"v": 1, "clock": 0, "link_clock": 0, "active": 5, "tracks": {}, "box": {}},
        {"v": 1, "clock": 0, "link_clock": 0, "active": [], "tracks": {"a": 1}, "box": {}},
    ],
)
def test_a_damaged_state_is_dropped(state: dict[str, Any]) -> None:
    tracker = AlertTracker()
    assert not tracker.restore(state)
    assert tracker.feed(sample(), START) == []


def test_an_alert_whose_rule_is_gone_is_dropped_by_a_restart() -> None:
    player = Player()
    player.play(HOT, seen(temperature=95.0), 70)
    state = player.tracker.state()
    state["active"][0]["code"] = "gpu-sings"
    tracker = AlertTracker()
    assert tracker.restore(state)
    assert tracker.active == []


def test_subjects_that_keep_changing_their_names_do_not_fill_the_memory() -> None:
    tracker = AlertTracker()
    for turn in range(700):
        disks = [{"mount": f"/{turn}-{one}", "used": 10, "total": 100} for one in range(5)]
        tracker.feed(sample(host={"disks": disks}), START + turn)
    assert len(tracker.state()["tracks"]) < 2100
