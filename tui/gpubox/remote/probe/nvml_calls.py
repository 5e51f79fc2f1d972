"""Calls of NVML: the call for each reading, and the meaning of its errors; numbers as in nvml.h."""

from __future__ import annotations

import ctypes

from gpubox.common.sample_format import NAME_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable


NVML_SUCCESS = 0
NVML_ERROR_UNINITIALIZED = 1
NVML_ERROR_NOT_SUPPORTED = 3
NVML_ERROR_NO_PERMISSION = 4
NVML_ERROR_NOT_FOUND = 6
NVML_ERROR_DRIVER_NOT_LOADED = 9
NVML_ERROR_FUNCTION_NOT_FOUND = 13
NVML_ERROR_GPU_IS_LOST = 15
NVML_ERROR_RESET_REQUIRED = 16
NVML_ERROR_LIB_RM_VERSION_MISMATCH = 18
NVML_ERROR_ARGUMENT_VERSION_MISMATCH = 25

GPU_LOST = (NVML_ERROR_GPU_IS_LOST, NVML_ERROR_RESET_REQUIRED)
DRIVER_LOST = (NVML_ERROR_UNINITIALIZED, NVML_ERROR_DRIVER_NOT_LOADED)
OLD_DRIVER = (NVML_ERROR_FUNCTION_NOT_FOUND, NVML_ERROR_ARGUMENT_VERSION_MISMATCH)
NOT_HERE = (NVML_ERROR_NOT_SUPPORTED, NVML_ERROR_NO_PERMISSION, *OLD_DRIVER)
"""Errors for a reading that this GPU lacks, or that needs more permissions."""

NVML_CLOCK_SM = 1
NVML_CLOCK_MEM = 2
NVML_TEMPERATURE_GPU = 0
NVML_TEMPERATURE_THRESHOLD_SHUTDOWN = 0
NVML_TEMPERATURE_THRESHOLD_SLOWDOWN = 1
NVML_FI_DEV_MEMORY_TEMP = 82
NVML_MEMORY_ERROR_TYPE_CORRECTED = 0
NVML_MEMORY_ERROR_TYPE_UNCORRECTED = 1
NVML_VOLATILE_ECC = 0
NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS = 0
NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR = 1
NVML_PCIE_UTIL_TX_BYTES = 0
NVML_PCIE_UTIL_RX_BYTES = 1
NVML_EVENT_TYPE_XID_CRITICAL_ERROR = 8
NVML_NO_INSTANCE = 0xFFFFFFFF
"""NVML's number for no MIG slice."""


def one(value: object) -> tuple[object, ...]:
    """Return a single value unchanged."""
    return (value,)


def thousandth(value: float) -> tuple[object, ...]:
    """Return milliwatts as watts, millijoules as joules."""
    return (value / 1000.0,)


def flag(value: int) -> tuple[object, ...]:
    """Return NVML's 0 and 1 as a bool."""
    return (bool(value),)


RETIREMENT_CAUSES = (
    NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS,
    NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR,
)
OWN = {"field": "nvmlDeviceGetFieldValues", "retired": "nvmlDeviceGetRetiredPages"}
"""Calls whose answers need conversion to a single value."""
COMPUTE_MODES = {0: "Default", 1: "Exclusive Thread", 2: "Prohibited", 3: "Exclusive Process"}

# lane, fields, calls in order of preference, converter of an answer to values.
READERS: tuple[
    tuple[str, tuple[str, ...], tuple[tuple[object, ...], ...], Callable[[Any], tuple[object, ...]]], ...
] = (
    ("fast", ("util", "memory_util"), (("nvmlDeviceGetUtilizationRates",),), lambda r: (r.gpu, r.memory)),
    ("fast", ("power",), (("nvmlDeviceGetPowerUsage",),), thousandth),
    ("fast", ("clock_sm",), (("nvmlDeviceGetClockInfo", NVML_CLOCK_SM),), one),
    ("fast", ("clock_memory",), (("nvmlDeviceGetClockInfo", NVML_CLOCK_MEM),), one),
    (
        "warm",
        ("temperature",),
        (
            ("nvmlDeviceGetTemperature", NVML_TEMPERATURE_GPU),
            ("nvmlDeviceGetTemperatureV", NVML_TEMPERATURE_GPU),
        ),
        one,
    ),
    ("warm", ("fan",), (("nvmlDeviceGetFanSpeed",),), one),
    ("warm", ("pstate",), (("nvmlDeviceGetPerformanceState",),), lambda r: (r if 0 <= r <= 15 else None,)),
    (
        "warm",
        ("throttle",),
        (("nvmlDeviceGetCurrentClocksEventReasons",), ("nvmlDeviceGetCurrentClocksThrottleReasons",)),
        one,
    ),
    ("warm", ("encoder",), (("nvmlDeviceGetEncoderUtilization",),), lambda r: (r[0],)),
    ("warm", ("decoder",), (("nvmlDeviceGetDecoderUtilization",),), lambda r: (r[0],)),
    ("slow", ("temperature_memory",), (("field", NVML_FI_DEV_MEMORY_TEMP),), lambda r: (r or None,)),
    (
        "slow",
        ("power_limit",),
        (("nvmlDeviceGetEnforcedPowerLimit",), ("nvmlDeviceGetPowerManagementLimit",)),
        thousandth,
    ),
    ("slow", ("energy",), (("nvmlDeviceGetTotalEnergyConsumption",),), thousandth),
    ("slow", ("pcie_gen",), (("nvmlDeviceGetCurrPcieLinkGeneration",),), one),
    ("slow", ("pcie_width",), (("nvmlDeviceGetCurrPcieLinkWidth",),), one),
    (
        "slow",
        ("ecc_corrected",),
        (("nvmlDeviceGetTotalEccErrors", NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_VOLATILE_ECC),),
        one,
    ),
    (
        "slow",
        ("ecc_uncorrected",),
        (("nvmlDeviceGetTotalEccErrors", NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC),),
        one,
    ),
    (
        "slow",
        ("remapped_rows",),
        (("nvmlDeviceGetRemappedRows",),),
        lambda r: (
            {"correctable": r[0], "uncorrectable": r[1], "pending": bool(r[2]), "failed": bool(r[3])},
        ),
    ),
    ("slow", ("persistence",), (("nvmlDeviceGetPersistenceMode",),), flag),
    ("slow", ("compute_mode",), (("nvmlDeviceGetComputeMode",),), lambda r: (COMPUTE_MODES.get(r, str(r)),)),
    ("slow", ("display_active",), (("nvmlDeviceGetDisplayActive",),), flag),
    ("once", ("pcie_gen_max",), (("nvmlDeviceGetMaxPcieLinkGeneration",),), one),
    ("once", ("pcie_width_max",), (("nvmlDeviceGetMaxPcieLinkWidth",),), one),
    ("once", ("clock_sm_max",), (("nvmlDeviceGetMaxClockInfo", NVML_CLOCK_SM),), one),
    ("once", ("clock_memory_max",), (("nvmlDeviceGetMaxClockInfo", NVML_CLOCK_MEM),), one),
    (
        "once",
        ("temperature_shutdown",),
        (("nvmlDeviceGetTemperatureThreshold", NVML_TEMPERATURE_THRESHOLD_SHUTDOWN),),
        one,
    ),
    (
        "once",
        ("temperature_slowdown",),
        (("nvmlDeviceGetTemperatureThreshold", NVML_TEMPERATURE_THRESHOLD_SLOWDOWN),),
        one,
    ),
    ("rare", ("retired_pages",), (("retired",),), one),
)


def address(handle: Any) -> int | None:
    """Return the address in an NVML handle; pynvml makes a new object each time."""
    return ctypes.cast(handle, ctypes.c_void_p).value


class OldProcess(ctypes.Structure):
    """An entry of the process list of drivers before 450."""

    _fields_ = [("pid", ctypes.c_uint), ("usedGpuMemory", ctypes.c_ulonglong)]


class NvmlCalls:
    """Calls NVML by the first name that this driver supports, and classifies its errors."""

    def __init__(self, module: ModuleType) -> None:
        self.n = module
        self.errors: tuple[type[Exception], ...] = tuple(
            kind
            for kind in (
                getattr(module, "NVMLError", None),
                getattr(module, "NVMLLibraryMismatchError", None),
            )
            if isinstance(kind, type) and issubclass(kind, Exception)
        )
        self.doing = ""
        """The running call, which is named when the driver hangs."""
        self.chosen: dict[tuple[tuple[object, ...], ...], int] = {}

    def text(self, value: object) -> str:
        """Return NVML's text; old modules return bytes."""
        return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))[:NAME_LIMIT]

    def code(self, error: BaseException) -> int:
        """Return NVML's number for an error."""
        value = getattr(error, "value", None)
        # pynvml's own error about a driver that is too old has no number.
        return value if isinstance(value, int) else NVML_ERROR_FUNCTION_NOT_FOUND

    def check(self, code: int) -> None:
        """Raise NVML's error unless a return code means success."""
        if code:
            raise self.errors[0](code)

    def call(self, calls: tuple[tuple[object, ...], ...], handle: object) -> object:
        """Return the answer of the first call that this driver supports; raises NVML's errors."""
        last: BaseException | None = None
        for place in range(self.chosen.get(calls, 0), len(calls)):
            name = str(calls[place][0])
            self.doing = name
            function = getattr(self.n, OWN.get(name, name), None)
            if function is None:
                continue
            try:
                if name == "field":
                    answer = self.field(handle, calls[place][1])
                elif name == "retired":
                    answer = sum(len(function(handle, cause)) for cause in RETIREMENT_CAUSES)
                else:
                    answer = function(handle, *calls[place][1:])
            except self.errors as error:
                if self.code(error) not in OLD_DRIVER:
                    raise
                last = error
                continue
            self.chosen[calls] = place
            return answer
        raise last if last is not None else self.errors[0](NVML_ERROR_FUNCTION_NOT_FOUND)

    def maybe(self, name: str, *arguments: object) -> object:
        """Return the answer of a call, or None."""
        function = getattr(self.n, name, None)
        if function is None:
            return None
        self.doing = name
        try:
            answer = function(*arguments)
        except self.errors:
            return None
        return self.text(answer) if isinstance(answer, (str, bytes)) else answer

    def field(self, handle: object, number: object) -> object:
        """Return one of NVML's numbered field values."""
        value = self.n.nvmlDeviceGetFieldValues(handle, [number])[0]
        self.check(value.nvmlReturn)
        kind = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal")
        return getattr(value.value, kind[value.valueType if value.valueType < len(kind) else 1])
