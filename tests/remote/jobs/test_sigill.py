"""An illegal instruction is named by the CPU feature that it wants."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gpubox.remote.jobs import sigill
from tests.remote.jobs.box import Box
from tests.remote.jobs.test_endings import CORES, resource_allows_cores

# As GNU as assembles them; the mnemonic is beside each.
INSTRUCTIONS = [
    ("c5f458c2", ["AVX", "AVX2", "FMA"]),  # vaddps %ymm2,%ymm1,%ymm0
    ("c4e275b8c2", ["AVX", "AVX2", "FMA"]),  # vfmadd231ps %ymm2,%ymm1,%ymm0
    ("6562f1744858c2", ["AVX-512"]),  # vaddps %gs:..., %zmm1,%zmm0
    ("0f0b", []),  # ud2
    ("f20f38f1c1", []),  # crc32l %ecx,%eax
    ("90", []),  # nop
    ("", []),
]


@pytest.mark.parametrize(("code", "names"), INSTRUCTIONS)
def test_an_instruction_is_named_by_its_bytes(code: str, names: list[str]) -> None:
    assert [name for _, name in sigill.features(bytes.fromhex(code))] == names


def test_without_a_core_it_is_reported_what_the_cpu_lacks() -> None:
    words = sigill.why("", frozenset({"sse2", "avx"}))
    assert words.endswith("it lacks AVX2, FMA, AVX-512")


@pytest.mark.parametrize(
    ("pattern", "pid", "expected"),
    [
        ("core", 7, "core"),
        ("core.%p", 7, "core.7"),
        ("/var/cores/%e-%p-%t", 7, "/var/cores/*-7-*"),
        ("100%%/%p.%%", 0, "100%/*.%"),
        ("a[b]%", 1, "a[[]b]"),
    ],
)
def test_the_kernels_pattern_becomes_a_file_name(pattern: str, pid: int, expected: str) -> None:
    assert sigill._pattern(pattern, pid) == expected


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + b"\0" * 100, b"MZ" * 100])
def test_other_files_are_no_cores(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "core"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="not a core file"):
        sigill.Core(str(path))
    assert "which one is not known" in sigill.why(str(path), frozenset({"avx"}))


def compiled(folder: Path, code: str) -> Path:
    """Return a program that runs into some bytes of machine code."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    source = folder / "faulty.c"
    numbers = ",".join(f"0x{byte:02x}" for byte in bytes.fromhex(code))
    source.write_text(f'int main(void) {{ __asm__ volatile (".byte {numbers}"); return 0; }}\n')
    subprocess.run([compiler, "-o", folder / "faulty", source], check=True)
    return folder / "faulty"


needs_cores = pytest.mark.skipif(
    CORES.startswith("|") or not resource_allows_cores() or sigill.platform.machine() != "x86_64",
    reason="needs core files on disk, and a 64-bit x86 processor",
)


@needs_cores
def test_a_program_that_runs_into_a_trap_is_not_blamed_on_the_cpu(any_box: Box, tmp_path: Path) -> None:
    record = any_box.run(str(compiled(tmp_path, "0f0b")), cwd=str(tmp_path))
    assert record.ending
    assert (record.ending.signal, record.ending.core) == ("ILL", True)
    assert "ran into ud2 in faulty" in record.ending.why


@needs_cores
@pytest.mark.parametrize("line", [["./faulty"], ["sh", "-c", "./faulty; exit $?"]])
def test_the_feature_that_is_missing_is_named(any_box: Box, tmp_path: Path, line: list[str]) -> None:
    compiled(tmp_path, "c4e27dffc1")  # a vector instruction that no CPU has
    ending = any_box.run(*line, cwd=str(tmp_path)).ending
    assert ending
    assert "instruction" in ending.why
    assert ending.core_file.startswith(str(tmp_path))
    words = sigill.why(ending.core_file, frozenset({"avx"}))
    assert words == "It ran an instruction of AVX2 or FMA in faulty, which this CPU does not have"
    words = sigill.why(ending.core_file, frozenset({"avx", "avx2", "fma"}))
    assert words == "The CPU refused a vector instruction in faulty: a newer one, or the system has it off"
