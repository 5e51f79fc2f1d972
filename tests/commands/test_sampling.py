"""Following a box outside the panel: what is reported, and when it is enough."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext
from gpubox.boxes.fleet import Fleet
from gpubox.commands import sampling
from gpubox.commands.sampling import Changes, Event, follow, once
from gpubox.config.settings import Settings
from gpubox.core.errors import AuthFailed, ProbeError, Unreachable
from gpubox.core.feed import Feed
from gpubox.core.link_state import Health, Phase
from gpubox.core.prompts import Nobody
from gpubox.core.sample import Host, Sample
from gpubox.core.shell import Work
from gpubox.core.target import Target
from tests import samples
from tests.hang import LIMIT

ALONE = Fleet(Settings(), Nobody())
"""A fleet that keeps boxes which a test made."""


class Script:
    """A link whose life a test writes down; `closed` tells whether it was let go."""

    def __init__(self, play: Callable[[Box], None]) -> None:
        self.health: Feed[Health] = Feed(Health())
        self.closed = False
        self.play = play
        self.box: Box | None = None

    async def keep(self, work: Work) -> None:
        assert self.box is not None
        self.play(self.box)
        try:
            await asyncio.Event().wait()
        finally:
            self.closed = True

    def prepare(self) -> None:
        """Nothing to import."""

    def retry(self) -> None:
        """Nothing to try."""


def scripted(play: Callable[[Box], None]) -> tuple[Box, Script]:
    """A box whose link plays a script as soon as it is kept."""
    link = Script(play)
    link.box = Box(BoxContext(Target("attic", "ssh")), link)
    return link.box, link


def without_rates(sample: Sample) -> Sample:
    """The first sample of a probe."""
    return msgspec.structs.replace(sample, host=msgspec.structs.replace(sample.host, cpu=None))


def phase(box: Box, state: Health) -> None:
    """Put the link into a state."""
    assert isinstance(box.link.health, Feed)
    box.link.health.put(state)


async def test_a_box_that_was_read_is_closed_in_its_fleet() -> None:
    box, _ = scripted(lambda box: box.received(samples.training_box()))
    fleet = Fleet(Settings(), Nobody(), opener=lambda target, asker: box)
    await once(fleet, fleet.open(box.target))
    assert fleet.boxes == {}


async def test_one_reading_waits_for_the_rates() -> None:
    whole = samples.training_box()

    def play(box: Box) -> None:
        box.received(without_rates(whole))
        asyncio.get_running_loop().call_later(0.02, box.received, whole)

    box, link = scripted(play)
    assert await once(ALONE, box) == whole
    assert link.closed


async def test_one_reading_does_not_wait_for_rates_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SETTLE", 0.05)
    bare = without_rates(samples.training_box())
    box, _ = scripted(lambda box: box.received(bare))
    assert await once(ALONE, box) == bare


async def test_a_reading_without_rates_is_better_than_the_trouble_after_it() -> None:
    bare = without_rates(samples.training_box())

    def play(box: Box) -> None:
        box.received(bare)
        error = Unreachable("DriverGone", "attic is gone")
        asyncio.get_running_loop().call_later(
            0.02, phase, box, Health(Phase.WAITING, attempt=1, reason=error)
        )

    assert await once(ALONE, scripted(play)[0]) == bare


@pytest.mark.parametrize("kind", [Phase.WAITING, Phase.REFUSED])
async def test_one_reading_ends_with_the_first_failure(kind: Phase) -> None:
    error = AuthFailed("No", "attic says no")
    box, link = scripted(lambda box: phase(box, Health(kind, attempt=1, reason=error)))
    assert await once(ALONE, box) is error
    assert link.closed


async def test_one_reading_ends_with_trouble_of_the_probe() -> None:
    error = ProbeError("The probe did not start", "no Python, no sh")
    assert await once(ALONE, scripted(lambda box: box.troubled(error))[0]) is error


async def test_a_live_link_that_brings_nothing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SILENCE", 0.05)
    event = await once(ALONE, scripted(lambda box: phase(box, Health(Phase.LIVE)))[0])
    assert isinstance(event, ProbeError)
    assert event.title == "No reading"


async def test_following_goes_on_until_it_is_enough() -> None:
    seen: list[Event] = []

    def play(box: Box) -> None:
        box.received(Sample(seq=1, time=1, host=Host()))

    def report(event: Event) -> bool:
        seen.append(event)
        more = Sample(seq=len(seen) + 1, time=len(seen) + 1, host=Host())
        asyncio.get_running_loop().call_soon(box.received, more)
        return len(seen) == 3

    box, link = scripted(play)
    async with asyncio.timeout(LIMIT):
        await follow(ALONE, box, report)
    assert [event.seq for event in seen if isinstance(event, Sample)] == [1, 2, 3]
    assert link.closed


async def test_a_trouble_that_stays_is_reported_once_until_a_sample_came() -> None:
    reported: list[Event] = []
    changes = Changes(reported.append, 0.5)
    error, sample = Unreachable("No answer", "attic"), samples.training_box()
    for event in (error, error, Unreachable("No answer", "attic"), sample, error, AuthFailed("No")):
        assert changes(event) is False
    assert [type(event).__name__ for event in reported] == [
        "Unreachable",
        "Sample",
        "Unreachable",
        "AuthFailed",
    ]


async def test_samples_that_come_faster_than_asked_are_left_out() -> None:
    reported: list[Event] = []
    changes = Changes(reported.append, 3600)
    for _ in range(3):
        changes(samples.training_box())
    assert len(reported) == 1
