"""The jobs of a box: shown as they are, started once, and reported when they end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gpubox.boxes.jobs.jobs import whoami
from gpubox.boxes.jobs.merge import merged
from gpubox.boxes.sshd_policy import SshdPolicy
from gpubox.config.settings import HistorySettings, JobSettings
from gpubox.core.errors import Dropped, RemoteError
from gpubox.core.job import JobSpec
from gpubox.core.record import GpuPlace, Record
from gpubox.store.store import Store
from tests.boxes.jobs.backend import CUT, ended, job
from tests.boxes.jobs.windows import BUSY, Saved
from tests.boxes.scripted import until

SPEC = JobSpec("20261123-130000-abcdef", ("train", "--fast"), line="train --fast", by="me")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "history.sqlite", HistorySettings()) as opened:
        yield opened


async def test_jobs_come_newest_first_by_the_clock_of_the_box() -> None:
    saved = Saved(job(1), job(3), job(2, submitted=9000.0))
    saved.backend.places = (GpuPlace("GPU-1", 0),)
    assert not saved.jobs.looked
    found = await saved.jobs.look()
    assert [record.spec.name for record in found] == ["train-2", "train-3", "train-1"]
    assert saved.jobs.feed.value == found
    assert saved.jobs.looked
    assert saved.jobs.gpus.value == saved.backend.places
    await saved.jobs.look(gpus=False)
    assert saved.jobs.gpus.value == saved.backend.places


async def test_a_look_that_finds_the_same_wakes_nobody() -> None:
    saved = Saved(ended(job(1)))
    await saved.jobs.look()
    first = saved.jobs.feed.value
    await saved.jobs.look()
    assert saved.jobs.feed.value is first


async def test_trouble_is_reported_until_a_look_succeeds() -> None:
    saved = Saved()
    saved.backend.fails.append(BUSY)
    with pytest.raises(RemoteError):
        await saved.jobs.look()
    assert saved.jobs.trouble.value is BUSY
    saved.backend.fails.append(CUT)
    with pytest.raises(Dropped):
        await saved.jobs.look()
    assert saved.jobs.trouble.value is BUSY
    await saved.jobs.look()
    assert saved.jobs.trouble.value is None


async def test_a_launched_job_is_shown_at_once_also_by_a_look_that_began_before() -> None:
    saved = Saved(job(1))
    saved.backend.gate = asyncio.Event()
    looking = asyncio.ensure_future(saved.jobs.look())
    await until(lambda: saved.looks)
    record = await saved.jobs.launch(SPEC)
    assert saved.jobs.feed.value == (record,)
    saved.backend.gate.set()
    await looking
    assert [one.id for one in saved.jobs.feed.value] == [SPEC.id, job(1).id]


async def test_a_removed_job_does_not_come_back_by_a_look_that_began_before() -> None:
    old = ended(job(1))
    saved = Saved(old, job(2))
    await saved.jobs.look()
    saved.backend.gate = asyncio.Event()
    looking = asyncio.ensure_future(saved.jobs.look())
    await until(lambda: saved.looks == 2)
    await saved.jobs.remove([old.id])
    saved.backend.gate.set()
    await looking
    assert [one.id for one in saved.jobs.feed.value] == [job(2).id]


async def test_what_a_stop_answers_is_shown_at_once() -> None:
    saved = Saved(job(1))
    await saved.jobs.look()
    assert (await saved.jobs.stop(job(1).id)).state == "stopping"
    assert saved.jobs.feed.value[0].state == "stopping"


async def test_a_refused_removal_is_reported_and_looked_at() -> None:
    saved = Saved(job(1))
    saved.backend.fails.append(RemoteError("The job has not ended"))
    with pytest.raises(RemoteError, match="not ended"):
        await saved.jobs.remove([job(1).id])
    assert saved.looks == 1


async def test_secrets_are_marked_and_the_settings_exclude_gpus() -> None:
    saved = Saved(settings=JobSettings(exclude=("0", "1")))
    spec = replace(
        SPEC, environment={"HF_TOKEN": "x", "A": "1", "MINE": "y"}, hidden=("MINE",), exclude=("1", "2")
    )
    await saved.jobs.launch(spec)
    sent = saved.backend.records[SPEC.id].spec
    assert sent.hidden == ("MINE", "HF_TOKEN")
    assert sent.exclude == ("1", "2", "0")
    await saved.jobs.launch(replace(SPEC, id="20261123-130001-abcdef", by=""))
    assert saved.backend.records["20261123-130001-abcdef"].spec.by == whoami()


async def test_a_job_whose_secrets_are_gone_does_not_start_without_them() -> None:
    record = job(1, spec=replace(job(1).spec, hidden=("HF_TOKEN",), files={"a.py": "1"}))
    saved = Saved(record)
    with pytest.raises(RemoteError, match="HF_TOKEN was not kept"):
        await saved.jobs.rerun(record.id)
    again = saved.jobs.spec_again(record)
    with pytest.raises(RemoteError, match="Secrets"):
        await saved.jobs.launch(again)
    assert "launch" not in saved.backend.asked
    await saved.jobs.launch(replace(again, environment={"HF_TOKEN": "new"}))
    assert saved.backend.records[again.id].spec.files == {"a.py": "1"}


async def test_a_job_runs_again_as_it_was_under_a_new_id() -> None:
    record = job(1, spec=replace(job(1).spec, after=job(9).id, by="ada@far", cwd="~/x"))
    saved = Saved(record)
    made = await saved.jobs.rerun(record.id)
    assert made.id != record.id
    assert (made.spec.argv, made.spec.cwd, made.spec.after) == (("train", "1"), "~/x", "")
    assert made.spec.by == whoami()


async def test_commands_are_remembered_without_those_that_report_a_secret(store: Store) -> None:
    saved = Saved(store=store)
    for number, line in enumerate(("train 1", "HF_TOKEN=abc train", "two\nlines", "bar\udce9", "train 2")):
        await saved.jobs.launch(replace(SPEC, id=f"20261123-13000{number}-abcdef", line=line))
    made = replace(SPEC, id="20261123-140000-abcdef", line="conda env remove x", template="env")
    await saved.jobs.launch(made)  # by the program itself
    assert await saved.jobs.history() == ("train 2", "train 1")
    assert replace(SPEC, line="", argv=("a b", "c")).command == "'a b' c"
    assert await Saved().jobs.history() == ()


async def test_an_ending_is_reported_once_and_never_again(store: Store) -> None:
    saved = Saved(job(1), job(2), store=store)
    await saved.jobs.look()
    assert saved.jobs.finished.value == ()
    saved.backend.records[job(1).id] = ended(job(1), 6000.0)
    await saved.jobs.look()
    assert [one.id for one in saved.jobs.finished.value] == [job(1).id]
    await saved.jobs.claim_endings([job(1).id])
    await saved.jobs.look()
    assert saved.jobs.finished.value == ()
    later = Saved(ended(job(1), 6000.0), ended(job(2), 7000.0), store=store)
    await later.jobs.look()
    assert [one.id for one in later.jobs.finished.value] == [job(2).id]  # it ended while nobody was there


async def test_a_job_that_ends_at_once_on_a_box_never_seen_before_is_news(store: Store) -> None:
    saved = Saved(ended(job(1)), store=store)
    saved.backend.records[SPEC.id] = Record(
        SPEC.id, "ended", SPEC, submitted=4990.0, ended=4990.1, now=4990.2
    )
    await saved.jobs.launch(SPEC)
    await saved.jobs.look()
    assert [one.id for one in saved.jobs.finished.value] == [SPEC.id]


async def test_a_box_with_few_sessions_gives_a_log_piece_by_piece() -> None:
    saved = Saved(ended(job(1)))
    saved.backend.log, saved.backend.done = b"abc", True
    async with saved.jobs.follow(job(1).id, 0) as stream:
        assert await stream.read() == b"abc"
    saved.limits.put(SshdPolicy(sessions=2))
    async with saved.jobs.follow(job(1).id, 0) as stream:
        assert await stream.read() == b"abc"
    assert saved.backend.asked == ["follow 0", "page"]


async def test_a_queue_that_the_box_has_not_is_refused() -> None:
    saved = Saved(job(1))
    with pytest.raises(RemoteError, match="no moon"):
        saved.jobs.backend("moon")
    await saved.jobs.look()
    assert saved.jobs.named("train-1").id == job(1).id


def test_the_newest_is_the_one_submitted_last_whatever_the_clocks_say() -> None:
    rows = (replace(job(3), serial=1), replace(job(2), serial=2), replace(job(1), serial=3), job(4))
    assert [one.id for one in merged(rows, {})] == [job(number).id for number in (1, 2, 3, 4)]
