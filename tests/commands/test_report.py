"""A reading as lines for people, and as JSON for programs."""

import json
from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from gpubox.commands.report import SCHEMA, FoundWords, as_json, as_lines
from gpubox.common.rules.rule import Limits
from gpubox.core.errors import Unreachable
from gpubox.core.sample import Disk, Driver, Sample
from gpubox.core.sanitize import clean
from tests import samples
from tests.parts import host


@pytest.mark.parametrize("builder", samples.BUILDERS.values(), ids=samples.BUILDERS)
def test_every_box_makes_one_line_for_itself_each_gpu_and_each_fault(builder: Callable[[], Sample]) -> None:
    sample = builder()
    lines = as_lines("attic", sample)
    assert len(lines) == 1 + len(sample.gpus) + len(sample.faults)
    assert all(line.startswith("attic  ") and line.isprintable() for line in lines if "‍" not in line)
    assert not any("\n" in line or "\x1b" in line for line in lines)


def test_a_disk_that_hangs_and_the_limits_of_a_container_are_named() -> None:
    far = Disk(mount="/home", device="nas:/home", filesystem="nfs4", hangs=12)
    limited = host(disks=(far, *host().disks), cpu_limit=1, memory_limit=8 << 30)
    lines = as_lines("attic", replace(samples.training_box(), host=limited))
    assert "limit of the container 1 CPU, 8.0G of memory" in lines[0]
    assert lines[-1] == "attic  disk   /home  no answer for 12s  nas:/home (nfs4)"


def test_a_box_without_gpus_is_no_fault() -> None:
    assert as_lines("attic", samples.no_device())[1:] == ["attic  gpu    No NVIDIA GPU here"]
    broken = replace(samples.no_device(), driver=Driver(version="550.120"))
    assert as_lines("attic", broken)[1].startswith("attic  fault  No NVIDIA GPU here. ")


def test_the_lines_report_the_readings() -> None:
    host, first, second = as_lines("attic", samples.training_box())
    assert "Ubuntu 22.04.5 LTS" in host
    for part in (
        "gpu 0",
        "util  97%",
        " 7.1G/8.0G",
        "79°C",
        "148W/151W",
        "GeForce GTX 1070",
        "ada 6.8G, root",
    ):
        assert part in first
    assert "GeForce RTX 4090" in second
    assert "SIMULATED" not in host + first + second


def test_simulated_gpus_are_marked_on_every_line() -> None:
    assert all("SIMULATED" in line for line in as_lines("demo", samples.training_box(simulated=True)))


def test_what_is_not_known_is_a_dash() -> None:
    host, gpu = as_lines("attic", samples.sparse())
    assert "cpu     –" in host
    assert "util    –" in gpu
    assert " 0%" not in gpu


def test_lost_gpus_and_reasons_to_worry_are_said() -> None:
    assert "LOST since" in as_lines("attic", samples.lost_gpu())[2]
    _, hot, starved = as_lines("attic", samples.hot_and_throttled())
    assert "  hot  " in hot
    assert "  power brake  " in starved
    assert "550.120" in as_lines("attic", samples.mismatch())[1]


def test_numbers_stand_below_each_other() -> None:
    lines = as_lines("attic", samples.eight_gpus())[1:]
    assert len({line.index("H100") for line in lines}) == 1
    names = [*as_lines("a", samples.no_driver(), 8), *as_lines("workshop", samples.no_driver(), 8)]
    assert {line.index("host" if "host" in line else "fault") for line in names} == {10}


def test_json_of_a_sample_is_one_line_with_the_sample_in_it() -> None:
    sample = samples.training_box()
    line = as_json("attic", sample)
    assert "\n" not in line
    reported = json.loads(line)
    assert list(reported) == ["schema", "box", "time", "sample", "findings", "metrics"]
    assert (reported["schema"], reported["box"], reported["time"]) == (SCHEMA, "attic", sample.time)
    assert msgspec.convert(reported["sample"], Sample) == sample


def test_json_says_what_the_rules_find() -> None:
    found = json.loads(as_json("attic", samples.hot_and_throttled()))["findings"]
    assert [set(finding) for finding in found] == [set(FoundWords.__struct_fields__)] * len(found)
    assert {"gpu-ecc-uncorrected", "gpu-memory-full", "host-memory-full", "disk-full", "disk-read-only"} <= {
        finding["code"] for finding in found
    }
    assert json.loads(as_json("attic", Sample(time=5)))["findings"] == []


def test_findings_are_as_clean_as_every_other_text_of_a_box() -> None:
    found = json.loads(as_json("attic", samples.hostile()))["findings"]
    assert any("\ufffd" in finding["title"] for finding in found)
    for finding in found:
        assert all(text == clean(text) for text in finding.values())


def test_the_thresholds_of_the_person_are_those_of_status() -> None:
    cold = Limits(temperature=(10, 20))
    assert "  too hot  " in as_lines("attic", samples.training_box(), limits=cold)[1]
    codes = [each["code"] for each in json.loads(as_json("attic", samples.training_box(), cold))["findings"]]
    assert "gpu-too-hot" in codes


def test_json_reports_what_is_unknown_as_null() -> None:
    assert json.loads(as_json("attic", samples.sparse()))["sample"]["gpus"][0]["util"] is None


def test_json_of_an_error_has_its_three_parts() -> None:
    reported = json.loads(as_json("attic", Unreachable("No answer", "attic is silent", "Wake it")))
    assert list(reported) == ["schema", "box", "time", "error"]
    assert reported["error"] == {"title": "No answer", "text": "attic is silent", "hint": "Wake it"}
