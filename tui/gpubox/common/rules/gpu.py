"""The rules about one GPU. Within one severity, findings come in the order of the rows."""

from __future__ import annotations

from gpubox.common import throttle
from gpubox.common.metrics import GPU
from gpubox.common.rules.rule import Condition, Reading, Rule, level, reaches, some
from gpubox.common.severity import Severity
from gpubox.common.xid import UNLISTED, XIDS

BUSY_PSTATE = 2
"""Up to this P-state the PCIe link should run at full speed; an idle card slows it down on purpose."""
SHARED_LANES = 8
"""Two cards on a desktop board share its lanes: 8 of 16 is how it was built."""


def _hot(severity: Severity) -> Condition:
    """Fire for a high temperature at which the card does not yet throttle."""

    def hot(value: float, gpu: Reading) -> bool:
        slowed = (gpu["throttle"] or 0) & throttle.HEAT
        return not slowed and level(value, gpu.limits.temperature) is severity

    return hot


def _narrow(gpu: Reading) -> bool:
    width, most = gpu["pcie_width"], gpu["pcie_width_max"]
    return bool(width and most and width < most)


def _slow(gpu: Reading) -> bool:
    pstate, generation, most = gpu["pstate"], gpu["pcie_gen"], gpu["pcie_gen_max"]
    busy = pstate is not None and pstate <= BUSY_PSTATE
    return bool(busy and generation and most and generation < most)


def _shares_lanes(_: object, gpu: Reading) -> bool:
    return _narrow(gpu) and not _slow(gpu) and gpu["pcie_width"] >= SHARED_LANES


def pcie_below_best(_: object, gpu: Reading) -> bool:
    """Fire for a link that gives less than the card can, but for lanes that two cards share."""
    return _slow(gpu) or (_narrow(gpu) and gpu["pcie_width"] < SHARED_LANES)


def _wants_reset(value: str, _: Reading) -> bool:
    return "reset" in value.lower()


def _lost(value: str, gpu: Reading) -> bool:
    return gpu["lost_at"] is not None and not _wants_reset(value, gpu)


def _fails(value: str, gpu: Reading) -> bool:
    return gpu["lost_at"] is None and not _wants_reset(value, gpu)


def _of_a_program(code: int, _: Reading) -> bool:
    return XIDS.get(code, UNLISTED).fault == "program"


def _of_the_box(code: int, gpu: Reading) -> bool:
    return not _of_a_program(code, gpu)


def _holds(bit: int) -> Condition:
    def holds(mask: int, _: Reading) -> bool:
        return bool(mask & bit)

    return holds


def _remapped(count: int, gpu: Reading) -> bool:
    return bool(count) and not gpu["rows_pending"]


def _unknown_reason(mask: int, _: Reading) -> bool:
    return bool(throttle.unknown(mask))


_LINK = "slot or riser give {pcie_link} of the card's {pcie_link_max}"
_XID = "last Xid error event {xid}, at {xid_at}: {xid_meaning}"
_HEAT = "it slows down from {temperature_slowdown}"

GPU_RULES = (
    Rule("gpu-too-hot", GPU, "temperature", _hot(Severity.CRITICAL), Severity.CRITICAL, "too hot", _HEAT),
    Rule("gpu-warm", GPU, "temperature", _hot(Severity.WARNING), Severity.WARNING, "warm", _HEAT),
    Rule(
        "gpu-reset-required", GPU, "failure", _wants_reset, Severity.CRITICAL, "{failure}",
        "The driver says: {failure}{xid_note}. What ran on it has ended.",
        "Stop what still holds it, then `nvidia-smi --gpu-reset -i {index}`, or reboot the box.",
    ),
    Rule(
        "gpu-lost", GPU, "failure", _lost, Severity.CRITICAL, "{failure}",
        "{failure}: the card no longer answers, and what ran on it has ended.",
        "Reboot the box. If it comes again, check seat, riser and power cables; `journalctl -k` tells more.",
    ),
    Rule(
        "gpu-fails", GPU, "failure", _fails, Severity.CRITICAL, "{failure}",
        "The driver says: {failure}{xid_note}.",
        "`journalctl -k | grep -iE 'nvrm|xid'` tells more.",
    ),
    Rule("gpu-xid", GPU, "xid", _of_the_box, Severity.CRITICAL, "Xid {xid}", _XID, "{xid_step}"),
    Rule("gpu-xid-program", GPU, "xid", _of_a_program, Severity.WARNING, "Xid {xid}", _XID, "{xid_step}"),
    Rule(
        "gpu-ecc-uncorrected", GPU, "ecc_uncorrected", some, Severity.CRITICAL,
        "{ecc_uncorrected} ECC errors",
        "memory errors that ECC could not correct since the driver was loaded",
    ),
    Rule(
        "gpu-rows-failed", GPU, "rows_failed", some, Severity.CRITICAL, "row remap failed",
        "no spare memory rows are left: replace the card",
    ),
    Rule(
        "gpu-rows-pending", GPU, "rows_pending", some, Severity.WARNING, "remap pending",
        "bad memory rows are replaced at the next reset of the card",
    ),
    Rule(
        "gpu-rows-remapped", GPU, "rows_uncorrectable", _remapped, Severity.WARNING,
        "{rows_uncorrectable} rows remapped", "memory rows replaced after hard errors",
    ),
    Rule(
        "gpu-pages-retired", GPU, "retired_pages", some, Severity.WARNING, "{retired_pages} pages retired",
        "memory pages taken out of use",
    ),
    Rule(
        "gpu-ecc-corrected", GPU, "ecc_corrected", some, Severity.INFO, "{ecc_corrected} ECC corrected",
        "memory errors that ECC corrected since the driver was loaded",
    ),
    Rule("gpu-pcie-shared", GPU, "pcie_link", _shares_lanes, Severity.INFO, "PCIe {pcie_link}", _LINK),
    Rule("gpu-pcie-slow", GPU, "pcie_link", pcie_below_best, Severity.WARNING, "PCIe {pcie_link}", _LINK),
    *(
        Rule(
            f"gpu-throttle-{reason.code}", GPU, "throttle", _holds(reason.bit), reason.severity,
            reason.short, reason.text,
        )
        for reason in throttle.REASONS
    ),
    Rule(
        "gpu-throttle-unknown", GPU, "throttle", _unknown_reason, Severity.WARNING, "{throttle_unknown}",
        "a reason this version does not know",
    ),
    Rule(
        "gpu-memory-full", GPU, "memory", reaches("memory", Severity.CRITICAL), Severity.CRITICAL,
        "memory full", "{memory} of the card's memory is in use",
    ),
    Rule(
        "gpu-memory-nearly-full", GPU, "memory", reaches("memory", Severity.WARNING), Severity.WARNING,
        "memory nearly full", "{memory} of the card's memory is in use",
    ),
)  # fmt: skip
"""Rows about a GPU."""
