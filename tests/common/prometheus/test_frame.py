"""A frame as families: what every sample of the tests gives, and what it must not give."""

from __future__ import annotations

import re

import pytest

from gpubox.common import throttle
from gpubox.common.prometheus.exposition import exposition
from gpubox.common.prometheus.frame import families
from tests import samples
from tests.common.prometheus import frames
from tests.common.prometheus.frames import JOBS, frame, named

CARD = f'gpu="0",uuid="{samples.UUID_1070}",model="NVIDIA GeForce GTX 1070"'
LINE = re.compile(r'[a-zA-Z_]\w*(\{\w+="([^"\\\n]|\\["\\n])*"(,\w+="([^"\\\n]|\\["\\n])*")*\})? \S+')


def lines(name: str, *, dcgm: bool = False) -> dict[str, str]:
    """The series of a sample, and their values."""
    text = exposition(families(named(name), dcgm=dcgm)).decode()
    found = [line for line in text.splitlines() if not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in found)


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize("name", samples.BUILDERS)
def test_every_sample_is_well_formed_and_names_no_process(name: str, openmetrics: bool) -> None:
    given = named(name)
    found = families(given, dcgm=True)
    text = exposition(found, openmetrics=openmetrics).decode()
    assert len({family.name for family in found}) == len(found)
    assert [line for line in text.splitlines() if not (line.startswith("# ") or LINE.fullmatch(line))] == []
    assert "pid" not in text.replace("pci_bus_id", "")
    assert (
        exposition(families(frame(samples.BUILDERS[name]()), dcgm=True), openmetrics=openmetrics)
        == text.encode()
    )


@pytest.mark.parametrize("name", ["probe-server", "probe-desktop", "probe-mismatch"])
def test_recorded_probes_are_written(name: str) -> None:
    for given in frames.recorded(name):
        text = exposition(families(given, dcgm=True)).decode()
        assert "\ngpubox_up " in text
        assert all(line.startswith("#") or LINE.fullmatch(line) for line in text.splitlines())


def test_readings_are_in_base_units() -> None:
    found = lines("training_box")
    expected = {
        f"gpubox_gpu_utilization_ratio{{{CARD}}}": "0.97",
        f"gpubox_gpu_memory_used_bytes{{{CARD}}}": str(7_312 * samples.MIB),
        f"gpubox_gpu_temperature_celsius{{{CARD}}}": "79",
        f"gpubox_gpu_power_watts{{{CARD}}}": "148.2",
        f"gpubox_gpu_clock_sm_hertz{{{CARD}}}": "1835000000",
        f'gpubox_gpu_throttle_active{{{CARD},reason="power-cap"}}': "1",
        f'gpubox_gpu_throttle_active{{{CARD},reason="idle"}}': "0",
        f"gpubox_gpu_up{{{CARD}}}": "1",
        "gpubox_host_cpu_utilization_ratio": "0.384",
        "gpubox_host_memory_total_bytes": str(64 * samples.GIB),
        'gpubox_disk_size_bytes{mount="/",device="/dev/nvme0n1p2"}': str(931 * samples.GIB),
        "gpubox_up": "1",
        "gpubox_frame_timestamp_seconds": "1763901234",
        "gpubox_frame_interval_seconds": "1",
        "gpubox_service_cpu_ratio": "0.006",
        "gpubox_service_reading_seconds": "0.0028",
        **{f'gpubox_jobs{{state="{state}"}}': str(count) for state, count in JOBS.items()},
    }
    assert expected.items() <= found.items()


def test_what_the_card_does_not_give_has_no_series() -> None:
    found = lines("training_box")
    assert not [name for name in found if name.startswith("gpubox_gpu_energy") and samples.UUID_1070 in name]
    assert [name for name in found if name.startswith("gpubox_gpu_energy") and samples.UUID_4090 in name]


def test_dcgm_names_are_an_option() -> None:
    assert not [name for name in lines("training_box") if name.startswith("DCGM")]
    found = lines("training_box", dcgm=True)
    labels = f'gpu="0",UUID="{samples.UUID_1070}",device="nvidia0",modelName="NVIDIA GeForce GTX 1070"'
    labels += ',Hostname="xub"'
    assert found[f"DCGM_FI_DEV_FB_USED{{{labels}}}"] == "7312"
    assert found[f"DCGM_FI_DEV_GPU_UTIL{{{labels}}}"] == "97"


def test_memory_is_summed_up_by_owner() -> None:
    given = named("training_box")
    found = lines("training_box")
    for row in given["owners"]:
        labels = f'uuid="{row["uuid"]}",user="{row["user"]}"'
        assert found[f"gpubox_gpu_owner_memory_bytes{{{labels}}}"] == str(row["gpu_memory"])
        assert found[f"gpubox_gpu_owner_processes{{{labels}}}"] == str(row["processes"])
    assert given["owners"]


def test_a_lost_gpu_and_a_fault_are_down() -> None:
    lost = lines("lost_gpu")
    assert [value for name, value in lost.items() if name.startswith("gpubox_gpu_up")].count("0") == 1
    assert lines("mismatch")["gpubox_up"] == "0"
    assert lines("no_device")["gpubox_up"] == "1"


def test_each_active_alert_is_a_series() -> None:
    given = named("hot_and_throttled")
    found = lines("hot_and_throttled")
    for alert in given["alerts"]:
        labels = f'rule="{alert["code"]}",subject="{alert["subject"]}",severity="{alert["severity"]}"'
        (name,) = [one for one in found if one.startswith(f"gpubox_alert_active{{{labels}")]
        assert found[name] == "1"
    assert given["alerts"]
    critical = sum(alert["severity"] == "critical" for alert in given["alerts"])
    assert found['gpubox_alerts{severity="critical"}'] == str(critical)
    assert found['gpubox_alerts{severity="warning"}'] == str(len(given["alerts"]) - critical)


def test_a_disk_that_hangs_has_no_size() -> None:
    given = named("training_box")
    given["sample"]["host"]["disks"] = [
        {"mount": "/nfs", "device": "a:/b", "used": 0, "total": 0, "hangs": 7.5}
    ]
    text = exposition(families(given)).decode()
    assert 'gpubox_disk_unanswered_seconds{mount="/nfs",device="a:/b"} 7.5' in text
    assert "gpubox_disk_size_bytes" not in text
    assert "gpubox_disk_free_bytes" not in text
    assert "gpubox_disk_used_bytes" not in text


def test_every_known_reason_has_a_series() -> None:
    found = lines("training_box")
    held = [
        name for name in found if name.startswith("gpubox_gpu_throttle_active") and samples.UUID_1070 in name
    ]
    assert len(held) == len(throttle.REASONS)


def test_an_empty_frame_is_written() -> None:
    assert [family.name for family in families({"v": 1})] == ["gpubox_alerts"]
