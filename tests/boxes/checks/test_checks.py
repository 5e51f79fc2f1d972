"""The checks of a box: the program really runs there, and whatever it answers becomes results."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import ClassVar, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import Facts, LocalFacts
from gpubox.boxes.checks.checks import Checks, _read
from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.boxes.context import BoxContext
from gpubox.core.errors import Dropped
from gpubox.core.target import Target
from gpubox.local.channels import LocalChannels
from gpubox.local.shell import LocalShell
from tests.drawable import drawable


@pytest.fixture
def context() -> BoxContext:
    """This machine, as a box that is connected."""
    made = BoxContext(Target("here", "local", "test", ""), python=sys.executable)
    made.shell.put(LocalShell())
    made.channels.put(LocalChannels(LocalShell()))
    return made


async def test_all_checks_come_to_something_and_in_their_order(context: BoxContext) -> None:
    found = await context.use(Checks).look()
    assert [one.check.id for one in found] == [one.id for one in all_checks() if not one.trial]
    assert [one.check.id for one in found if "itself failed" in one.result.text] == []
    assert [one.check.id for one in found if "not its" in one.result.text] == []


async def test_results_appear_as_they_come(context: BoxContext) -> None:
    feature = context.use(Checks)
    seen: list[int] = []

    async def watch() -> None:
        async for found in feature.results.follow():
            seen.append(len(found))  # noqa: PERF401  # a feed never ends

    watching = asyncio.create_task(watch())
    await feature.look()
    await asyncio.sleep(0)  # one turn of the loop, for the last value
    watching.cancel()
    assert sorted(seen) == seen
    assert (seen[0], seen[-1]) == (0, len([one for one in all_checks() if not one.trial]))


async def test_a_second_look_knows_the_first(context: BoxContext) -> None:
    feature = context.use(Checks)
    chosen = [one for one in all_checks() if one.id == "system.reboot"]
    (first,) = await feature.look(chosen)
    (second,) = await feature.look(chosen)
    assert first.before is None
    assert second.before == first.result
    assert not second.changed


class Slow(LocalFacts, frozen=True):
    """Facts of this machine that do not come."""

    SECONDS: ClassVar[float] = 0.01

    @classmethod
    async def gather(cls, context: BoxContext) -> Self:
        await asyncio.Event().wait()
        return cls()


async def test_facts_of_this_machine_have_a_limit_of_their_own(context: BoxContext) -> None:
    feature = context.use(Checks)
    assert await feature._local(Slow) == "This machine found nothing out in 0 seconds"


def test_a_check_has_three_seconds_and_a_trial_has_more() -> None:
    limits = {
        (one.trial, kind.SECONDS)
        for one in all_checks()
        for kind in one.needs
        if issubclass(kind, LocalFacts)
    }
    assert limits == {(False, 3.0), (True, 15.0)}


async def test_a_look_without_a_link_is_a_drop() -> None:
    context = BoxContext(Target("away", "local", "test", ""))
    with pytest.raises(Dropped):
        await context.use(Checks).look()


def kinds() -> dict[str, type[Facts]]:
    """The facts of all sections of the box."""
    return {
        kind.SECTION: kind for one in all_checks() for kind in one.needs if not issubclass(kind, LocalFacts)
    }


def sections(value: object) -> Iterator[bytes]:
    for name in kinds():
        yield json.dumps({"section": name, "facts": value}).encode()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)


@given(JSON)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_facts_are_read_or_refused(value: object) -> None:
    for line in sections(value):
        read = _read(line, kinds())
        assert read is not None
        kind, facts = read
        assert isinstance(facts, (str, kind))


@given(st.binary(max_size=200))
def test_any_line_is_read_or_passed_over(line: bytes) -> None:
    assert _read(line, kinds()) is None


def test_an_error_of_a_section_is_clean_text() -> None:
    read = _read(b'{"section": "system", "error": "\\u001b]0;x\\u0007 no"}', {"system": SystemFacts})
    assert read is not None
    assert drawable(str(read[1]))
