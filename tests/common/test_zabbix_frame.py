"""The frame for Zabbix: every value in the type of its item, alerts where Zabbix looks for them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from gpubox.common.metrics import DISK, GPU, HOST
from gpubox.common.zabbix_frame import zabbix_frame
from gpubox.common.zabbix_items import BOX, FLOAT, ITEMS, JOBS, NO_ALERTS, OWNER, TEXT, Item
from tests.remote.monitor.frames import alert, frame_of
from tests.remote.test_recorded import recorded
from tests.samples import BUILDERS, UUID_1070, UUID_4090, eight_gpus, lost_gpu, mismatch, training_box

Row = dict[str, Any]


def rows(frame: Row) -> list[tuple[str, Row]]:
    """The rows of a frame with their subjects."""
    box = {item.name: frame[item.name] for item in ITEMS[BOX] if item.name in frame}
    found = [(BOX, box), (HOST, frame["host"]), (JOBS, frame["jobs"])]
    for subject, name in ((GPU, "gpus"), (DISK, "disks"), (OWNER, "owners")):
        found += [(subject, row) for row in frame.get(name, ())]
    return found


def fits(item: Item, value: object) -> bool:
    if item.kind == TEXT:
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return item.kind == FLOAT or (isinstance(value, int) and value >= 0)


FRAMES = {
    **{name: frame_of(builder()) for name, builder in BUILDERS.items()},
    **{
        f"{name} {number}": frame_of(sample)
        for name in ("probe-desktop", "probe-mismatch", "probe-server")
        for number, sample in enumerate(recorded(name))
    },
}


@pytest.mark.parametrize("name", FRAMES)
def test_every_value_has_an_item_of_its_type(name: str) -> None:
    frame = json.loads(json.dumps(zabbix_frame(FRAMES[name])))
    for subject, row in rows(frame):
        items = {item.name: item for item in ITEMS[subject]}
        assert set(row) - {"id"} <= set(items), subject
        wrong = {key: value for key, value in row.items() if key != "id" and not fits(items[key], value)}
        assert wrong == {}, subject


def test_the_rows_are_those_of_the_sample() -> None:
    frame = zabbix_frame(frame_of(training_box()))
    gpu = frame["gpus"][0]
    assert gpu["id"] == UUID_1070
    assert gpu["temperature"] == 79
    assert gpu["temperature_margin"] == 13
    assert gpu["throttle_reasons"] == "power cap"
    assert gpu["lost"] == 0
    assert "energy" not in gpu
    assert frame["jobs"] == {"running": 2, "queued": 1, "failed": 3}
    assert frame["gpu_count"] == 2
    assert frame["discovery"]["gpus"][1] == {
        "uuid": UUID_4090,
        "index": 1,
        "name": "NVIDIA GeForce RTX 4090",
    }
    assert {row["mount"] for row in frame["discovery"]["disks"]} == {"/", "/data"}


def test_an_owner_is_summed_over_gpus() -> None:
    owners = [
        {"user": "ada", "uuid": "a", "gpu_memory": 5, "processes": 1},
        {"user": "ada", "uuid": "b", "gpu_memory": 7, "processes": 2},
        {"user": "", "uuid": "b", "gpu_memory": 1, "processes": 1},
    ]
    frame = zabbix_frame(frame_of(training_box(), owners=owners))
    assert frame["owners"] == [
        {"id": "ada", "gpu_memory": 12, "gpus": 2, "processes": 3},
        {"id": "unknown", "gpu_memory": 1, "gpus": 1, "processes": 1},
    ]


def test_a_lost_gpu_stays_discovered_and_says_so() -> None:
    frame = zabbix_frame(frame_of(lost_gpu()))
    lost = next(row for row in frame["gpus"] if row["id"] == UUID_4090)
    assert lost["lost"] == 1
    assert "temperature" not in lost
    assert lost["alerts"].startswith("gpu-lost: GPU is lost: GPU is lost: the card no longer answers")
    assert len(frame["discovery"]["gpus"]) == 2


def test_unreadable_gpus_are_neither_discovered_nor_free() -> None:
    frame = zabbix_frame(frame_of(mismatch(), alerts=[alert("driver-mismatch", "driver")]))
    assert "gpus" not in frame["discovery"]
    assert "owners" not in frame
    assert frame["alerts"].startswith("driver-mismatch: title of driver-mismatch: ")


def test_alerts_are_where_their_subject_is() -> None:
    alerts = [
        alert("gpu-warm", "gpu 1", UUID_4090),
        alert("gpu-xid", "gpu 1", UUID_4090),
        alert("disk-full", "disk /data"),
        alert("host-warm", "host"),
        alert("gpu-gone", "gpu 5", "GPU-gone"),
        alert("disk-gone", "disk /gone"),
        alert("something-new", "gpus"),
    ]
    frame = zabbix_frame(frame_of(training_box(), alerts=alerts))
    gpus = {row["id"]: row["alerts"] for row in frame["gpus"]}
    disks = {row["id"]: row["alerts"] for row in frame["disks"]}
    said = "title of {0}: it is so → do it"
    assert gpus == {
        UUID_1070: NO_ALERTS,
        UUID_4090: f"gpu-warm: {said}\ngpu-xid: {said}".replace("{0}", "{}").format("gpu-warm", "gpu-xid"),
        "GPU-gone": "gpu-gone: " + said.format("gpu-gone"),
    }
    assert disks["/data"] == "disk-full: " + said.format("disk-full")
    assert disks["/gone"].startswith("disk-gone: ")
    assert {row["mount"] for row in frame["discovery"]["disks"]} == {"/", "/data"}
    assert [line.partition(":")[0] for line in frame["alerts"].splitlines()] == ["host-warm", "something-new"]


def test_text_of_the_box_makes_no_line_of_its_own() -> None:
    hostile = alert("gpu-warm", "gpu 1", UUID_4090, "a\ngpu-lost: b\x1b[31m\u202e\x00\ud800" + "x" * 9000)
    frame = zabbix_frame(frame_of(training_box(), alerts=[hostile]))
    (line,) = frame["gpus"][1]["alerts"].splitlines()
    assert line.isprintable()
    assert len(line) < 400
    json.dumps(frame).encode()


def test_names_need_no_quoting() -> None:
    box = training_box()
    disks = (replace(box.host.disks[0], mount="/it's [é] 100%"),)
    owner = {"user": "LAB\\o'neil", "uuid": "a", "gpu_memory": 5, "processes": 1}
    frame = zabbix_frame(
        frame_of(
            replace(box, host=replace(box.host, disks=disks)),
            alerts=[alert("disk-full", "disk /it's [é] 100%")],
            owners=[owner, {**owner, "user": "é" * 300}, {**owner, "user": "é" * 200 + "a"}],
        )
    )
    (disk,) = frame["disks"]
    assert disk["id"] == "/it%27s %5B%C3%A9%5D 100%25"
    assert disk["alerts"].startswith("disk-full: ")
    assert frame["discovery"]["disks"] == [{"id": disk["id"], "mount": "/it's [é] 100%"}]
    ids = [row["id"] for row in frame["owners"]]
    assert ids[0] == "LAB%5Co%27neil"
    assert len({*ids}) == 3
    assert max(map(len, ids)) < 255


def test_a_frame_of_eight_gpus_is_small() -> None:
    assert len(json.dumps(zabbix_frame(frame_of(eight_gpus())))) < 12_000
