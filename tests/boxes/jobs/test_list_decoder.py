"""The list of jobs of a box: read quickly, again and again, whatever stands in it."""

from __future__ import annotations

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.boxes.jobs.list_decoder import ListDecoder, named_safely
from gpubox.core.errors import RemoteError
from gpubox.core.record import GpuPlace, Listing
from tests.boxes.jobs.backend import ended, job


def written(listing: Listing) -> bytes:
    """A list as the box writes it."""
    return json.dumps(json.loads(msgspec.json.encode(listing))).encode() + b"\n"


def test_a_list_is_read_as_it_was_written() -> None:
    listing = Listing(5000.0, (job(2), ended(job(1))), (GpuPlace("GPU-1", 0),))
    assert ListDecoder().read(written(listing)) == listing


def test_old_jobs_are_the_same_objects_again_and_others_are_not() -> None:
    reader = ListDecoder()
    old, fresh = ended(job(1), 100.0), ended(job(2), 4990.0)
    first = reader.read(written(Listing(5000.0, (job(3), fresh, old))))
    again = [msgspec.structs.replace(one, now=5002.0) for one in (job(3), fresh, old)]
    second = reader.read(written(Listing(5002.0, tuple(again))))
    assert second.jobs[2] is first.jobs[2]
    assert [one.now for one in second.jobs] == [5002.0, 5002.0, 5000.0]
    changed = msgspec.structs.replace(old, log_bytes=7, now=5004.0)
    assert reader.read(written(Listing(5004.0, (changed,)))).jobs == (changed,)


def test_a_clock_within_a_text_is_no_clock() -> None:
    texts = ('"now": 1.0', '\\"now": 2.0', '"now": 3')
    rows = [
        msgspec.structs.replace(ended(job(1), 100.0), spec=msgspec.structs.replace(job(1).spec, line=text))
        for text in texts
    ]
    reader = ListDecoder()
    for row in rows:
        assert reader.read(written(Listing(1.0, (row,)))).jobs == (row,)


def test_a_record_that_cannot_be_read_is_left_out_and_the_others_are_not() -> None:
    rows: list[object] = json.loads(written(Listing(1.0, (job(1), job(2)))))["jobs"]
    strange = {**json.loads(msgspec.json.encode(ended(job(3)))), "ending": {"how": "eaten"}}
    hostile = {**json.loads(msgspec.json.encode(job(4))), "id": "x; rm -rf ~"}
    data = json.dumps({"now": 1.0, "jobs": [*rows, strange, hostile, 7, None]}).encode()
    assert [one.id for one in ListDecoder().read(data).jobs] == [job(1).id, job(2).id]


@given(st.binary(max_size=60))
def test_what_is_no_list_is_reported_in_words(data: bytes) -> None:
    with pytest.raises(RemoteError, match="cannot be read"):
        ListDecoder().read(data)


@pytest.mark.parametrize("text", ["", "20261123-120000-abcd\n", "../x", "20261123-120000-ABCD", "-rf", "a b"])
def test_an_id_is_nothing_else(text: str) -> None:
    assert named_safely(job(1).id) == job(1).id
    with pytest.raises(RemoteError):
        named_safely(text)


def test_a_thousand_old_jobs_are_read_in_a_moment() -> None:
    rows = tuple(ended(job(1, id=f"20261123-120000-{number:06d}"), 100.0) for number in range(1000))
    reader, data = ListDecoder(), written(Listing(5000.0, rows))
    reader.read(data)
    took: list[float] = []
    for _ in range(5):
        began = time.process_time()
        reader.read(data)
        took.append(time.process_time() - began)
    assert min(took) < 0.05  # 2 ms where nothing else runs
