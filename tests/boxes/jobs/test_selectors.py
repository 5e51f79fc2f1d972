"""Which job a user means."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gpubox.boxes.jobs.selectors import choose
from gpubox.core.errors import RemoteError
from gpubox.core.record import Record
from tests.boxes.jobs.backend import job
from tests.drawable import drawable


def called(number: int, name: str, queue_id: str = "") -> Record:
    return job(number, spec=replace(job(number).spec, name=name), queue_id=queue_id)


JOBS = (called(3, "train"), called(2, "paint", queue_id="4711"), called(1, "train"))


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("last", 3),
        (job(2).id, 2),
        ("cd01", 1),
        ("train", 3),
        (" paint ", 2),
        ("4711", 2),
        ("20261123-120001", 1),
    ],
)
def test_a_job_is_meant_by_id_end_name_or_last(word: str, number: int) -> None:
    assert choose(JOBS, word, "xub").id == job(number).id


def test_a_name_of_many_jobs_is_proposed_once() -> None:
    with pytest.raises(RemoteError, match=r"Did you mean train\?"):
        choose((called(1, "train"), called(2, "train")), "tain", "xub")


def test_an_id_counts_before_a_name_that_looks_like_it() -> None:
    assert choose((called(2, job(1).id), called(1, "x")), job(1).id, "xub").id == job(1).id


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("tain", "Did you mean train"),
        ("2026", "Several jobs.*Write more"),
        ("", "no job called"),
        ("zzz", "newest"),
    ],
)
def test_what_means_none_or_several_is_reported_with_what_there_is(word: str, words: str) -> None:
    with pytest.raises(RemoteError, match=words):
        choose(JOBS, word, "xub")
    with pytest.raises(RemoteError, match="has no jobs"):
        choose((), word, "xub")


@given(st.text(max_size=30), st.text(max_size=30))
def test_names_of_a_box_are_reported_so_that_they_can_be_drawn(name: str, word: str) -> None:
    try:
        choose((called(1, name),), word, "xub")
    except RemoteError as error:
        drawn = str(error)
        assert drawable(drawn)


def test_endless_names_take_no_time() -> None:
    rows = [called(1, "ab" * 500_000)] * 1000
    began = time.process_time()
    with pytest.raises(RemoteError):
        choose(rows, "ba" * 100_000, "xub")
    assert time.process_time() - began < 30  # compared letter by letter they take hours
