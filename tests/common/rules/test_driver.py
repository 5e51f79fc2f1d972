"""Faults come out in words, with what to do."""

from __future__ import annotations

import pytest

from gpubox.common.rules.rule import Finding
from gpubox.common.rules.table import judge_fault
from gpubox.core.sample import Fault

CODES = ("no-device", "no-driver", "mismatch", "permission", "no-library", "hang", "error")


def explain(fault: Fault) -> Finding:
    """The one finding about a fault."""
    (finding,) = judge_fault(fault)
    return finding


@pytest.mark.parametrize("code", CODES)
def test_every_fault_has_a_title_words_and_a_next_step(code: str) -> None:
    error = explain(Fault(code=code))
    assert error.title
    assert not error.title.endswith(".")
    assert error.text
    assert error.hint


def test_no_two_faults_share_a_title() -> None:
    assert len({explain(Fault(code=code)).title for code in CODES}) == len(CODES)


def test_a_mismatch_names_both_versions_and_says_that_jobs_go_on() -> None:
    error = explain(Fault(code="mismatch", kernel_version="550.54.14", library_version="550.90.07"))
    assert "module is 550.54.14" in error.text
    assert "disk is 550.90.07" in error.text
    assert "Reboot" in error.hint
    assert "reload the module" in error.hint
    assert "Running jobs go on" in error.hint


def test_a_mismatch_with_one_version_names_that_one() -> None:
    assert "550.54.14" in explain(Fault(code="mismatch", kernel_version="550.54.14")).text


def test_a_mismatch_without_versions_still_says_what_it_is() -> None:
    assert "different versions" in explain(Fault(code="mismatch")).text


def test_the_drivers_own_words_are_preserved() -> None:
    assert "Unknown Error (NVML 999)" in explain(Fault(code="error", detail="Unknown Error (NVML 999)")).text


def test_a_box_without_gpu_says_what_was_looked_at() -> None:
    fault = Fault(code="no-device", looked=("/dev/nvidia*", "libnvidia-ml.so.1"))
    assert "Looked at /dev/nvidia*, libnvidia-ml.so.1" in explain(fault).text


def test_a_hang_says_that_the_host_is_still_read() -> None:
    assert "the host is still read" in explain(Fault(code="hang")).text


def test_a_fault_of_a_newer_probe_is_named_by_its_detail() -> None:
    error = explain(Fault(code="melted", detail="smoke at GPU 2"))
    assert "melted" in error.text
    assert "smoke at GPU 2" in error.text


def test_the_many_folders_of_one_library_are_counted() -> None:
    looked = ("/dev/nvidia*", "libnvidia-ml.so.1", "/usr/lib/libnvidia-ml.so.1", "/opt/libnvidia-ml.so.1")
    text = explain(Fault(code="no-device", looked=looked)).text
    assert text.endswith("Looked at /dev/nvidia*, libnvidia-ml.so.1 in 3 places")
