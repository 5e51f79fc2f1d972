"""The difference between two samples says all of the second one."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from gpubox.core.decode import decode
from gpubox.core.sample import Sample
from gpubox.store.recording.changes import Misfit, change, changed, tree
from tests.samples import BUILDERS, eight_gpus
from tests.store.recording.noisy import noisy

PAIRS = list(itertools.product(BUILDERS, repeat=2))


def through_json(value: dict[str, object]) -> dict[str, object]:
    """What a reader has of it."""
    read: object = msgspec.json.decode(msgspec.json.encode(value))
    assert isinstance(read, dict)
    return read


@pytest.mark.parametrize(("old", "new"), PAIRS, ids=[f"{old}-{new}" for old, new in PAIRS])
def test_a_change_leads_from_any_sample_to_any_other(old: str, new: str) -> None:
    before, after = BUILDERS[old](), decode(msgspec.json.encode(BUILDERS[new]()))
    found = changed(through_json(tree(before)), through_json(change(tree(before), tree(after))))
    assert decode(msgspec.json.encode(found)) == after


def test_rows_that_move_come_and_go_are_found_again() -> None:
    sample = eight_gpus()
    rows = sample.processes
    for chosen in (rows[::-1], rows[1:], rows[:-3], (rows[4], *rows[7:], rows[0]), (), rows[:1]):
        other = msgspec.structs.replace(sample, processes=chosen)
        for one, two in ((sample, other), (other, sample)):
            difference = change(tree(one), tree(two))
            assert changed(tree(one), difference) == tree(two)


def test_rows_that_only_move_are_not_written_again() -> None:
    sample = eight_gpus()
    moved = msgspec.structs.replace(sample, processes=sample.processes[::-1])
    assert change(tree(sample), tree(moved)) == {"processes": {"=": list(range(29, -1, -1))}}


def test_nothing_changes_between_equal_samples() -> None:
    assert change(tree(eight_gpus()), tree(eight_gpus())) == {}


def test_a_change_is_a_small_part_of_a_sample() -> None:
    one, two = noisy(2)
    whole, difference = (len(msgspec.json.encode(each)) for each in (tree(two), change(tree(one), tree(two))))
    assert difference < whole / 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"host+": 1},
        {"seq+": "one"},
        {"seq+": True},
        {"nothing+": 1},
        {"gpus": {"util": [1.0]}},
        {"gpus": {"util": 1.0}},
        {"gpus": {"=": 3}},
        {"gpus": {"=": [99]}},
        {"gpus": {"=": [-1]}},
        {"gpus": {"=": ["first"]}},
        {"gpus": {"name+": [1] * 8}},
        {"gpus": {"=": [0, 0]}},
    ],
    ids=str,
)
def test_a_change_of_something_else_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Misfit):
        changed(tree(eight_gpus()), wrong)


def test_a_number_without_a_fraction_is_written_without_one() -> None:
    row = tree(Sample(time=5.0, interval=1.0))
    assert b'"time":5,' in msgspec.json.encode(row)
    assert decode(msgspec.json.encode(row)) == Sample(time=5.0, interval=1.0)
