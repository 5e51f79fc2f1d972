"""What is true of a job is worked out when it is asked, on a box that crashes, boots and fills up."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remote.jobs.box import Box, gone, kill
from tests.remote.jobs.test_endings import STUBBORN, ready


def test_a_job_outlives_its_supervisor_and_then_is_lost(any_box: Box) -> None:
    record = any_box.launch("sh", "-c", "echo ready; sleep 100")
    assert record.supervisor
    assert record.main
    ready(any_box, record.id)
    kill(record.supervisor.pid)
    orphan = any_box.show(record.id)
    assert (orphan.state, orphan.orphaned) == ("running", True)
    assert [job.orphaned for job in any_box.list().jobs] == [True]
    kill(record.main.pid)
    lost = any_box.show(record.id)
    assert lost.ending
    assert (lost.state, lost.ending.how) == ("ended", "lost")
    assert lost.ended


def test_an_orphan_can_be_stopped_with_all_it_started(box: Box) -> None:
    record = box.launch(sys.executable, "-c", STUBBORN)
    assert record.supervisor
    assert record.main
    pids = ready(box, record.id)
    kill(record.supervisor.pid)
    box.ask("stop", id=record.id, by="ada")
    ending = box.ended(record.id).ending
    assert ending
    assert (ending.how, ending.by) == ("stopped", "ada")
    assert all(gone(pid) for pid in [*pids, record.main.pid])


def edit(box: Box, job: str, **fields: object) -> None:
    """Change the supervisor's identity in a record."""
    path = box.folder(job) / "status.json"
    record = json.loads(path.read_text())
    record["supervisor"].update(fields)
    path.write_text(json.dumps(record))


def test_a_box_that_was_booted_again_is_noticed(box: Box) -> None:
    record = box.launch("sleep", "100")
    assert record.supervisor
    edit(box, record.id, boot="another")
    ending = box.show(record.id).ending
    assert ending
    assert ending.how == "reboot"
    edit(box, record.id, boot=record.supervisor.boot)
    assert box.show(record.id).state == "running"


def test_a_number_that_another_process_has_now_is_no_supervisor(box: Box) -> None:
    record = box.launch("sleep", "100")
    assert record.supervisor
    edit(box, record.id, start=1)
    assert box.show(record.id).orphaned
    edit(box, record.id, start=record.supervisor.start)


def test_another_container_is_not_judged_from_here(box: Box) -> None:
    record = box.launch("sleep", "100")
    assert record.supervisor
    edit(box, record.id, pidns="pid:[1]")
    path = box.folder(record.id) / "status.json"
    status = json.loads(path.read_text())
    saved = status["main"]
    status["main"] = {**saved, "pidns": "pid:[1]"}
    path.write_text(json.dumps(status))
    ending = box.show(record.id).ending
    assert ending
    assert "another container" in ending.words
    status["main"], status["supervisor"]["pidns"] = saved, record.supervisor.pidns
    path.write_text(json.dumps(status))


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A disk of one megabyte."""
    if os.getuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False)
    if done.returncode:
        pytest.skip("this container may not mount a small disk")
    return folder


def test_a_full_disk_is_reported_and_the_record_still_written(tmp_path: Path, small_disk: Path) -> None:
    try:
        box = Box(tmp_path / "box", environment={"GPUBOX_STATE_DIR": str(small_disk / "state")})
        (box.root / "state").symlink_to(small_disk / "state")
        record = box.run("sh", "-c", "head -c 5000000 /dev/zero")
        assert record.ending
        assert record.ending.how == "exit"
        assert record.ending.code
        assert "was full when it ended" in record.ending.why
        assert record.usage
        shutil.rmtree(box.folder(record.id))
    finally:
        subprocess.run(["umount", "-l", small_disk], check=True)


def test_a_record_that_cannot_be_begun_says_so(tmp_path: Path, small_disk: Path) -> None:
    with contextlib.suppress(OSError):
        (small_disk / "fill").write_bytes(b"\0" * (1 << 20))
    try:
        box = Box(tmp_path / "box", environment={"GPUBOX_STATE_DIR": str(small_disk / "state")})
        words = box.refused("launch", spec={"id": "20261123-000000-full", "argv": ["true"]})
        assert "No space left" in words or "does not take" in words
        # With room for the spec and none for the record of it.
        (small_disk / "fill").write_bytes(b"\0" * ((1 << 20) - 48 * 1024))
        words = box.refused("launch", spec={"id": "20261123-000000-none", "argv": ["true"]})
        assert "full" in words
        # With more room than counts as full, and less than the record of this one takes.
        (small_disk / "fill").write_bytes(b"\0" * (1 << 18))
        large = {"id": "20261123-000000-much", "argv": ["true", "x" * 400_000]}
        assert "status.json: The disk is full" in box.refused("launch", spec=large)
        assert box.list().jobs == ()
    finally:
        subprocess.run(["umount", "-l", small_disk], check=True)


@pytest.mark.parametrize("code", [0, 6])
def test_what_a_queue_calls_a_failure_leaves_the_status_that_the_job_ended_with(box: Box, code: int) -> None:
    record = box.run("sh", "-c", f"exit {code}")
    said = {"id": record.id, "ending": {"how": "queue", "words": "It failed"}, "ended": record.ended}
    saved = box.record(box.ask("settle", **said))
    assert saved.ending
    assert (saved.ending.how, saved.ending.code, saved.ending.words) == ("exit", code, "")
    known = box.record(box.ask("settle", **said, forced=True))
    assert known.ending
    assert (known.ending.how, known.ending.code, known.ending.words) == ("queue", code, "It failed")


def test_a_lack_of_memory_is_reported_from_what_the_kernel_counts(box: Box) -> None:
    events = box.root / "memory.events"
    events.write_text("oom 9\noom_kill 3\n")
    script = "import sys; sys.path.insert(0, sys.argv[1]); from gpubox.remote.jobs import exit_reason as e\n"
    script += "now = e.counters(); print(now['/proc/vmstat'] >= 0, repr(e.out_of_memory(now)))\n"
    script += "print(repr(e.out_of_memory({sys.argv[2]: 3})), e.out_of_memory({sys.argv[2]: 2}))"
    words = [sys.executable, "-I", "-c", script, str(box.program), str(events)]
    done = subprocess.run(words, capture_output=True, check=True, text=True)
    assert done.stdout.splitlines() == [
        "True ''",
        "'' The kernel ended it because the memory that its control group may use ran out",
    ]


@pytest.fixture
def narrow() -> Iterator[Path]:
    """A control group of 64 MiB without swap, of either version; skips where none can be made."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, names, path = line.split(":", 2)
        root = {"0": "/sys/fs/cgroup"}.get(number, "/sys/fs/cgroup/memory" if "memory" in names else "")
        group = Path(f"{root}{path}", f"gpubox-test-{os.getpid()}")
        if not root or not group.parent.is_dir():
            continue
        try:
            group.mkdir()
        except OSError:
            continue
        limit = group / ("memory.max" if number == "0" else "memory.limit_in_bytes")
        try:
            if limit.exists():
                limit.write_text(str(64 << 20))
                yield group
                return
        finally:
            group.rmdir()
    pytest.skip("no control group with a limit of memory can be made here")


def test_a_job_that_the_kernel_ends_for_its_memory_is_reported_so(tmp_path: Path, narrow: Path) -> None:
    inside = tmp_path / "python"
    inside.write_text(f'#!/bin/sh\necho $$ >"{narrow}/cgroup.procs"\nexec "{sys.executable}" "$@"\n')
    inside.chmod(0o755)
    box = Box(tmp_path / "box", python=str(inside))
    eats = "held = []\nwhile True: held.append(bytearray(b'x') * (1 << 20))"
    words = "The kernel ended it because the memory that its control group may use ran out"
    other = (
        "Meanwhile memory ran out in its control group, and the kernel ended a process: perhaps of this job"
    )
    eater = f'{sys.executable} -c "{eats}"'
    for command, how, code, why in (
        ((sys.executable, "-c", eats), "signal", None, words),
        (("sh", "-c", f"{eater}; exit $?"), "exit", 137, words),
        (("sh", "-c", f"{eater}; exit 1"), "exit", 1, other),
    ):
        record = box.run(*command)
        assert record.ending is not None
        assert (record.ending.how, record.ending.code) == (how, code)
        assert why in record.ending.why
        assert record.usage is not None
        assert record.supervisor is not None
        gone(record.supervisor.pid)  # the group can be removed only when nothing is in it


def test_a_damaged_record_hides_no_other_and_claims_nothing(box: Box) -> None:
    good, empty, odd = box.run("true"), box.run("true"), box.run("true")
    (box.folder(empty.id) / "status.json").write_bytes(b"")  # as a disk leaves it when the power goes
    (box.folder(odd.id) / "status.json").write_text('{"supervisor": {}}')
    records = {record.id: record for record in box.list().jobs}
    assert records.keys() == {good.id, empty.id, odd.id}
    for job in (empty.id, odd.id):
        ending = records[job].ending
        assert ending
        assert ending.how == "lost"
        assert "is damaged" in ending.words
    box.ask("remove", ids=[empty.id, odd.id])
    assert [record.id for record in box.list().jobs] == [good.id]


def test_who_asks_again_to_stop_an_orphan_does_not_spare_it(box: Box) -> None:
    record = box.launch(sys.executable, "-c", STUBBORN, grace=2.0)
    assert record.supervisor
    pids = ready(box, record.id)
    kill(record.supervisor.pid)
    box.ask("stop", id=record.id, by="ada")
    box.until(record.id, lambda now: now.state == "stopping" and not now.orphaned)
    box.ask("stop", id=record.id, by="ada")
    ending = box.ended(record.id).ending
    assert ending
    assert (ending.how, ending.by) == ("stopped", "ada")
    assert all(gone(pid) for pid in pids)


def test_a_box_without_a_free_file_handle_declares_nothing_ended(box: Box) -> None:
    record = box.launch("sleep", "100")
    code = (
        "import json, os, resource, sys; sys.path.insert(0, sys.argv[1]);"
        "from gpubox.remote import process_tree; from gpubox.remote.jobs import records;"
        "given = json.loads(sys.argv[3]); gone = dict(given['supervisor'], pid=2 ** 22 + 1);"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3));"
        "records._derive(sys.argv[2], given);"
        "print(given['state'], given.get('orphaned'), process_tree.alive(gone), records.current(sys.argv[2]))"
    )
    saved = (box.folder(record.id) / "status.json").read_text()
    words = [sys.executable, "-I", "-c", code, str(box.program), str(box.folder(record.id)), saved]
    done = subprocess.run(words, capture_output=True, check=True, text=True)
    assert done.stdout == "running None False None\n"


def test_jobs_are_counted_in_the_order_in_which_they_were_submitted(box: Box) -> None:
    serials = [box.run("true", id=f"20261123-0000{number:02d}-abcd").serial for number in (9, 5, 7)]
    assert serials == [1, 2, 3]
