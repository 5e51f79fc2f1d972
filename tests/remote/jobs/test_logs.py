"""Logs are followed and paged by their bytes: nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from tests.hang import LIMIT
from tests.remote.jobs.box import Box, new_id

NOISE = """
import os, random, sys, time
rnd = random.Random(7)
for _ in range(150):
    os.write(1, bytes(rnd.randrange(256) for _ in range(rnd.randrange(4000))))
    time.sleep(0.005)
"""


def following(box: Box, job: str, offset: int) -> subprocess.Popen[bytes]:
    """Follow a log as the program does."""
    words = box.command("follow", job, str(offset))
    return subprocess.Popen(
        words,
        bufsize=0,  # the test counts the bytes that it took
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=box.environment,
    )


def header(stream: subprocess.Popen[bytes]) -> dict[str, int]:
    """Read the line before the bytes."""
    assert stream.stdout
    return json.loads(stream.stdout.readline())


def finish(stream: subprocess.Popen[bytes]) -> None:
    """End a stream."""
    stream.kill()
    stream.communicate(timeout=LIMIT)


def test_a_log_is_followed_to_its_end(any_box: Box) -> None:
    job = any_box.launch("sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done").id
    stream = following(any_box, job, 0)
    out, errors = stream.communicate(timeout=LIMIT)
    assert (out.partition(b"\n")[2], errors, stream.returncode) == (b"1\n2\n3\n", b"", 0)


def test_twenty_cuts_lose_nothing_and_repeat_nothing(box: Box) -> None:
    job = box.launch(sys.executable, "-c", NOISE).id
    got, dice = b"", random.Random(3)
    for _ in range(20):
        stream = following(box, job, len(got))
        assert header(stream)["offset"] == len(got)
        assert stream.stdout
        for _ in range(dice.randrange(1, 4)):
            got += os.read(stream.stdout.fileno(), dice.randrange(1, 30000))
        finish(stream)
    stream = following(box, job, len(got))
    header(stream)
    got += stream.communicate(timeout=LIMIT)[0]
    box.ended(job)
    assert got == box.log(job)
    assert len(got) > 200_000


def test_a_follower_whose_reader_is_gone_ends(box: Box) -> None:
    job = box.launch("sleep", "100").id
    stream = following(box, job, 0)
    header(stream)
    assert stream.stdout
    assert stream.stderr
    stream.stdout.close()
    try:
        assert stream.wait(LIMIT) == 0
    finally:
        stream.stderr.close()


def test_a_log_is_paged_from_both_ends(any_box: Box) -> None:
    job = any_box.run("sh", "-c", r"printf '0123456789\377\r'").id
    assert any_box.raw("page", request={"id": job, "offset": 2, "length": 3}) == (
        b'{"offset": 2, "size": 12}\n234'
    )
    assert any_box.raw("page", request={"id": job, "offset": -4, "length": 100}) == (
        b'{"offset": 8, "size": 12}\n89\xff\r'
    )
    assert any_box.raw("page", request={"id": job, "offset": 99, "length": 1}) == (
        b'{"offset": 12, "size": 12}\n'
    )


def test_ticks_come_by_whole_lines(box: Box) -> None:
    job = box.run("true").id
    path: Path = box.folder(job) / "samples"
    path.write_bytes(b'{"t": 0.1, "cpu": 50}\nbroken\n{"t": 1.1, "cpu": 300}\n{"t": 2.')
    answer = box.ask("ticks", id=job)
    assert answer == {"ticks": [{"t": 0.1, "cpu": 50}, {"t": 1.1, "cpu": 300}], "next": 52}
    assert box.ask("ticks", id=job, start=52) == {"ticks": [], "next": 52}


def test_a_running_job_has_a_spark(box: Box) -> None:
    job = box.launch("sleep", "100").id
    lines = [json.dumps({"t": second + 1.0, "cpu": 50 if second < 600 else 100}) for second in range(1200)]
    (box.folder(job) / "samples").write_text("\n".join(lines) + "\n")
    spark = box.show(job).spark
    assert len(spark) == 20
    assert (spark[0], spark[-1]) == (50, 100)


def test_a_log_of_a_job_that_never_began_is_empty(box: Box) -> None:
    job = box.run("no-such-program", id=new_id()).id
    began = time.monotonic()
    out = following(box, job, 0).communicate(timeout=LIMIT)[0]
    assert out == b'{"offset": 0, "size": 0}\n'
    assert time.monotonic() - began < LIMIT


def test_an_error_in_a_stream_is_no_part_of_the_log(box: Box) -> None:
    job = box.run("echo", "text").id
    script = "import os, sys; sys.path.insert(0, sys.argv[1]); import verbs\n"
    script += "def broken(*_): raise OSError('the disk is gone')\n"
    script += "os.pread = broken; sys.exit(verbs.main(['follow', sys.argv[2], '0']))"
    words = [sys.executable, "-I", "-c", script, str(box.program), job]
    done = subprocess.run(words, env=box.environment, capture_output=True, check=False, timeout=LIMIT)
    assert (done.stdout, done.returncode) == (b'{"offset": 0, "size": 5}\n', 1)
    assert done.stderr == b"gpubox: the disk is gone\n"
