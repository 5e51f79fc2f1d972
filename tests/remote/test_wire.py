"""The probe's channel: what it obeys, what it answers, and when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from gpubox.core.decode import decode
from tests.hang import LIMIT
from tests.house import tree
from tests.remote.conftest import Machine
from tests.remote.running import PROBE


def test_a_heartbeat_is_answered_between_samples_and_in_the_next(machine: Machine, python: str) -> None:
    probe = machine.start("interval=60", python=python)
    assert [probe.sample().pong for _ in range(2)] == [None, None]
    probe.send("beat 41")
    assert msgspec.json.decode(probe.line()) == {"pong": 41}
    probe.send("beat 42")
    assert msgspec.json.decode(probe.line()) == {"pong": 42}


def test_the_next_sample_carries_the_last_heartbeat(machine: Machine) -> None:
    probe = machine.start()
    probe.send("beat 7")
    assert probe.until(lambda sample: sample.pong).pong == 7


def test_quit_ends_it(machine: Machine) -> None:
    probe = machine.start("interval=60")
    probe.sample()
    probe.send("quit")
    assert probe.end() == 0


def test_the_end_of_stdin_ends_it(machine: Machine, python: str) -> None:
    probe = machine.start("interval=60", python=python)
    probe.sample()
    probe.hang_up()
    assert probe.end() == 0
    assert probe.errors() == ""


def test_silence_ends_it(machine: Machine) -> None:
    probe = machine.start("interval=60", patch="wire.SILENCE = 0.3")
    assert probe.end() == 0
    assert probe.errors() == ""


def test_heartbeats_keep_it_alive_past_the_silence(machine: Machine) -> None:
    probe = machine.start(patch="wire.SILENCE = 1.0")
    begin = probe.sample().time
    number = 0
    while probe.sample().time - begin < 2.5:
        number += 1
        probe.send(f"beat {number}")
    probe.send("quit")
    assert probe.end() == 0


def test_rates_are_there_long_before_the_second_interval(machine: Machine) -> None:
    probe = machine.start("interval=60")
    first, second = probe.sample(), probe.sample()
    assert (first.host.cpu, second.host.cpu is None) == (None, False)
    assert second.time - first.time < 60


def test_the_interval_can_be_changed(machine: Machine) -> None:
    probe = machine.start("interval=60")
    assert [probe.sample().interval for _ in range(2)] == [60, 60]
    probe.send("interval 0.25")
    # The sample that was due in a minute comes at once, or nobody would see the change for so long.
    assert probe.sample().interval == 0.25


@pytest.mark.parametrize(
    "line", ["", "dance", "beat", "beat x", "interval soon", "pcie -1", "\x00\xff", "x" * 9000]
)
def test_what_it_does_not_know_is_passed_over(machine: Machine, line: str) -> None:
    probe = machine.start()
    probe.sample()
    probe.send(line)
    assert probe.sample().seq == 2


def test_nobody_who_reads_ends_it_after_the_silence(home: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(home)!r}); "
        "from gpubox.remote.probe import main, wire; wire.SILENCE = 1.0; "
        "big = main.Probe.sample; main.Probe.sample = lambda self: dict(big(self), pad='x' * 200000); "
        "wire.ProbeWire.obey = lambda self, words: setattr(self, 'beat_at', main.time.monotonic()); "
        "main.main(['interval=0.25'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.wait(LIMIT) == 6
    finally:
        process.kill()
        process.communicate()


def test_a_reader_that_goes_away_ends_it_without_a_word(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(home / "run.py"), PROBE, "interval=0.25"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.readline()
    process.stdout.close()
    try:
        assert process.wait(LIMIT) == 0
        assert process.stderr
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stderr):
            assert pipe
            pipe.close()


@pytest.mark.parametrize("argument", ["nonsense", "interval=soon", "top=many"])
def test_wrong_arguments_end_it_with_a_line(machine: Machine, argument: str) -> None:
    probe = machine.start(argument)
    assert probe.end() == 2
    assert probe.errors().startswith("gpubox: ")


def test_a_fault_in_itself_is_reported_in_one_line(machine: Machine) -> None:
    probe = machine.start(patch="main.Probe.sample = lambda self: 1 / 0")
    assert probe.end() == 70
    errors = probe.errors()
    assert "ZeroDivisionError" in errors
    assert len(errors.splitlines()) == 1


def test_a_part_that_fails_does_not_take_the_others_along(machine: Machine) -> None:
    probe = machine.start(patch="host.HostReader.tick = lambda self, lanes, now: {}['gone']")
    sample = probe.sample()
    assert any("Reading the host: KeyError" in fault.detail for fault in sample.faults)
    assert sample.processes


def test_every_line_decodes_and_costs_are_reported(machine: Machine, python: str) -> None:
    probe = machine.start(python=python)
    sample = probe.until(lambda sample: sample.seq == 4)
    for line in probe.lines:
        decode(line)
        assert line.isascii()
    assert (sample.v, sample.interval) == (1, 0.25)
    assert sample.probe.cpu is not None
    assert sample.probe.memory
    assert sample.probe.tick is not None
    assert sample.probe.python.startswith("3.")
    assert "host" in sample.__struct_fields__
    host = sample.host
    assert host.hostname == os.uname().nodename
    assert host.kernel == os.uname().release
    assert host.cpu is not None
    assert len(host.cores) == len(os.sched_getaffinity(0)) or host.cores
    assert host.memory_total
    assert host.memory_available
    assert host.uptime
    assert len(host.load) == 3
    assert host.processes
    assert any(disk.mount == "/" and disk.total > disk.used > 0 for disk in host.disks)


def test_a_sample_reports_when_a_job_last_changed(machine: Machine, tmp_path: Path) -> None:
    machine.environment["GPUBOX_STATE_DIR"] = str(tmp_path / "state")
    probe = machine.start()
    assert probe.sample().jobs is None
    script = "import sys; sys.path.insert(0, sys.argv[1]); "
    script += "import gpubox.remote.jobs.records as r; print(r.jobs_folder())"
    place = subprocess.run(
        [sys.executable, "-c", script, str(tree.PACKAGE.parent)],
        env=machine.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    mark = Path(place.stdout.strip()) / ".changed"
    mark.touch()
    os.utime(mark, (1_763_901_234.5, 1_763_901_234.5))
    assert probe.until(lambda sample: sample.jobs is not None).jobs == 1_763_901_234.5
    os.utime(mark, (1_763_901_235.0, 1_763_901_235.0))
    probe.until(lambda sample: sample.jobs == 1_763_901_235.0)
