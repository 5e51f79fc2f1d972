"""Looking for garbage: not while starting, and later only through what is new."""

from __future__ import annotations

import ast
import gc
import traceback
from collections.abc import Generator

import pytest

from gpubox.agent import bundle
from gpubox.core import gc_tuning


@pytest.fixture
def as_it_was() -> Generator[None]:
    """Give the collector back as it was found."""
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)
    gc.enable()


class Knot:
    """Garbage that only a look finds."""

    found = 0

    def __init__(self) -> None:
        self.myself = self

    def __del__(self) -> None:
        Knot.found += 1


@pytest.mark.usefixtures("as_it_was")
def test_nothing_is_looked_at_while_it_is_held_and_new_garbage_is_found_after() -> None:
    gc.collect()
    Knot.found = 0
    gc_tuning.hold()
    assert gc_tuning.held()
    saved = [[Knot()] for _ in range(30_000)]
    assert Knot.found == 0
    gc_tuning.release()
    assert not gc_tuning.held()
    saved.clear()
    assert gc.collect() < 1000, "what was there before is looked at no more"
    for _ in range(30_000):
        Knot()
    assert Knot.found > 0


@pytest.mark.usefixtures("as_it_was")
def test_nothing_is_collected_while_a_source_is_parsed_in_a_test_or_by_the_program() -> None:
    within: list[bool] = []

    def note(phase: str, _: object) -> None:
        within.append(any(frame.filename == ast.__file__ for frame in traceback.extract_stack()))

    gc.callbacks.append(note)
    try:
        gc.set_threshold(10)
        ast.parse("import gpubox.core.job\n" * 500)
        assert list(bundle.imports("import gpubox.core.job\n" * 50)) == ["gpubox.core.job"] * 50
        garbage = [[[]] for _ in range(100)]
    finally:
        gc.callbacks.remove(note)
    assert garbage
    assert within, "it goes on before and after"
    assert not any(within)


@pytest.mark.usefixtures("as_it_was")
def test_a_pause_leaves_the_collector_as_it_was() -> None:
    with gc_tuning.paused():
        assert gc_tuning.held()
    assert not gc_tuning.held()
    gc_tuning.hold()
    with gc_tuning.paused():
        pass
    assert gc_tuning.held()
