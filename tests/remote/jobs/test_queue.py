"""The queue for GPUs: first come first served, nobody starved, strangers respected."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpubox.core.record import Record
from tests.hang import LIMIT
from tests.remote.bundles import remote
from tests.remote.jobs.box import Box, kill

ONE: dict[str, object] = {}  # what is left out has its default
TWO: dict[str, object] = {"mode": "count", "count": 2}
SHOW = 'echo "$CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER"; echo ready; exec sleep 100'


def holding(box: Box, gpus: object = ONE, **spec: object) -> Record:
    """Launch a job that holds GPUs until it is stopped."""
    return box.launch("sh", "-c", SHOW, gpus=gpus, **spec)


def running(box: Box, job: str) -> Record:
    """Wait until a job runs."""
    return box.until(job, lambda record: record.state == "running" and b"ready\n" in box.log(job))


def queued(box: Box, job: str, words: str = "") -> Record:
    """Wait until a job waits for what the words say."""
    return box.until(job, lambda record: record.state == "queued" and words in record.waits and record.waits)


def devices(box: Box, job: str) -> str:
    """Return the GPUs that a job was given."""
    return box.log(job).decode().split(" ")[0]


def stop(box: Box, job: str) -> None:
    """Stop a job and wait for its end."""
    box.ask("stop", id=job, by="ada")
    box.ended(job)


def test_a_job_gets_a_free_gpu_by_its_uuid(any_box: Box) -> None:
    any_box.gpus("", "")
    first, second = holding(any_box), holding(any_box)
    running(any_box, first.id)
    shown = running(any_box, second.id)
    given = {devices(any_box, first.id), devices(any_box, second.id)}
    assert given == {"GPU-0000", "GPU-1111"}
    assert any_box.log(second.id).split(b"\n")[0].endswith(b" PCI_BUS_ID")
    assert [gpu.uuid for gpu in shown.gpus] == [devices(any_box, second.id)]
    places = any_box.list().gpus
    assert {place.job for place in places} == {first.id, second.id}
    assert not any(place.free for place in places)


def test_jobs_start_in_the_order_they_came_and_a_wide_one_is_not_starved(any_box: Box) -> None:
    any_box.gpus("", "")
    first, second = holding(any_box), holding(any_box)
    running(any_box, first.id)
    running(any_box, second.id)
    wide = holding(any_box, TWO)
    queued(any_box, wide.id, "2 free GPUs; GPU 0: job ")
    narrow = [holding(any_box) for _ in range(2)]
    assert queued(any_box, narrow[1].id, "2 jobs before it").ahead == 2
    stop(any_box, first.id)  # one is free now, and belongs to the wide one
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert any_box.show(narrow[0].id).state == "queued"
    stop(any_box, second.id)
    running(any_box, wide.id)
    assert sorted(devices(any_box, wide.id).split(",")) == ["GPU-0000", "GPU-1111"]
    assert any_box.show(narrow[0].id).state == "queued"
    stop(any_box, wide.id)
    began = [running(any_box, record.id).started for record in narrow]
    assert all(began)


def test_a_killed_waiter_is_skipped(any_box: Box) -> None:
    any_box.gpus("")
    first = holding(any_box)
    running(any_box, first.id)
    second, third = holding(any_box), holding(any_box)
    queued(any_box, third.id, "1 job before it")
    assert second.supervisor
    kill(second.supervisor.pid)
    assert any_box.until(third.id, lambda record: record.ahead == 0).state == "queued"
    ending = any_box.show(second.id).ending
    assert ending
    assert ending.how == "lost"
    stop(any_box, first.id)
    running(any_box, third.id)


def test_a_killed_supervisor_gives_its_gpu_back(box: Box) -> None:
    box.gpus("")
    first = running(box, holding(box).id)
    second = holding(box)
    queued(box, second.id)
    assert first.supervisor
    assert first.main
    kill(first.supervisor.pid)
    kill(first.main.pid)
    running(box, second.id)


def test_jobs_without_gpus_do_not_wait(box: Box) -> None:
    box.gpus("")
    running(box, holding(box).id)
    queued(box, holding(box).id)
    record = box.launch("true")
    assert box.ended(record.id).started


def test_one_for_another_gpu_passes_one_that_waits(box: Box) -> None:
    box.gpus("python (pid 812, bob)", "")
    blocked = holding(box, {"mode": "chosen", "uuids": ["GPU-0000"]})
    queued(box, blocked.id, "GPU 0; GPU 0: python (pid 812, bob)")
    other = holding(box, {"mode": "chosen", "uuids": ["1"]})
    running(box, other.id)
    assert devices(box, other.id) == "GPU-1111"
    assert box.show(blocked.id).state == "queued"


def test_a_stranger_is_respected_and_named_until_it_goes(box: Box) -> None:
    box.gpus("python (pid 812, bob)")
    job = holding(box).id
    assert queued(box, job, "bob").waits == "1 free GPU; GPU 0: python (pid 812, bob)"
    box.gpus("")
    running(box, job)


def test_a_process_can_be_ignored(box: Box) -> None:
    box.gpus("python (pid 812, bob)")
    by_spec = holding(box, ignore=[{"pid": 812, "start": 5}])
    running(box, by_spec.id)
    stop(box, by_spec.id)
    job = holding(box).id
    queued(box, job, "bob")
    box.ask("ignore", pid=os.getpid(), start=0)
    box.gpus(f"python (pid {os.getpid()}, bob)")
    running(box, job)
    assert "no process 4194999" in box.refused("ignore", pid=4194999)


def test_excluded_gpus_are_left_alone(box: Box) -> None:
    box.gpus("", "")
    job = holding(box, exclude=["0"])
    running(box, job.id)
    assert devices(box, job.id) == "GPU-1111"
    ending = box.run("true", gpus=TWO, exclude=["GPU-0000"]).ending
    assert ending
    assert ending.how == "gpus"
    assert ending.words == "It asks for 2 GPUs, and the box has 2 GPUs, 1 of them excluded"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (TWO, "It asks for 2 GPUs, and the box has 1 GPU"),
        ({"mode": "chosen", "uuids": ["GPU-9999"]}, "There is no GPU GPU-9999 on this box"),
    ],
)
def test_gpus_that_are_not_there_end_the_job(box: Box, spec: object, words: str) -> None:
    box.gpus("")
    ending = box.run("true", gpus=spec).ending
    assert ending
    assert (ending.how, ending.words) == ("gpus", words)


def test_a_driver_that_cannot_be_asked_ends_the_job_in_words(box: Box) -> None:
    box.gpus(error="The driver and its library differ")
    ending = box.run("true", gpus=ONE).ending
    assert ending
    assert (ending.how, ending.words) == ("gpus", "The driver and its library differ")


def test_without_the_part_that_asks_the_job_ends_in_words(box: Box) -> None:
    ending = box.run("true", gpus=ONE).ending
    assert ending
    assert ending.how == "gpus"
    assert "is not there" in ending.words


def test_a_driver_that_hangs_holds_only_who_waits_for_it(box: Box) -> None:
    file = remote(box.program, "jobs/gpu_queue.py")
    file.write_text(file.read_text().replace("LOOK = 10.0", "LOOK = 1000.0"))  # the driver is never given up
    box.gpus("", hang=True)
    waiting = holding(box)
    assert waiting.state == "queued"
    assert box.ended(box.launch("true").id).ending
    box.ask("stop", id=waiting.id, by="ada")
    ending = box.ended(waiting.id).ending
    assert ending
    assert (ending.how, ending.by) == ("stopped", "ada")


def test_now_takes_a_gpu_that_is_in_use(box: Box) -> None:
    box.gpus("python (pid 812, bob)", "python (pid 9, eve)")
    job = holding(box, now=True)
    running(box, job.id)
    assert devices(box, job.id) in ("GPU-0000", "GPU-1111")


def test_now_prefers_a_free_gpu(box: Box) -> None:
    box.gpus("python (pid 812, bob)", "")
    job = holding(box, now=True)
    running(box, job.id)
    assert devices(box, job.id) == "GPU-1111"
    queued(box, holding(box).id, "GPU 1: job ")


def test_all_gpus_without_a_lease_leave_the_choice_to_the_job(box: Box) -> None:
    box.gpus("")
    box.environment["CUDA_VISIBLE_DEVICES"] = "own"
    job = holding(box, {"mode": "any"})
    running(box, job.id)
    assert devices(box, job.id) == "own"


def test_a_slice_of_a_gpu_is_handed_on_by_its_uuid(box: Box) -> None:
    box.gpus("")
    place = Path(box.environment["FAKE_GPUS"])
    place.write_text(place.read_text().replace("GPU-0000", "MIG-12-34/5"))
    job = holding(box)
    running(box, job.id)
    assert devices(box, job.id) == "MIG-12-34/5"


def test_a_queued_job_is_stopped_without_ever_starting(any_box: Box) -> None:
    any_box.gpus("bob")
    behind = [holding(any_box).id for _ in range(2)]
    queued(any_box, behind[1], "1 job before it")
    for job in reversed(behind):
        record = any_box.record(any_box.ask("stop", id=job, by="ada"))
        assert record.ending
        assert (record.state, record.ending.how, record.ending.by) == ("ended", "stopped", "ada")
        assert record.started is None
    assert not list((any_box.root / "queue").rglob("ticket*"))


def test_waiting_costs_no_time_of_the_cpu(box: Box) -> None:
    box.gpus("bob")
    front = holding(box)
    queued(box, front.id, "bob")
    sleeper = holding(box)
    queued(box, sleeper.id, "1 job before it")
    assert sleeper.supervisor
    path = Path(f"/proc/{sleeper.supervisor.pid}/stat")

    def spent() -> list[str]:
        return path.read_text().rpartition(")")[2].split()[11:13]

    end, calm, before = time.monotonic() + LIMIT, 0, spent()
    while calm < 10:  # a second in a row without a tick of the clock
        assert time.monotonic() < end
        time.sleep(0.1)
        calm, before = (calm + 1, before) if spent() == before else (0, spent())
    assert box.show(sleeper.id).state == "queued"


def test_a_lease_is_repaired_when_its_file_is_tidied_away(box: Box) -> None:
    script = "import sys; sys.path.insert(0, sys.argv[1]); from gpubox.remote.jobs import gpu_queue; "
    script += "l = gpu_queue.Lease('x'); "
    script += "g = {'uuid': 'GPU-1'}; l.take([g]); import shutil; shutil.rmtree(gpu_queue.queue_folder()); "
    script += "l.rewrite(); print(gpu_queue.with_leases([g])[0]['job'], gpu_queue.Lease('y').take([g]))"
    environment = {"GPUBOX_QUEUE_DIR": str(box.root / "queue"), "PATH": os.environ["PATH"]}
    words = [sys.executable, "-I", "-c", script, str(box.program)]
    done = subprocess.run(words, env=environment, capture_output=True, check=True, text=True)
    assert done.stdout == "x False\n"
