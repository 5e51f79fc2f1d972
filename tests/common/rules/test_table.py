"""The table of rules: what fires, what does not, and that nothing of a box makes it raise."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect
from msgspec.structs import replace

from gpubox.common.metrics import DISK, GPU, HOST, LINK, METRICS
from gpubox.common.rules.driver import DRIVER, fault_record
from gpubox.common.rules.link import REFUSED, WAITING, link_record, stale_after
from gpubox.common.rules.rule import Limits
from gpubox.common.rules.table import RULES, evaluate, judge
from gpubox.common.severity import Severity
from gpubox.common.xid import STEPS, UNLISTED, XIDS
from gpubox.core.errors import Unreachable
from gpubox.core.sample import Disk, Fault, Gpu, Host, RemappedRows, Sample
from tests import samples
from tests.core import wire
from tests.parts import gtx_1070, host

ZERO = Limits((0, 0), (0, 0), (0, 0), (0, 0))
EXTRA = {DRIVER: set(fault_record(Fault(code="hang"))), LINK: set(link_record())}
"""What records that no metric describes have."""
PLAIN = {DISK: {"read_only", "fault"}}
"""Fields that rules judge and that measure nothing."""


def codes(subject: str, record: object, limits: Limits | None = None) -> list[str]:
    """The codes of the findings about a record that are more than worth knowing."""
    found = judge(subject, record, limits or Limits())
    return [finding.code for finding in found if finding.severity >= Severity.WARNING]


def test_every_rule_has_a_code_of_its_own_and_words() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.title
        assert not rule.title.endswith(".")
        assert rule.text


@pytest.mark.parametrize("code", [*sorted(XIDS), 999])
def test_an_xid_says_what_it_means_and_what_to_do_on_that_card(code: int) -> None:
    (found,) = (one for one in judge(GPU, gtx_1070(xid=code, xid_at=5.0)) if one.metric == "xid")
    meaning = XIDS.get(code, UNLISTED)
    program = meaning.fault == "program"
    assert found.severity is (Severity.WARNING if program else Severity.CRITICAL)
    assert found.text.endswith(f": {meaning.words}")
    assert found.hint == STEPS[meaning.step].replace("INDEX", str(gtx_1070().index))


def test_every_rule_judges_something_that_there_is() -> None:
    for rule in RULES:
        known = EXTRA.get(rule.subject) or {row.name for row in METRICS[rule.subject]}
        assert rule.metric in known | PLAIN.get(rule.subject, set()), rule.code


(SAMPLES,) = map(wire.values, inspect.multi_type_info([Sample]))


@settings(max_examples=300, deadline=None)
@given(SAMPLES, st.sampled_from([Limits(), ZERO, Limits(temperature_unit="fahrenheit")]))
def test_no_sample_makes_the_rules_raise(line: object, limits: Limits) -> None:
    sample = msgspec.json.decode(json.dumps(line), type=Sample)
    found = evaluate(sample, limits)
    assert found == evaluate(msgspec.to_builtins(sample), limits)
    assert all("{" not in finding.title + finding.text for finding in found)


def test_a_record_that_gives_nothing_has_no_findings() -> None:
    assert evaluate({}) == []
    assert [judge(subject, {}) for subject in (GPU, HOST, DISK, LINK)] == [[]] * 4


def test_a_card_that_works_as_it_should_has_only_things_worth_knowing() -> None:
    assert codes(GPU, samples.training_box().gpus[0]) == []
    assert {f.code for f in judge(GPU, samples.training_box().gpus[0])} == {"gpu-throttle-power-cap"}


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        (gtx_1070(temperature=91), "gpu-warm"),
        (gtx_1070(temperature=93), "gpu-too-hot"),
        (gtx_1070(temperature=93, throttle=0x20), "gpu-throttle-software-thermal"),
        (gtx_1070(throttle=0x80), "gpu-throttle-power-brake"),
        (gtx_1070(throttle=0x2), "gpu-throttle-clock-setting"),
        (gtx_1070(throttle=0x10000), "gpu-throttle-unknown"),
        (gtx_1070(xid=31, xid_at=5.0), "gpu-xid-program"),
        (gtx_1070(xid=79, xid_at=5.0), "gpu-xid"),
        (gtx_1070(ecc_uncorrected=1), "gpu-ecc-uncorrected"),
        (gtx_1070(remapped_rows=RemappedRows(failed=True)), "gpu-rows-failed"),
        (gtx_1070(remapped_rows=RemappedRows(uncorrectable=1, pending=True)), "gpu-rows-pending"),
        (gtx_1070(remapped_rows=RemappedRows(uncorrectable=1)), "gpu-rows-remapped"),
        (gtx_1070(retired_pages=1), "gpu-pages-retired"),
        (gtx_1070(pcie_width=4), "gpu-pcie-slow"),
        (gtx_1070(fault="Unknown Error"), "gpu-fails"),
        (gtx_1070(memory_used=98, memory_total=100), "gpu-memory-full"),
        (gtx_1070(memory_used=92, memory_total=100), "gpu-memory-nearly-full"),
        (Gpu(index=0, lost_at=5.0), "gpu-lost"),
        (Gpu(index=0, lost_at=5.0, fault="GPU requires reset"), "gpu-reset-required"),
    ],
)
def test_one_thing_wrong_with_a_card_is_one_finding(gpu: Gpu, expected: str) -> None:
    limits = Limits(temperature=(90, 100))
    assert codes(GPU, gpu, limits) == [expected]


def test_the_worst_comes_first() -> None:
    found = judge(GPU, samples.hot_and_throttled().gpus[1])
    assert [f.severity for f in found] == sorted((f.severity for f in found), reverse=True)
    assert found[0].severity is Severity.CRITICAL


def test_half_the_lanes_of_a_desktop_board_are_no_warning() -> None:
    found = judge(GPU, gtx_1070(pcie_width=8, pcie_width_max=16))
    assert [f.severity for f in found if f.metric == "pcie_link"] == [Severity.INFO]


def test_a_lost_card_says_what_to_do() -> None:
    found = judge(GPU, samples.lost_gpu().gpus[1])
    lost = next(f for f in found if f.code == "gpu-lost")
    assert lost.subject == "gpu 1"
    assert lost.text.startswith("GPU is lost: the card no longer answers")
    assert lost.hint.startswith("Reboot the box")


@pytest.mark.parametrize(
    ("disk", "expected"),
    [
        (Disk(mount="/", used=90, total=100), ["disk-nearly-full"]),
        (Disk(mount="/", used=99, total=100, read_only=True), ["disk-full", "disk-read-only"]),
        (Disk(mount="/", hangs=0.5), []),
        (Disk(mount="/", hangs=72, fault="Stale"), ["disk-hangs"]),
        (Disk(mount="/", fault="Stale file handle"), ["disk-fails"]),
    ],
)
def test_what_is_wrong_with_a_disk(disk: Disk, expected: list[str]) -> None:
    assert codes(DISK, disk) == expected


def test_a_disk_is_named_by_where_it_is_mounted() -> None:
    (finding,) = judge(DISK, Disk(mount="/data", used=99, total=100))
    assert (finding.subject, finding.title, finding.text) == ("disk /data", "full", "1B free")


def test_what_is_wrong_with_the_machine() -> None:
    assert codes(HOST, host()) == []
    assert codes(HOST, host(memory_total=100, memory_available=10)) == ["host-memory-nearly-full"]
    assert codes(HOST, host(memory_total=100, memory_available=1)) == ["host-memory-full"]
    assert codes(HOST, host(temperature=97)) == ["host-too-hot"]
    assert codes(HOST, Host()) == []


def test_a_box_without_gpus_is_worth_knowing_and_no_more() -> None:
    (finding,) = (f for f in evaluate(samples.no_device()) if f.subject == DRIVER)
    assert (finding.code, finding.severity) == ("driver-no-gpu", Severity.INFO)
    broken = replace(samples.no_device(), driver=samples.training_box().driver)
    (finding,) = (f for f in evaluate(broken) if f.subject == DRIVER)
    assert (finding.code, finding.severity) == ("driver-no-device", Severity.CRITICAL)


def test_words_of_the_box_are_not_parsed() -> None:
    (finding,) = judge(DISK, Disk(mount="/{index}", fault="{device} {0} {"))
    assert (finding.subject, finding.title) == ("disk /{index}", "{device} {0} {")


def test_a_reading_is_stale_when_three_are_overdue() -> None:
    assert (stale_after(0.5), stale_after(60)) == (3.0, 180.0)
    assert codes(LINK, link_record("live", age=3.0)) == []
    (finding,) = judge(LINK, link_record("live", age=72.0))
    assert (finding.code, finding.title) == ("reading-stale", "no reading for 1m 12s")


def test_a_link_that_waits_or_is_refused_says_why() -> None:
    error = Unreachable("No answer", "attic is silent", "Wake it")
    (finding,) = judge(LINK, link_record(WAITING, trouble=error, age=72.0))
    assert (finding.title, finding.text, finding.hint) == ("No answer", "attic is silent", "Wake it")
    assert finding.severity is Severity.WARNING
    (finding,) = judge(LINK, link_record(REFUSED))
    assert (finding.title, finding.severity) == ("refused", Severity.CRITICAL)
