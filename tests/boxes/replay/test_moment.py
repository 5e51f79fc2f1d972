"""A moment of a recording is the same however one comes to it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpubox.boxes.replay.moment import ReplayedMoment
from gpubox.core.errors import Dropped
from gpubox.core.history import SPAN, History
from gpubox.core.link_state import Health, Phase
from gpubox.core.sample import Sample
from gpubox.store.recording.reader import Recording
from gpubox.store.recording.writer import Writer
from tests.samples import NOW
from tests.store.recording.noisy import noisy

LIVE = Health(Phase.LIVE)
DOWN = Health(Phase.WAITING, reason=Dropped("Connection lost"))
DROP = range(1000, 1090)
"""Seconds for which the link is down."""
LONG = 5000
"""Seconds of the recording: more than the hour that history holds."""


def small(count: int) -> Iterator[Sample]:
    """Readings of one GPU, which are read sooner than those of eight."""
    from msgspec.structs import replace

    for sample in noisy(count):
        yield replace(sample, gpus=sample.gpus[:1], processes=(), host=replace(sample.host, cores=()))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A recording of more than an hour, with a drop in it."""
    path = tmp_path_factory.mktemp("recording") / "file"
    with Writer(path, "xub") as writer:
        writer.link(NOW, LIVE)
        for second, sample in enumerate(small(LONG)):
            if second == DROP.start:
                writer.link(NOW + second, DOWN)
            elif second == DROP.stop:
                writer.link(NOW + second, LIVE)
            if second not in DROP:
                writer.sample(NOW + second + 0.25, sample)
    return Recording.open(path)


def keys_of(history: History) -> tuple[str, ...]:
    """The series of a history."""
    return history.keys()


def picture(moment: ReplayedMoment) -> object:
    """Everything that panels draw of a moment."""
    history = moment.history
    graphs = {key: history.window(key, moment.at, SPAN, SPAN) for key in keys_of(history)}
    link = moment.health.phase, str(moment.health.reason)
    return moment.sample, moment.sampled_at, link, str(moment.trouble), graphs


def test_seeking_shows_what_playing_to_it_shows(recording: Recording) -> None:
    rng = random.Random(5)
    times = sorted(NOW + rng.uniform(0, LONG) for _ in range(6))
    places = [NOW + 1, NOW + DROP.start + 5, *times, recording.end]
    played = ReplayedMoment(recording, recording.begin)
    for place in sorted(places):
        played.advance(place)
        assert picture(ReplayedMoment(recording, place)) == picture(played)


@pytest.mark.parametrize("start", [NOW + 3000, NOW + LONG], ids=["within an hour", "after more"])
def test_going_back_shows_what_playing_to_it_shows(recording: Recording, start: float) -> None:
    moment = ReplayedMoment(recording, start)
    for back in (10, 301, 1500):
        place = moment.at - back + 0.1
        moment = ReplayedMoment(recording, max(recording.begin, place), moment)
        assert picture(moment) == picture(ReplayedMoment(recording, moment.at))


def test_a_drop_is_shown_and_leaves_a_gap(recording: Recording) -> None:
    moment = ReplayedMoment(recording, NOW + DROP.start + 30)
    assert moment.health.phase is Phase.WAITING
    assert str(moment.health.reason) == "Connection lost"
    assert moment.sampled_at == NOW + DROP.start - 1 + 0.25
    moment.advance(NOW + DROP.stop + 5.5)
    assert moment.health.phase is Phase.LIVE
    util = next(key for key in keys_of(moment.history) if key.endswith("util"))
    window = moment.history.window(util, moment.at, 200, 200)
    assert window.count(None) == len(DROP)


def test_it_says_when_something_happens_next(recording: Recording) -> None:
    moment = ReplayedMoment(recording, NOW + 10)
    assert moment.next_at == NOW + 10.25
    assert not moment.advance(NOW + 10.2)
    assert moment.advance(NOW + 10.3)
    moment.advance(recording.end)
    assert moment.next_at is None
    assert moment.damage is None


def test_a_damaged_recording_ends_before_the_damage(recording: Recording, tmp_path: Path) -> None:
    data = recording.path.read_bytes()
    (tmp_path / "file").write_bytes(data)
    opened = Recording.open(tmp_path / "file")
    cut = opened.members[-2].offset
    (tmp_path / "file").write_bytes(data[:cut] + bytes(100) + data[cut + 100 :])  # after it was opened
    moment = ReplayedMoment(opened, recording.end)
    assert moment.damage is not None
    assert moment.sampled_at is not None
    assert moment.sampled_at < recording.end - 200
