"""What the supervisor does with the parts beside it: environments, the sampler, Slurm."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hang import LIMIT
from tests.remote.bundles import remote
from tests.remote.jobs.box import Box, alive, gone, new_id
from tests.remote.jobs.test_endings import STUBBORN, ready

ENVS = """
import os, subprocess, sys, time
def activate(prefix, kind, before):
    print("activating", prefix)
    if "broken" in prefix:
        raise RuntimeError("activate.d/cuda.sh: CUDA_HOME: unbound variable")
    if "dies" in prefix:
        print("the last words", flush=True)
        os._exit(3)
    if "slow" in prefix:
        subprocess.Popen(["sleep", "100"], start_new_session=True)
        print("ready", flush=True)
        time.sleep(100)
    return dict(os.environ, CONDA_PREFIX=prefix, KIND=kind, PATH=prefix + "/bin:" + os.environ["PATH"])
"""
SAMPLER = """
import json, os, signal, sys, time
asked = json.load(sys.stdin)
folder = asked["folder"]
def end(*_):
    with open(folder + "/gpus.json", "w") as file:
        json.dump([{"uuid": "GPU-1", "used": True, "energy": 5.0}], file)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
if "hang" in open(folder + "/spec.json").read():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(folder + "/samples", "a") as file:
    file.write(json.dumps({"t": 0.1, "cpu": 40.0, "asked": asked}) + "\\n")
while True:
    time.sleep(100)
"""


def with_envs(box: Box) -> Box:
    """Give a box a stand-in for envs/activate.py."""
    remote(box.program, "envs/activate.py").write_text(ENVS)
    return box


def test_a_job_runs_in_its_environment(any_box: Box) -> None:
    with_envs(any_box)
    record = any_box.run(
        "sh", "-c", 'echo "$CONDA_PREFIX $KIND ${PATH%%:*} $X"', prefix="/e/my env", kind="uv"
    )
    assert any_box.log(record.id) == b"/e/my env uv /e/my env/bin \n"
    assert record.activation is not None
    assert (any_box.folder(record.id) / "activation.log").read_text() == "activating /e/my env\n"


@pytest.mark.parametrize(
    ("prefix", "words"),
    [("/e/broken", "activate.d/cuda.sh: CUDA_HOME: unbound variable"), ("/e/dies", "the last words")],
)
def test_an_environment_that_is_broken_is_its_own_ending(any_box: Box, prefix: str, words: str) -> None:
    record = with_envs(any_box).run("true", prefix=prefix)
    assert record.ending
    assert (record.ending.how, record.ending.words) == ("env", words)
    assert record.started is None


def test_without_the_part_for_environments_the_job_says_so(box: Box) -> None:
    ending = box.run("true", prefix="/e/x").ending
    assert ending
    assert ending.how == "env"
    assert "is not there" in ending.words


def test_a_stop_while_the_environment_is_activated_ends_that_too(box: Box) -> None:
    job = with_envs(box).launch("true", prefix="/e/slow").id
    log = box.folder(job) / "activation.log"
    box.until(job, lambda record: log.exists() and "ready" in log.read_text())
    shown = box.show(job)
    assert (shown.state, shown.waits) == ("starting", "its environment to be activated")
    sleepers = [
        pid for pid in of_job(job) if Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x00100\x00"
    ]
    assert sleepers
    box.ask("stop", id=job, by="ada")
    ending = box.ended(job).ending
    assert ending
    assert (ending.how, ending.by) == ("stopped", "ada")
    assert all(gone(pid) for pid in sleepers)


def of_job(job: str) -> list[int]:
    """Return the processes that carry a job's mark."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"GPUBOX_JOB={job}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_the_sampler_is_reported_of_the_job_and_its_last_words_are_preserved(any_box: Box) -> None:
    remote(any_box.program, "jobs/gpu_sampler.py").write_text(SAMPLER)
    job = any_box.launch("sleep", "100").id
    any_box.until(job, lambda _: (any_box.folder(job) / "samples").exists())
    any_box.ask("stop", id=job, by="ada")
    record = any_box.ended(job)
    assert [(gpu.uuid, gpu.energy) for gpu in record.gpus] == [("GPU-1", 5.0)]
    (line,) = (any_box.folder(job) / "samples").read_text().splitlines()
    asked = json.loads(line)["asked"]
    assert record.main
    assert record.supervisor
    assert (asked["main"], asked["supervisor"]) == (record.main.pid, record.supervisor.pid)
    assert (asked["id"], asked["visible"], asked["uuids"]) == (job, "", [])
    assert record.spark == (40.0,)


def test_a_sampler_that_hangs_does_not_hold_the_job(box: Box) -> None:
    remote(box.program, "jobs/gpu_sampler.py").write_text(SAMPLER)
    job = box.launch("sh", "-c", "sleep 0.5", name="hang").id
    record = box.ended(job)
    assert record.ended
    assert record.started
    assert record.ending
    assert record.ending.leftovers == ()
    assert all(gone(pid) for pid in of_job(job))


def payload(box: Box, job: str, **environment: str) -> subprocess.Popen[bytes]:
    """Run a prepared job as Slurm does."""
    return subprocess.Popen(
        box.command("payload", job, "SLURM_JOB_ID", "scancel"),
        env={**box.environment, "SLURM_JOB_ID": "77", "CUDA_VISIBLE_DEVICES": "1", **environment},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def prepared(box: Box, *argv: str, **spec: object) -> str:
    """Prepare a job for Slurm and return its id."""
    whole: dict[str, object] = {"id": new_id(), "argv": argv, "backend": "slurm", "grace": 1.0, **spec}
    record = box.record(box.ask("prepare", spec=whole))
    assert (record.state, record.supervisor, record.log_bytes) == ("queued", None, 0)
    return record.id


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 7", 7), ("kill -9 $$", -signal.SIGKILL), ("kill -6 $$", -signal.SIGABRT), ("true", 0)],
)
def test_under_slurm_the_payload_ends_as_the_job_did(
    any_box: Box, tmp_path: Path, script: str, status: int
) -> None:
    job = prepared(any_box, "sh", "-c", 'echo "$CUDA_VISIBLE_DEVICES"; ' + script, cwd=str(tmp_path))
    assert payload(any_box, job).wait(LIMIT) == status
    record = any_box.show(job)
    assert (record.state, record.queue_id) == ("ended", "77")
    assert any_box.log(job) == b"1\n"
    assert not (any_box.program / "core").exists()


def test_under_slurm_its_own_signal_stops_the_whole_tree(box: Box) -> None:
    job = prepared(box, sys.executable, "-c", STUBBORN, gpus={"mode": "count"})
    process = payload(box, job)
    pids = ready(box, job)
    process.terminate()
    assert process.wait(LIMIT) == -signal.SIGTERM
    ending = box.show(job).ending
    assert ending
    assert (ending.how, ending.by) == ("stopped", "scancel")
    assert not any(alive(pid) for pid in pids)


def test_under_slurm_a_command_that_cannot_start_has_the_status_of_a_shell(box: Box) -> None:
    assert payload(box, prepared(box, "no-such-program")).wait(LIMIT) == 127
    assert payload(box, prepared(box, "true", cwd="/no/where")).wait(LIMIT) == 125


def test_a_payload_finds_its_record_among_other_machines(box: Box) -> None:
    job = prepared(box, "sh", "-c", "exit 3")
    (machine,) = (box.root / "state").iterdir()
    machine.rename(machine.with_name("another"))
    assert payload(box, job).wait(LIMIT) == 3


def test_hidden_variables_reach_a_payload_through_slurm(box: Box) -> None:
    job = prepared(box, "sh", "-c", 'test "$HF_TOKEN" = x1', environment={"HF_TOKEN": "x1"})
    assert payload(box, job).wait(LIMIT) == 1
    job = prepared(box, "sh", "-c", 'test "$HF_TOKEN" = x1', environment={"HF_TOKEN": "x1"})
    assert payload(box, job, HF_TOKEN="x1").wait(LIMIT) == 0


def test_a_launch_takes_little_time(box: Box) -> None:
    took: list[float] = []
    for _ in range(5):
        begun = time.monotonic()
        box.launch("true")
        took.append(time.monotonic() - begun)
    print(f"launch: {min(took):.3f} s at best, {max(took):.3f} s at worst")  # shown by -rP, not judged
    assert len(took) == 5
