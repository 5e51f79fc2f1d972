"""What is recorded comes back, whenever the program ends, and takes little room."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gpubox.core.errors import Dropped, ProbeError, RecordingError
from gpubox.core.link_state import Health, Phase
from gpubox.store.recording.lines import SEGMENT
from gpubox.store.recording.reader import Frame, Recording
from gpubox.store.recording.writer import Writer
from tests.samples import NOW, training_box
from tests.store.recording.noisy import noisy

LIVE = Health(Phase.LIVE, address="ada@10.0.0.7:22")
DOWN = Health(Phase.WAITING, attempt=3, reason=Dropped("Connection lost", "Nothing came for 15 s", "Wait"))
HOUR = 3_000_000
"""Most bytes of an hour of eight GPUs."""


def record(path: Path, count: int) -> int:
    """Record so many readings, one a second; return the bytes."""
    with Writer(path, "dgx-07") as writer:
        writer.link(NOW, LIVE)
        for number, sample in enumerate(noisy(count)):
            writer.sample(NOW + number, sample)
    return path.stat().st_size


def frames(path: Path, moment: float = 0.0) -> list[Frame]:
    """Everything from a moment's member on."""
    return list(Recording.open(path).frames(moment))


def test_an_hour_of_eight_busy_gpus_takes_little_and_comes_back_as_it_was(tmp_path: Path) -> None:
    size = record(tmp_path / "hour", 3600)
    assert 500_000 < size <= HOUR
    recording = Recording.open(tmp_path / "hour")
    assert (recording.box, recording.begin, recording.end) == ("dgx-07", NOW, NOW + 3599)
    assert not recording.damage
    assert len(recording.members) == 3600 / SEGMENT
    read = [frame for frame in recording.frames(0) if frame.sample is not None]
    assert [frame.time for frame in read] == [NOW + number for number in range(3600)]
    assert all(frame.sample == sample for frame, sample in zip(read, noisy(3600), strict=True))


def test_replaying_starts_at_the_member_that_holds_a_moment(tmp_path: Path) -> None:
    record(tmp_path / "file", 2 * SEGMENT + 10)
    for moment, first in ((0.0, 0), (NOW + SEGMENT - 0.1, 0), (NOW + SEGMENT, SEGMENT), (9e9, 2 * SEGMENT)):
        state, sample, *_ = frames(tmp_path / "file", moment)
        assert sample.time == NOW + first
        assert state.link is not None
        assert state.link.health == LIVE  # each member says it again


def test_drops_and_errors_of_the_probe_are_recorded(tmp_path: Path) -> None:
    trouble = ProbeError("The probe fell silent", "Nothing came", "It is restarted")
    with Writer(tmp_path / "file", "xub") as writer:
        writer.link(NOW, LIVE)
        writer.sample(NOW, training_box())
        writer.trouble(NOW + 1, None)  # as it was
        writer.link(NOW + 2, DOWN)
        writer.link(NOW + 3, DOWN)
        writer.link(NOW + 4, LIVE)
        writer.trouble(NOW + 5, trouble)
        writer.trouble(NOW + 6, None)
    found = [(frame.time - NOW, frame.link) for frame in frames(tmp_path / "file") if frame.link is not None]
    health = [(at, link.health.phase, str(link.error)) for at, link in found if link.about == "link"]
    assert health == [(0, Phase.LIVE, "None"), (2, Phase.WAITING, str(DOWN.reason)), (4, Phase.LIVE, "None")]
    assert [(at, str(link.error)) for at, link in found if link.about == "probe"][-2:] == [
        (5, str(trouble)),
        (6, "None"),
    ]


def test_a_clock_that_is_set_back_does_not_turn_the_recording_back(tmp_path: Path) -> None:
    with Writer(tmp_path / "file", "xub") as writer:
        for moment in (10.0, 20.0, 5.0, 21.0):
            writer.sample(moment, training_box())
    assert [frame.time for frame in frames(tmp_path / "file")] == [10.0, 20.0, 20.0, 21.0]


def test_a_recording_is_whole_up_to_its_last_reading_wherever_it_is_cut(tmp_path: Path) -> None:
    ends: list[int] = []
    with Writer(tmp_path / "file", "xub") as writer:
        for number, sample in enumerate(noisy(6)):
            writer.sample(NOW + number, sample)
            ends.append((tmp_path / "file").stat().st_size)
    whole = (tmp_path / "file").read_bytes()
    for number, end in enumerate(ends):
        for more in (0, 1, 40):
            if end + more < len(whole) and (number == 5 or end + more < ends[number + 1]):
                (tmp_path / "cut").write_bytes(whole[: end + more])
                recording = Recording.open(tmp_path / "cut")
                assert not recording.damage
                assert sum(frame.sample is not None for frame in recording.frames(0)) == number + 1


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    record(tmp_path / "file", 1)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a thesis")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("file", "link"):
        with pytest.raises(RecordingError, match="there already"):
            Writer(tmp_path / name, "xub")
    assert (tmp_path / "file").read_text() == "a thesis"
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_is_replaced_by_the_first_reading(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("an old recording")
    with Writer(tmp_path / "file", "xub", replace=True):
        pass  # the box could not be reached
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "an old recording"
    with Writer(tmp_path / "file", "xub", replace=True) as writer:
        writer.sample(NOW, training_box())
        assert len(frames(tmp_path / "file")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_nothing_is_left_without_a_reading(tmp_path: Path) -> None:
    with Writer(tmp_path / "file", "xub") as writer:
        writer.link(NOW, DOWN)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"cannot be written.*nowhere.*No such file"):
        Writer(tmp_path / "nowhere" / "file", "xub")
