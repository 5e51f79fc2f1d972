"""What is read from the lines of plain.sh, whatever wrote them."""

from __future__ import annotations

import re
import time
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.agent import bootstrap
from gpubox.agent.shell_samples import ShellSampleReader
from gpubox.common.sample_format import WIRE
from gpubox.common.smi import BASIC, SMI_COLUMNS
from gpubox.core.sample import Sample
from tests.remote.test_smi import row


def report(*lines: str) -> Sample:
    """The sample of one block."""
    reader = ShellSampleReader()
    for line in lines:
        assert reader.feed(line.encode() + b"\n") is None
    sample = reader.feed(b".\n")
    assert sample is not None
    return sample


def smi(*lines: str, status: int = 0) -> list[str]:
    """What plain.sh writes around the lines of nvidia-smi."""
    return ["g =", *(f"g {line}" for line in lines), f"g = {status}"]


def test_the_script_asks_for_the_columns_that_the_reader_knows() -> None:
    text = resources.files("gpubox.remote").joinpath("plain.sh").read_text()
    parts: dict[str, str] = {}
    for name, value in re.findall(r"^(basic|more)=(?:\$\w+,)?(\S+)$", text, re.M):
        parts[name] = f"{parts[name]},{value}" if name in parts else value
    assert parts["basic"].split(",") == [column[0] for column in SMI_COLUMNS[:BASIC]]
    assert parts["more"].split(",") == [column[0] for column in SMI_COLUMNS[BASIC:]]


def test_the_script_travels_without_its_comments() -> None:
    assert b"#" not in bootstrap.plain_script().replace(b"##*/", b"")
    assert len(bootstrap.plain_script()) < 5000


def test_gpus_and_processes_of_a_block_arrive() -> None:
    sample = report(
        "v NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01",
        *smi(row(), row(index="1", uuid="GPU-2")),
        "g GPU-2, 4711, 512",
        "g = apps",
        "g   4711 ada 204800 3600 Rl /home/ada/bin/python train.py --lr 1",
        "g .",
    )
    one, two = sample.gpus
    assert (one.util, two.index) == (97, 1)
    assert (sample.driver.source, sample.driver.version) == ("nvidia-smi", "535.183.01")
    (process,) = sample.processes
    assert (process.pid, process.gpu, process.user, process.state) == (4711, 1, "ada", "R")
    assert (process.name, process.command) == ("python", "/home/ada/bin/python train.py --lr 1")
    assert (process.memory, process.gpu_memory) == (204800 << 10, 512 << 20)
    assert abs((process.started or 0) - (time.time() - 3600)) < 60
    assert sample.faults == ()


def test_the_cache_of_zfs_is_available() -> None:
    sample = report("m MemTotal: 4096 kB", "m MemAvailable: 1024 kB", "m size 4 2097152", "m c_min 4 1048576")
    assert sample.host.memory_available == 2 << 20


def test_an_old_nvidia_smi_gives_fewer_columns() -> None:
    sample = report(*smi(", ".join(row().split(", ")[:BASIC])), "g .")
    assert (sample.gpus[0].util, sample.gpus[0].power_limit) == (97, None)


def test_half_an_answer_waits_for_its_other_half() -> None:
    reader = ShellSampleReader()
    for line in smi(row()):
        reader.feed(line.encode())
    first = reader.feed(b".")
    assert first is not None
    assert first.gpus == ()
    assert first.faults == ()
    reader.feed(b"g .")
    second = reader.feed(b".")
    assert second is not None
    assert [gpu.util for gpu in second.gpus] == [97]
    third = reader.feed(b".")
    assert third is not None
    assert third.gpus == second.gpus


@pytest.mark.parametrize(
    ("lines", "status", "seen", "code"),
    [
        (["nvidia-smi: not found"], 127, [], "no-device"),
        (["nvidia-smi: not found"], 127, ["x PCI 0000:01:00.0"], "no-driver"),
        (["nvidia-smi: not found"], 127, ["v x Kernel Module  535.1.2"], "no-library"),
        ([], 124, [], "hang"),
        (["No devices were found"], 6, [], "no-device"),
        (
            ["NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."],
            9,
            [],
            "no-driver",
        ),
        (["Failed to initialize NVML: Insufficient Permissions"], 4, [], "permission"),
        (["Failed to initialize NVML: Unknown Error"], 255, [], "error"),
        ([], 9, [], "error"),
    ],
)
def test_what_is_wrong_is_reported_in_words(
    lines: list[str], status: int, seen: list[str], code: str
) -> None:
    (fault,) = report(*seen, *smi(*lines, status=status), "g .").faults
    assert fault.code == code
    assert fault.detail
    assert "nvidia-smi in PATH" in fault.looked


def test_a_mismatch_has_both_versions() -> None:
    words = ["Failed to initialize NVML: Driver/library version mismatch", "NVML library version: 535.183"]
    seen = "v NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05"
    (fault,) = report(seen, *smi(*words, status=18), "g .").faults
    assert (fault.code, fault.kernel_version, fault.library_version) == ("mismatch", "535.104.05", "535.183")


def test_gpus_that_were_there_stay_while_nvidia_smi_hangs() -> None:
    reader = ShellSampleReader()
    for line in [*smi(row()), "g .", "."]:
        reader.feed(line.encode())
    reader.feed(b"w 14")
    hung = reader.feed(b".")
    assert hung is not None
    assert (hung.faults[0].code, "14 seconds" in hung.faults[0].detail) == ("hang", True)
    assert (hung.gpus[0].name, hung.gpus[0].util) == ("NVIDIA GeForce GTX 1070", None)
    assert hung.gpus[0].fault == "nvidia-smi does not answer"


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_any_bytes_give_clean_samples_or_nothing(lines: list[bytes]) -> None:
    reader = ShellSampleReader()
    for line in [
        *lines,
        b".",
        *(b"g " + line for line in lines),
        b"g .",
        *(b"d " + line for line in lines),
        b".",
    ]:
        reader.feed(line.replace(b"\n", b""))
    sample = reader.feed(b".\n")
    assert sample is not None


@given(st.sampled_from("culmnqobvkisxhw"), st.text(max_size=200))
def test_any_line_of_a_known_kind_is_read_or_passed_over(kind: str, text: str) -> None:
    sample = report(f"{kind} {text}".replace("\n", " "))
    assert sample.v == WIRE


@pytest.mark.parametrize("line", ["u 1E100", "l 1E100 0 0", f"m MemTotal: {'9' * 30} kB"])
def test_a_number_that_no_box_has_is_not_believed(line: str) -> None:
    assert report(line).host.uptime is None


def test_hostile_words_come_out_clean() -> None:
    sample = report(*smi("\x1b]0;x\x07\x1b[2J[red]", status=9), "g .")
    assert "\x1b" not in sample.faults[0].detail
