"""Every way in which a job can end, with real processes."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from pathlib import Path

import pytest

from gpubox.remote.jobs import sigill
from tests.hang import LIMIT
from tests.remote.jobs.box import Box, alive

CORES = Path("/proc/sys/kernel/core_pattern").read_text().strip()

STUBBORN = """
import os, signal, sys, time
def detached(ignore):
    told, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        if ignore:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(1, b"%d\\n" % os.getpid())  # in one piece: a job's print is unbuffered
        os.write(tell, b".")
        time.sleep(100)
        os._exit(0)
    os.wait()
    os.read(told, 1)
detached(True)
detached(False)
print("ready", flush=True)
time.sleep(100)
"""
BREEDING = """
import os, signal, sys, time
def again(*_):
    if os.fork() == 0:
        os.setsid()
        os.write(1, b"%d\\n" % os.getpid())
signal.signal(signal.SIGTERM, again)
print(os.getpid(), flush=True)
print("ready", flush=True)
while True:
    time.sleep(100)
"""


def ready(box: Box, job: str) -> list[int]:
    """Wait until a job has said so, and return the pids that it wrote before."""
    box.until(job, lambda record: b"ready\n" in box.log(job))
    return [int(word) for word in box.log(job).split(b"\n") if word.isdigit()]


def test_an_exit_code_is_preserved(any_box: Box) -> None:
    record = any_box.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert record.ending is not None
    assert (record.ending.how, record.ending.code, record.ending.signal) == ("exit", 3, "")
    assert any_box.log(record.id) == b"out\nerr\n"
    assert record.started
    assert record.ended
    assert record.submitted <= record.started <= record.ended
    assert (record.log_bytes, record.user != "", record.host) == (8, True, os.uname().nodename)


def test_success_has_no_cause(box: Box) -> None:
    ending = box.run("true").ending
    assert ending
    assert (ending.how, ending.code, ending.why, ending.leftovers) == ("exit", 0, "", ())


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV])
def test_a_signal_and_its_core_are_reported(any_box: Box, tmp_path: Path, number: signal.Signals) -> None:
    record = any_box.run("sh", "-c", f"kill -{int(number)} $$", cwd=str(tmp_path))
    assert record.ending
    assert record.ending.how == "signal"
    assert f"SIG{record.ending.signal}" == number.name
    if CORES.startswith("|") or not resource_allows_cores():
        pytest.skip("this machine hands cores to a program, or allows none")
    assert record.ending.core
    assert Path(record.ending.core_file).parent == tmp_path
    assert Path(record.ending.core_file).read_bytes().startswith(b"\x7fELF")


def test_cores_of_two_jobs_in_one_folder_are_both_there(box: Box, tmp_path: Path) -> None:
    if CORES.startswith("|") or not resource_allows_cores():
        pytest.skip("this machine hands cores to a program, or allows none")
    ends = [box.run("sh", "-c", "kill -SEGV $$", cwd=str(tmp_path)) for _ in range(2)]
    files = [Path(record.ending.core_file) for record in ends if record.ending]
    assert len(set(files)) == 2
    for record, path in zip(ends, files, strict=True):
        assert record.main
        assert sigill.Core(str(path)).pid == record.main.pid


def test_memory_of_all_processes_is_not_less_than_that_of_the_largest(box: Box) -> None:
    # It takes its memory and gives it back between two looks.
    line = "import time; time.sleep(0.4); x = bytearray(120_000_000); del x; time.sleep(0.1)"
    for argv in (("true",), (sys.executable, "-c", line)):
        usage = box.run(*argv).usage
        assert usage
        assert usage.max_rss <= max(usage.peak_tree or 0, usage.floor)


def resource_allows_cores() -> bool:
    """Whether the hard limit lets a process dump core."""
    return resource.getrlimit(resource.RLIMIT_CORE)[1] != 0


def test_a_kill_from_outside_is_a_signal(box: Box) -> None:
    record = box.run("sh", "-c", "kill -9 $$")
    assert record.ending
    assert (record.ending.how, record.ending.signal) == ("signal", "KILL")
    assert record.ending.why


def test_what_a_shell_says_of_a_signal_is_explained(box: Box) -> None:
    record = box.run("sh", "-c", "sh -c 'kill -11 $$'; exit $?")
    assert record.ending
    assert record.ending.code == 139
    assert "killed by SIGSEGV" in record.ending.why


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("no-such-program",), "no such program in PATH; check its name, and the environment. PATH is /"),
        (("/no/such",), "/no/such: No such file or directory"),
        (("/etc/passwd",), "/etc/passwd: Permission denied"),
        (("/",), "it is a folder"),
    ],
)
def test_a_command_that_cannot_be_started_says_why(any_box: Box, argv: tuple[str, ...], words: str) -> None:
    record = any_box.run(*argv)
    assert record.ending
    assert (record.ending.how, record.ending.code) == ("exec", None)
    assert words in record.ending.words
    assert record.started is None
    assert record.usage is None


def test_a_missing_interpreter_is_named(box: Box, tmp_path: Path) -> None:
    script = tmp_path / "run"
    script.write_text("#!/opt/none/python\n")
    script.chmod(0o755)
    ending = box.run(str(script)).ending
    assert ending
    assert ending.words == f"{script}: its interpreter /opt/none/python is missing"


def test_a_missing_folder_is_its_own_ending(any_box: Box) -> None:
    ending = any_box.run("true", cwd="~/gone").ending
    assert ending
    assert ending.how == "folder"
    assert ending.words == f"{any_box.home}/gone: No such file or directory"


def test_a_time_limit_ends_the_job(any_box: Box) -> None:
    record = any_box.run("sleep", "100", limit=0.3)
    assert record.ending
    assert (record.ending.how, record.ending.signal) == ("limit", "TERM")
    assert record.ending.words == "Its time limit of 0.3 s passed"
    assert record.usage
    assert 0.3 <= record.usage.real < LIMIT  # its command takes as long


def test_stop_ends_the_whole_tree_and_names_who_asked(any_box: Box) -> None:
    job = any_box.launch(sys.executable, "-c", STUBBORN).id
    pids = ready(any_box, job)
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)
    asked = any_box.record(any_box.ask("stop", id=job, by="ada@laptop"))
    assert asked.state in ("stopping", "ended")
    record = any_box.ended(job)
    assert record.ending
    assert (record.ending.how, record.ending.by) == ("stopped", "ada@laptop")
    assert not any(alive(pid) for pid in pids)


def test_processes_that_multiply_on_term_are_ended_too(box: Box) -> None:
    job = box.launch(sys.executable, "-c", BREEDING, grace=0.5).id
    ready(box, job)
    box.ask("stop", id=job, by="ada")
    record = box.ended(job)
    pids = [int(word) for word in box.log(job).split(b"\n") if word.isdigit()]
    assert record.ending
    assert record.ending.how == "stopped"
    assert len(pids) > 1
    assert not any(alive(pid) for pid in pids)


def test_a_stopped_process_takes_its_term(box: Box) -> None:
    job = box.launch("sh", "-c", "echo ready; kill -STOP $$; exit 1", grace=20.0).id
    ready(box, job)
    box.ask("stop", id=job, by="ada")
    record = box.ended(job)
    assert record.ending
    assert (record.ending.how, record.ending.signal) == ("stopped", "TERM")


def test_a_bare_signal_to_the_supervisor_is_reported_as_such(box: Box) -> None:
    record = box.launch("sleep", "100")
    assert record.supervisor
    os.kill(record.supervisor.pid, signal.SIGTERM)
    ending = box.ended(record.id).ending
    assert ending
    assert (ending.how, ending.by) == ("stopped", "a signal to the supervisor")


def test_what_a_job_leaves_behind_is_named_and_ended(any_box: Box) -> None:
    record = any_box.run("sh", "-c", "setsid sleep 100 & echo $!; sleep 0.05; exit 5")
    assert record.ending
    assert (record.ending.how, record.ending.code) == ("exit", 5)
    assert len(record.ending.leftovers) == 1
    assert not any(alive(pid) for pid in record.ending.leftovers)


def test_the_figures_are_those_of_the_command(any_box: Box) -> None:
    script = "import time; begin = time.process_time()\nwhile time.process_time() < begin + 0.3: pass\n"
    script += "data = bytearray(b'1') * 80_000_000"
    begun = time.monotonic()
    record = any_box.run(sys.executable, "-c", script)
    wall = time.monotonic() - begun
    usage = record.usage
    assert usage
    assert 0.3 <= usage.user + usage.sys <= wall
    assert 0.3 <= usage.real <= wall
    assert 80e6 < usage.max_rss < 160e6
    assert usage.peak_tree
    assert usage.peak_tree > 5e6
    assert 0 < usage.floor < 40e6
    assert usage.minor_faults > 1000


def test_memory_of_all_workers_is_added_up(box: Box) -> None:
    script = (
        "import os, time\nready, done = os.pipe()\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0: x = bytearray(b'1') * 40_000_000; os.write(done, b'.'); time.sleep(100)\n"
        "[os.read(ready, 1) for _ in range(3)], print('all', flush=True), time.sleep(100)"
    )
    record = box.launch(sys.executable, "-c", script)
    box.until(record.id, lambda _: b"all" in box.log(record.id))
    box.ask("stop", id=record.id)  # memory is looked at each second, and once more before the end
    record = box.ended(record.id)
    assert record.usage
    assert record.usage.peak_tree
    assert record.usage.peak_tree > 110e6 > record.usage.max_rss
