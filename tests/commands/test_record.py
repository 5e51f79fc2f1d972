"""`gpubox-tui record` and `replay`, as programs without a terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gpubox.boxes.fleet import Fleet
from gpubox.commands import record
from gpubox.config.settings import Settings
from gpubox.core.errors import AuthFailed, Dropped
from gpubox.core.link_state import Health, Phase
from gpubox.core.prompts import Nobody
from gpubox.store.recording.reader import Frame, Recording
from gpubox.store.recording.writer import Writer
from tests.commands.run import PROGRAM, Ran, apart, environment, here
from tests.hang import LIMIT
from tests.samples import NOW, training_box
from tests.store.recording.noisy import noisy
from tests.ui.fakes import link_of, make_box


def readings(file: Path) -> int:
    """The readings in a recording; 0 before there is one."""
    return sum(frame.sample is not None for frame in frames(file))


def frames(file: Path) -> list[Frame]:
    """Everything in a recording so far."""
    return list(Recording.open(file).frames(0)) if file.exists() and file.stat().st_size else []


def wait(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def ended(file: Path, number: signal.Signals, count: int = 2) -> Ran:
    """Record this machine, and send a signal after some readings."""
    process = subprocess.Popen(
        [*PROGRAM, "record", "local", str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    try:
        wait(lambda: process.poll() is not None or readings(file) >= count)
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    return Ran(process.returncode, out.decode(), err.decode())


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording of a server."""
    with Writer(tmp_path / "file", "dgx-07") as writer:
        for second, sample in enumerate(noisy(5)):
            writer.sample(NOW + second, sample)
    return tmp_path / "file"


def test_a_box_is_recorded_for_a_time_and_shown_again(tmp_path: Path) -> None:
    file = tmp_path / "file"
    ran = apart("record", "local", str(file), "--for", "2", "--set", "probe.interval=0.5")
    assert ran.status == 0, ran.err
    assert ran.out.startswith(f"Recording local to {file} for 2s\nRecorded ")
    assert f"gpubox-tui replay {file}" in ran.out
    recorded = Recording.open(file)
    assert recorded.box == "local"
    assert 1 < recorded.end - recorded.begin < 30
    assert not recorded.damage
    shown = apart("replay", str(file))
    assert shown.status == 0, shown.err
    assert "local  host   cpu" in shown.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_recording_whole(tmp_path: Path, number: signal.Signals) -> None:
    ran = ended(tmp_path / "file", number)
    assert ran.status == 0
    assert ran.err == ""
    assert "Recorded " in ran.out
    assert subprocess.run(["gzip", "-t", tmp_path / "file"], check=False).returncode == 0


def test_a_killed_recording_is_readable_up_to_its_last_reading(tmp_path: Path) -> None:
    ran = ended(tmp_path / "file", signal.SIGKILL, count=3)
    assert ran.status == -signal.SIGKILL
    recorded = Recording.open(tmp_path / "file")
    assert not recorded.damage
    assert readings(tmp_path / "file") >= 3
    shown = apart("replay", str(tmp_path / "file"))
    assert (shown.status, shown.err) == (0, "")


def test_a_file_that_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a thesis")
    ran = apart("record", "local", str(tmp_path / "file"), "--for", "1")
    assert ran.status == 1
    assert "there already" in ran.err
    assert "--force" in ran.err
    assert (tmp_path / "file").read_text() == "a thesis"
    assert apart("record", "local", str(tmp_path / "file"), "--for", "1", "--force").status == 0
    assert readings(tmp_path / "file")


def test_a_box_that_cannot_be_reached_leaves_no_file(tmp_path: Path) -> None:
    ran = apart("record", "ada@127.0.0.1:1", str(tmp_path / "file"))
    assert ran.status == 1
    assert "127.0.0.1:1" in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "file").exists()


def test_a_full_disk_ends_it_with_a_sentence(tmp_path: Path) -> None:
    words = ["sh", "-c", 'ulimit -f 6; exec "$@"', "sh", *PROGRAM, "record", "local", str(tmp_path / "file")]
    ran = subprocess.run(
        [*words, "--set", "probe.interval=0.5"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(PYTHONDONTWRITEBYTECODE="1"),
        timeout=LIMIT,
        check=False,
    )
    assert ran.returncode == 1
    assert b"The recording cannot be written" in ran.stderr
    assert b"File too large" in ran.stderr
    assert b"Traceback" not in ran.stderr
    file = tmp_path / "file"
    assert readings(file) > 0 or not file.exists()  # the first reading of a busy machine may not fit


async def test_drops_are_recorded_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box = make_box()
    fleet = Fleet(Settings(), Nobody(), opener=lambda _target, _asker: box)
    samples = iter(noisy(4))
    lost = Dropped("Connection lost", "Nothing came for 15 s")
    with Writer(tmp_path / "file", box.name) as writer:
        task = asyncio.create_task(record.follow(fleet, fleet.open(box.target), writer, None))

        async def recorded(count: int) -> None:
            await asyncio.to_thread(wait, lambda: len(frames(tmp_path / "file")) >= count)

        box.received(next(samples))
        await recorded(3)  # the link, the probe and the reading
        for reason in (lost, Dropped("Connection lost", "Nothing came for 15 s")):
            link_of(box).health.put(Health(Phase.WAITING, reason=reason))
            await recorded(4)
        link_of(box).health.put(Health(Phase.LIVE))
        await recorded(5)
        box.received(next(samples))
        await recorded(6)
        link_of(box).health.put(Health(Phase.REFUSED, reason=AuthFailed("Login refused")))
        with pytest.raises(AuthFailed):
            await task
    phases = [frame.link.health.phase for frame in frames(tmp_path / "file") if frame.link is not None]
    assert [phase for phase in phases if phase is not Phase.IDLE][-3:] == [
        Phase.WAITING,
        Phase.LIVE,
        Phase.REFUSED,
    ]
    assert capsys.readouterr().err.count("Connection lost") == 1


@pytest.mark.parametrize("time_", ["soon", "-1", "0"])
def test_a_wrong_time_is_a_usage_error(tmp_path: Path, time_: str) -> None:
    ran = here("record", "local", str(tmp_path / "file"), f"--for={time_}")
    assert ran.status == 2
    assert not (tmp_path / "file").exists()


def test_without_a_terminal_the_last_reading_is_printed(recording: Path) -> None:
    ran = apart("replay", str(recording), TZ="UTC")
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert len(lines) >= 9
    assert all(line.startswith("2025-11-23 12:33:58  dgx-07  ") for line in lines)


def test_a_damaged_recording_shows_what_comes_before(recording: Path) -> None:
    recording.write_bytes(recording.read_bytes() + b"and more")
    ran = apart("replay", str(recording))
    assert ran.status == 1
    assert "dgx-07  gpu 7" in ran.out
    assert "The recording is damaged" in ran.err


@pytest.mark.parametrize("data", [b"", b"a thesis", b"\x1f\x8b\x08\x00" + bytes(64)])
def test_another_file_is_refused_in_words(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    ran = here("replay", str(tmp_path / "file"))
    assert ran.status == 1
    assert ran.err.startswith("gpubox-tui: Not a recording.")
    assert len(ran.err.splitlines()) == 1


def test_what_is_no_file_is_refused_in_words(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing"):
        ran = here("replay", str(path))
        assert ran.status == 1
        assert len(ran.err.splitlines()) == 1
        assert "Traceback" not in ran.err


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "1000"])
def test_a_wrong_speed_is_a_usage_error(recording: Path, speed: str) -> None:
    assert here("replay", str(recording), f"--speed={speed}").status == 2


def test_the_name_of_a_recorded_box_is_safe_to_print(tmp_path: Path) -> None:
    with Writer(tmp_path / "file", "\x1b[31mxub") as writer:
        writer.sample(NOW, training_box())
    ran = here("replay", str(tmp_path / "file"))
    assert ran.status == 0
    assert "\x1b" not in ran.out
