"""The kernel log: recorded logs become facts, and the checks judge those."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gpubox.boxes.checks.check import Outcome, Result
from gpubox.boxes.checks.gpu.facts import KernelFacts
from gpubox.core.sanitize import clean
from gpubox.remote.checks import commands, kernel
from tests.boxes.checks.facts import judge

LOGS = Path(__file__).parents[2] / "recorded" / "kernel-logs"
BOOT = 1_700_000_000.0
NOW = 100_000.0
"""Seconds since the boot at which the logs are read."""
UPTIMES = {"journal": 900_000.0, "old-xid": 900_000.0, "xid119-again": 40_000.0, "xid149-nvlink": 9_000.0}

FAILED, WARNING, HINT, OK = Outcome.FAILED, Outcome.WARNING, Outcome.HINT, Outcome.OK


def facts(name: str, uptime: float = NOW) -> KernelFacts:
    """Return the facts of a recorded log, as they travel."""
    text = (LOGS / f"{name}.log").read_bytes().decode()
    stamp = kernel._JOURNAL if name == "journal" else kernel._STAMP
    row = kernel.parsed(kernel.split(text, stamp), BOOT, uptime)
    row = {"source": "dmesg", "whole": True, "begins": BOOT, "time": BOOT + uptime, **row}
    return msgspec.json.decode(msgspec.json.encode(row), type=KernelFacts)


XIDS = [
    ("quiet", OK, "none", "None since the boot"),
    ("xid31-program", HINT, "31, 43", "your program"),
    ("xid13-two-cards", HINT, "13", "your program"),
    ("xid31-card", WARNING, "31", "this card, maybe"),
    ("xid79-bus", FAILED, "154, 79", "Node Reboot Required"),
    ("xid94-mig", WARNING, "94, 63, 45", "GPU-I:05"),
    ("xid154-recovered", WARNING, "119, 154", "has recovered"),
    ("xid119-again", FAILED, "119", "5 times in a day"),
    ("xid48-ecc", FAILED, "48, 64", "could not correct"),
    ("xid149-nvlink", FAILED, "149, 145", "NVLink"),
    ("sxid-fatal", FAILED, "20034, 24001", "Fatal, Link 07"),
    ("old-xid", WARNING, "61, 13", "internal controller"),
    ("xid-flood", HINT, "45", "300 times"),
    ("rm-init", OK, "none", "None"),
    ("gone-at-start", OK, "none", "None"),
    ("nouveau", OK, "none", "None"),
    ("secure-boot", OK, "none", "None"),
    ("legacy-card", OK, "none", "None"),
    ("memory-and-disks", OK, "none", "None"),
    ("stuck-and-aer", OK, "none", "None"),
    ("journal", WARNING, "62", "controller halted"),
    ("no-timestamps", WARNING, "92, 8", "ECC corrected"),
]


@pytest.mark.parametrize(("name", "outcome", "value", "words"), XIDS)
def test_the_xids_of_a_recorded_log_are_judged(name: str, outcome: Outcome, value: str, words: str) -> None:
    result = judge("gpu.xids", facts(name, UPTIMES.get(name, NOW)))
    assert (result.outcome, result.value) == (outcome, value)
    assert words in result.text
    assert bool(result.step) is (outcome is not OK)


MESSAGES = [
    ("quiet", OK, "none"),
    ("xid31-program", OK, "none"),
    ("xid79-bus", FAILED, "fallen, pcie-fatal"),
    ("rm-init", FAILED, "init, needs-open"),
    ("gone-at-start", FAILED, "fallen"),
    ("nouveau", HINT, "taken, no-card"),
    ("secure-boot", WARNING, "rejected, lockdown"),
    ("legacy-card", FAILED, "ignored, no-card"),
    ("memory-and-disks", FAILED, "read-only, nvme-lost, disk, nvme, oom, memory"),
    ("stuck-and-aer", WARNING, "machine-check, lockup, blocked, pcie"),
]


@pytest.mark.parametrize(("name", "outcome", "value"), MESSAGES)
def test_other_messages_of_a_recorded_log_are_judged(name: str, outcome: Outcome, value: str) -> None:
    result = judge("gpu.kernel-log", facts(name))
    assert (result.outcome, result.value) == (outcome, value)


def test_every_recorded_log_has_its_row() -> None:
    named = {name for name, *_ in XIDS} | {"hostile"}
    assert {path.stem for path in LOGS.glob("*.log")} == named
    assert len(named) >= 20


def shown(result: Result) -> str:
    return "".join((result.text, result.step, *result.details))


@pytest.mark.parametrize("check", ["gpu.xids", "gpu.kernel-log"])
def test_a_hostile_log_is_shown_clean(check: str) -> None:
    result = judge(check, facts("hostile"))
    assert shown(result) == clean(shown(result), 10_000)
    assert result.outcome in (FAILED, WARNING)


def test_one_cause_counts_once() -> None:
    (flood,) = facts("xid-flood").xids
    assert (flood.count, flood.bursts, flood.pids, flood.programs) == (300, 1, 1, ("python",))
    (again,) = facts("xid119-again", 40_000.0).xids
    assert (again.count, again.bursts, again.bursts_day) == (10, 5, 5)
    assert facts("xid119-again", 200_000.0).xids[0].bursts_day == 0


@pytest.mark.parametrize(
    ("rest", "owner"),
    [
        ("pid=4711, name=trainer, Ch 00000011", ("4711", "trainer", "Ch 00000011")),
        ("pid='<unknown>', name=<unknown>, GPU has fallen", ("", "", "GPU has fallen")),
        ("pid=8, name=nvc:[driver], x", ("8", "nvc:[driver]", "x")),
        ("pid=8, name=a,b, x", ("8", "a,b", "x")),
        ("pid=8, name=python3", ("8", "python3", "")),
        ("pid=12, Channel 0018", ("12", "", "Channel 0018")),
        ("GPU recovery action changed", ("", "", "GPU recovery action changed")),
    ],
)
def test_the_three_forms_of_the_process_are_read(rest: str, owner: tuple[str, str, str]) -> None:
    assert kernel.owner(rest) == owner


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH without the machine's own dmesg and journalctl, and the files of /proc that are read."""
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/uptime").write_text("5000.00 100.0\n")
    (tmp_path / "proc/stat").write_text("cpu  1 2 3 4\nbtime 1700000000\n")
    (tmp_path / "proc/sys/kernel/dmesg_restrict").write_text("1\n")
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("GPUBOX_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(commands, "FOLDERS", ())
    return folder


def gathered() -> KernelFacts:
    return msgspec.convert(kernel.gather(), KernelFacts)


def test_dmesg_is_read_where_it_is_permitted(tools: Path) -> None:
    program(tools, "dmesg", f"exec /bin/cat {LOGS}/xid31-program.log\n")
    found = gathered()
    assert (found.source, found.whole, found.begins) == ("dmesg", True, 1_700_000_000.0)
    assert [(xid.code, xid.last) for xid in found.xids] == [(31, 1_700_004_201.118), (43, 1_700_004_201.12)]


def test_the_journal_is_read_where_dmesg_is_refused(tools: Path) -> None:
    program(tools, "dmesg", "echo 'dmesg: read kernel buffer failed: Operation not permitted' >&2; exit 1\n")
    program(tools, "journalctl", f"exec /bin/cat {LOGS}/journal.log\n")
    found = gathered()
    assert (found.source, [xid.code for xid in found.xids]) == ("journal", [62])


def test_the_journal_is_read_when_the_buffer_lost_its_beginning(tools: Path) -> None:
    program(tools, "dmesg", "echo '[ 4000.000001] late'\n")
    program(tools, "journalctl", f"exec /bin/cat {LOGS}/journal.log\n")
    assert gathered().source == "journal"


def test_a_buffer_that_lost_its_beginning_is_distinguished(tools: Path) -> None:
    program(tools, "dmesg", "echo '[ 4000.000001] late'\n")
    found = gathered()
    assert (found.source, found.whole) == ("dmesg", False)
    assert "goes back" in judge("gpu.xids", found).text


def test_why_the_log_cannot_be_read_is_said(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tools, "dmesg", "echo 'dmesg: read kernel buffer failed: Operation not permitted' >&2; exit 1\n")
    monkeypatch.setattr("os.getuid", lambda: 1000)
    found = gathered()
    assert (found.source, found.why.partition(" is ")[0]) == ("", "kernel.dmesg_restrict")
    for check in ("gpu.xids", "gpu.kernel-log"):
        result = judge(check, found)
        assert result.outcome is Outcome.UNKNOWN
        assert "dmesg_restrict" in result.text


def test_a_box_without_dmesg_is_no_fault(tools: Path) -> None:
    assert "missing" in kernel.reason(None) or "dmesg_restrict" in kernel.reason(None)
    assert gathered().source == ""


def test_this_machine_gives_facts() -> None:
    found = gathered()
    assert found.source or found.why
