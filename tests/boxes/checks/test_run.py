"""Facts come in one after the other; each check is judged once, after those that it depends on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import (
    GROUPS,
    Check,
    Facts,
    Gathered,
    LocalFacts,
    Outcome,
    Result,
    failed,
    not_here,
    ok,
)
from gpubox.boxes.checks.run import Judged, Judging, needed
from gpubox.boxes.checks.select import is_id, select
from gpubox.core.errors import ConfigError
from tests.house.tree import PACKAGE


class DiskFacts(Facts, frozen=True):
    """Facts of one section."""

    SECTION: ClassVar[str] = "disk"
    full: bool = False


class NetFacts(Facts, frozen=True):
    """Facts of another one."""

    SECTION: ClassVar[str] = "net"


def check(
    name: str,
    judge: Callable[[Gathered], Result],
    *needs: type[Facts],
    depends_on: Sequence[str] = (),
) -> Check:
    return Check(name, name.title(), "Why.", "ls", needs, judge, tuple(depends_on))


def disk(gathered: Gathered) -> Result:
    return failed("full", "rm") if gathered.of(DiskFacts).full else ok("empty")


def fault(gathered: Gathered) -> Result:
    raise ZeroDivisionError


DISK = check("system.disk", disk, DiskFacts)
NET = check("network.net", lambda gathered: ok(str(gathered.of(NetFacts))), NetFacts)
HOME = check("system.home", lambda _: ok("fine"), NetFacts, depends_on=["system.disk"])
FAULT = check("system.fault", fault, DiskFacts)


def outcomes(found: Sequence[tuple[Check, Result]]) -> dict[str, Outcome]:
    return {one.id: result.outcome for one, result in found}


def test_a_check_is_judged_when_its_facts_are_there() -> None:
    judging = Judging([DISK, NET])
    assert judging.missing == {DiskFacts, NetFacts}
    assert outcomes(list(judging.take(NetFacts, NetFacts()))) == {"network.net": Outcome.OK}
    assert judging.missing == {DiskFacts}
    assert outcomes(list(judging.take(DiskFacts, DiskFacts(full=True)))) == {"system.disk": Outcome.FAILED}
    assert list(judging.give_up("gone")) == []


def test_facts_that_could_not_be_gathered_say_why() -> None:
    ((_, result),) = Judging([DISK]).take(DiskFacts, "it took more than 3 seconds")
    assert (result.outcome, result.text) == (Outcome.UNKNOWN, "it took more than 3 seconds")


def test_facts_that_never_come_say_why() -> None:
    judging = Judging([DISK, HOME])
    assert outcomes(list(judging.give_up("the box was silent"))) == {
        "system.disk": Outcome.UNKNOWN,
        "system.home": Outcome.UNKNOWN,
    }


def test_a_consequence_of_a_known_cause_waits_for_it() -> None:
    judging = Judging([DISK, HOME])
    assert list(judging.take(NetFacts, NetFacts())) == []
    found = list(judging.take(DiskFacts, DiskFacts(full=True)))
    assert outcomes(found) == {"system.disk": Outcome.FAILED, "system.home": Outcome.UNKNOWN}
    assert found[1][1].text == "It waits for this one: System.Disk"


def test_what_depends_on_something_that_is_not_here_is_not_here() -> None:
    nothing = check("system.disk", lambda _: not_here("There is no disk"), DiskFacts)
    judging = Judging([nothing, HOME])
    found = [*judging.take(NetFacts, NetFacts()), *judging.take(DiskFacts, DiskFacts())]
    assert outcomes(found) == {"system.disk": Outcome.NOT_HERE, "system.home": Outcome.NOT_HERE}


def test_a_check_that_fails_itself_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    found = list(Judging([FAULT, DISK]).take(DiskFacts, DiskFacts()))
    assert outcomes(found) == {"system.fault": Outcome.UNKNOWN, "system.disk": Outcome.OK}
    assert "ZeroDivisionError" in caplog.text
    assert "ZeroDivisionError" not in found[0][1].text


@given(st.permutations([DiskFacts, NetFacts]), st.booleans())
def test_in_any_order_of_facts_each_check_is_judged_once(order: list[type[Facts]], full: bool) -> None:
    judging = Judging([DISK, NET, HOME, FAULT])
    found = [
        one
        for kind in order
        for one in judging.take(kind, DiskFacts(full) if kind is DiskFacts else NetFacts())
    ]
    assert sorted(one.id for one, _ in found) == ["network.net", "system.disk", "system.fault", "system.home"]


def test_chosen_checks_bring_what_they_depend_on() -> None:
    assert needed([HOME], [DISK, NET, HOME]) == [DISK, HOME]


def test_a_result_that_differs_from_the_last_look_is_marked() -> None:
    assert not Judged(DISK, ok("empty")).changed
    assert not Judged(DISK, ok("empty now"), ok("empty")).changed
    assert Judged(DISK, ok("empty", value="2"), ok("empty", value="1")).changed
    assert Judged(DISK, failed("full", ""), ok("empty")).changed


def test_checks_are_chosen_by_id_and_group() -> None:
    every = [DISK, NET, HOME]
    assert is_id("system.disk", every)
    assert not is_id("system", every)
    assert select(every, (), ()) == every
    assert select(every, ("system",), ()) == [DISK, HOME]
    assert select(every, ("system", "network.net"), ("system.home",)) == [DISK, NET]
    with pytest.raises(ConfigError, match="neither a check nor a group"):
        select(every, ("cudaa",), ())


def test_every_check_is_complete() -> None:
    every = all_checks()
    ids = [one.id for one in every]
    assert len(ids) == len(set(ids))
    for one in every:
        file = PACKAGE / "boxes" / "checks" / one.group / f"{one.id.partition('.')[2].replace('-', '_')}.py"
        assert file.is_file(), f"{one.id} stands in another file"
        assert one.group in GROUPS
        assert set(one.depends_on) <= set(ids)
        assert one.needs
        assert all(issubclass(kind, LocalFacts) or kind.SECTION for kind in one.needs)
        for words in (one.title, one.why, one.command):
            assert words == words.strip() != ""
        assert not one.title.endswith(".")
        assert one.why.endswith((".", "`", ")"))
        places = [ids.index(name) for name in one.depends_on]
        assert all(place < ids.index(one.id) for place in places)
