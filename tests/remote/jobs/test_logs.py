"""Logs are followed and paged by their bytes: nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

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


def test_a_log_is_copied_as_far_as_it_goes(any_box: Box) -> None:
    job = any_box.launch("sh", "-c", "echo one; sleep 100").id
    until = any_box.command("copy", job, "1")
    out = b""
    while not out.endswith(b"ne\n"):
        done = subprocess.run(until, env=any_box.environment, capture_output=True, check=True, timeout=LIMIT)
        out = done.stdout
    assert out == b'{"offset": 1, "size": 4}\nne\n'
    any_box.ask("stop", id=job, by="test")


LINES = (
    b"first needle", b"", b"plain", b"NEEDLE in capitals", b"nee\x1b[1;32mdle\x1b[0m in color",
    b"\x1b]0;title\x07needle\x1b[K", b"\xff\xfe needle \xc3\xa4", b"no" * 40, b"needle needle",
    b"last, no end",
)  # fmt: skip


def _found(box: Box, job: str, words: str, step: int, exact: bool, look: int, edge: int) -> list[int]:
    """All lines with some words as a search meets them, each found from the one before."""
    script = "import sys; sys.path.insert(0, sys.argv[1]); from gpubox.remote.jobs import main\n"
    script += f"main.LOOK = {look}; main.SLICE = 0\n"
    script += f"asked = dict(id=sys.argv[2], words={words!r}, step={step}, exact={exact}, offset={edge})\n"
    script += "found, end = [], None\n"
    script += "while True:\n"
    script += "    answer = main.search(asked)\n"
    script += "    if answer['at'] is not None:\n"
    script += "        found.append(answer['at']); line = main.page_end(answer['at'])\n"
    script += "        asked['offset'] = line if asked['step'] > 0 else answer['at']\n"
    script += "    elif answer['next'] in (0, answer['size'], asked['offset']): break\n"
    script += "    else: asked['offset'] = answer['next']\n"
    script += "print(found)\n"
    log = str(box.folder(job) / "log")
    script = script.replace(
        "main.page_end(answer['at'])",
        f"(lambda d, a: d.find(b'\\n', a) + 1 or len(d))(open({log!r}, 'rb').read(), answer['at'])",
    )
    words_ = [sys.executable, "-I", "-c", script, str(box.program), job]
    done = subprocess.run(words_, env=box.environment, capture_output=True, check=True, timeout=LIMIT)
    return json.loads(done.stdout)


@pytest.mark.parametrize("look", [100, 137, 4 << 20])
@pytest.mark.parametrize("exact", [True, False])
def test_every_line_with_the_words_is_found_in_both_directions(box: Box, look: int, exact: bool) -> None:
    job = box.run("true").id
    data = b"\n".join(LINES * 5)
    (box.folder(job) / "log").write_bytes(data)
    starts = [0, *(at + 1 for at, byte in enumerate(data) if byte == 10)]
    with_words = (b"needle", b"nee\x1b") if exact else (b"needle", b"nee\x1b", b"NEEDLE")
    expected = [
        at for at, line in zip(starts, LINES * 5, strict=True) if any(one in line for one in with_words)
    ]
    assert len(expected) >= 25
    assert _found(box, job, "needle", 1, exact, look, 0) == expected
    assert _found(box, job, "needle", -1, exact, look, len(data)) == expected[::-1]
    assert _found(box, job, "nothing", 1, exact, look, 0) == []
    assert _found(box, job, "nothing", -1, exact, look, len(data)) == []


def test_a_search_comes_to_its_end_in_a_line_without_end(box: Box) -> None:
    job = box.run("true").id
    (box.folder(job) / "log").write_bytes(b"x" * 5000)
    assert _found(box, job, "y", 1, True, 100, 0) == _found(box, job, "y", -1, True, 100, 5000) == []


def _counted(box: Box, job: str, look: int, **asked: object) -> tuple[list[tuple[int, int]], bool]:
    """Where each piece of a log ends, and how many such lines it has; whether the unfinished line is one."""
    script = "import json, sys; sys.path.insert(0, sys.argv[1]); from gpubox.remote.jobs import main\n"
    script += f"main.LOOK = {look}; main.SLICE = 0\n"
    script += f"asked = dict({asked!r}, id=sys.argv[2]); blocks = []; answer = {{}}\n"
    script += "while not answer.get('done'):\n"
    script += "    answer = main.count(asked); blocks += answer['blocks']\n"
    script += "    asked['offset'] = blocks[-1][0] if blocks else 0\n"
    script += "print(json.dumps([blocks, answer['open'], answer['size']]))\n"
    words = [sys.executable, "-I", "-c", script, str(box.program), job]
    done = subprocess.run(words, env=box.environment, capture_output=True, check=True, timeout=LIMIT)
    blocks, unfinished, size = json.loads(done.stdout)
    assert size == (box.folder(job) / "log").stat().st_size
    return blocks, unfinished


@pytest.mark.parametrize("look", [100, 137, 4 << 20])
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_as_many_lines_are_counted_as_are_found(box: Box, look: int, exact: bool, end: bytes) -> None:
    job = box.run("true").id
    data = b"\n".join(LINES * 5) + end
    (box.folder(job) / "log").write_bytes(data)
    for words in ("needle", "NEEDLE", "no end", "nothing"):
        words = words if exact else words.lower()
        found = _found(box, job, words, 1, exact, look, 0)
        blocks, unfinished = _counted(box, job, look, words=words, exact=exact)
        assert sum(lines for _, lines in blocks) + unfinished == len(found)
        assert unfinished == (not end and words == "no end")
        assert all(data[byte - 1 : byte] == b"\n" for byte, _ in blocks)
        if found:
            before, _ = _counted(box, job, look, words=words, exact=exact, end=found[-1])
            assert sum(lines for _, lines in before) == len(found) - 1


def test_a_count_comes_to_its_end_in_a_line_without_end_and_in_an_empty_log(box: Box) -> None:
    job = box.run("true").id
    log = box.folder(job) / "log"
    assert _counted(box, job, 100, words="x", exact=True) == ([], False)
    log.write_bytes(b"x" * 5000)
    blocks, unfinished = _counted(box, job, 100, words="x", exact=True)
    assert (blocks[-1][0], unfinished) == (4900, True)
    asked = box.ask("count", id=job, words="x", exact=True, offset=9999, end=-5)
    assert asked == {"blocks": [], "open": False, "done": True, "size": 5000}


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


@pytest.mark.parametrize(
    "samples",
    [
        '{"t": -1e308, "cpu": 1}\n{"t": 1e-300, "cpu": 1}\n',
        '{"t": NaN, "cpu": 1}\n{"t": 1, "cpu": NaN}\n{"t": Infinity, "cpu": 1}\n',
        '{"t": 1' + "0" * 400 + ', "cpu": 1}\n{"t": 1, "cpu": -1e308}\n',
        '{"t": 1, "gpus": [{"util": 1e308}, {"util": 1e308}]}\n',
    ],
)
def test_a_spark_bears_numbers_that_no_sampler_writes(box: Box, samples: str) -> None:
    job = box.launch("sleep", "100").id
    (box.folder(job) / "samples").write_text(samples)
    assert len(box.show(job).spark) <= 20


def test_a_log_of_a_job_that_never_began_is_empty(box: Box) -> None:
    job = box.run("no-such-program", id=new_id()).id
    began = time.monotonic()
    out = following(box, job, 0).communicate(timeout=LIMIT)[0]
    assert out == b'{"offset": 0, "size": 0}\n'
    assert time.monotonic() - began < LIMIT


def test_an_error_in_a_stream_is_no_part_of_the_log(box: Box) -> None:
    job = box.run("echo", "text").id
    script = "import os, sys; sys.path.insert(0, sys.argv[1]); from gpubox.remote.jobs import main\n"
    script += "def broken(*_): raise OSError('the disk is gone')\n"
    script += "os.pread = broken; sys.exit(main.main(['follow', sys.argv[2], '0']))"
    words = [sys.executable, "-I", "-c", script, str(box.program), job]
    done = subprocess.run(words, env=box.environment, capture_output=True, check=False, timeout=LIMIT)
    assert (done.stdout, done.returncode) == (b'{"offset": 0, "size": 5}\n', 1)
    assert done.stderr == b"gpubox: the disk is gone\n"
