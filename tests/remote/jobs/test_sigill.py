"""An illegal instruction is named by the CPU feature that it wants."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gpubox.remote import sigill
from tests.remote.jobs.box import Box
from tests.remote.jobs.test_endings import CORES, resource_allows_cores

# As GNU as assembles them; the mnemonic is beside each.
INSTRUCTIONS = [
    ("0f0b", "ud2", ""),  # ud2
    ("c5f458c2", "AVX", "avx"),  # vaddps %ymm2,%ymm1,%ymm0
    ("c5f1fec2", "AVX", "avx"),  # vpaddd %xmm2,%xmm1,%xmm0
    ("c5f5fec2", "AVX2", "avx2"),  # vpaddd %ymm2,%ymm1,%ymm0
    ("c4e27d58c1", "AVX2", "avx2"),  # vpbroadcastd %xmm1,%ymm0
    ("c4e27590c2", "AVX2", "avx2"),  # vpgatherdd, by its opcode
    ("c4e3fd00c108", "AVX2", "avx2"),  # vpermq $8,%ymm1,%ymm0
    ("c4e275b8c2", "FMA", "fma"),  # vfmadd231ps %ymm2,%ymm1,%ymm0
    ("c4e27d13c1", "F16C", "f16c"),  # vcvtph2ps %xmm1,%ymm0
    ("c4e270f2c2", "BMI1", "bmi1"),  # andn %edx,%ecx,%eax
    ("c4e27bf0c108", "AVX", "avx"),  # not rorx: that is of the third map
    ("c4e37bf0c108", "BMI2", "bmi2"),  # rorx $8,%ecx,%eax
    ("62f1744858c2", "AVX-512", "avx512f"),  # vaddps %zmm2,%zmm1,%zmm0
    ("62f2754850c2", "AVX-512 VNNI", "avx512_vnni"),  # vpdpbusd %zmm2,%zmm1,%zmm0
    ("62f2764852c2", "AVX-512 BF16", "avx512_bf16"),  # vdpbf16ps %zmm2,%zmm1,%zmm0
    ("62f5744858c2", "AVX-512 FP16", "avx512_fp16"),  # vaddph %zmm2,%zmm1,%zmm0
    ("62f2774868c2", "AVX-512 VP2INTERSECT", "avx512_vp2intersect"),  # vp2intersectd %zmm2,%zmm1,%k0
    ("f20f38f1c1", "SSE4.2", "sse4_2"),  # crc32l %ecx,%eax
    ("660f3a63c10c", "SSE4.2", "sse4_2"),  # pcmpistri $12,%xmm1,%xmm0
    ("660f3837c1", "SSE4.2", "sse4_2"),  # pcmpgtq %xmm1,%xmm0
    ("660f3840c1", "SSE4.1", "sse4_1"),  # pmulld %xmm1,%xmm0
    ("0f3800c1", "SSSE3", "ssse3"),  # pshufb %mm1,%mm0
    ("f3480fb8c1", "POPCNT", "popcnt"),  # popcnt %rcx,%rax
    ("660f38dcc1", "AES", "aes"),  # aesenc %xmm1,%xmm0
    ("0fc7f0", "RDRAND", "rdrand"),  # rdrand %eax
    ("8fe97892c0", "XOP", "xop"),
    ("90", "", ""),  # nop
    ("", "", ""),
]


@pytest.mark.parametrize(("code", "name", "flag"), INSTRUCTIONS)
def test_an_instruction_is_told_by_its_bytes(code: str, name: str, flag: str) -> None:
    assert sigill.feature(bytes.fromhex(code)) == (name, flag)


def test_without_a_core_it_is_told_what_the_cpu_lacks() -> None:
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
def test_the_feature_that_is_missing_is_named(any_box: Box, tmp_path: Path) -> None:
    flags = sigill._flags()
    missing = [(code, name) for code, name, flag in INSTRUCTIONS if flag in ("avx512_fp16", "xop", "avx512f")]
    code, name = next((code, name) for code, name in missing if _lacks(name, flags))
    for line in (["./faulty"], ["sh", "-c", "./faulty; exit $?"]):
        compiled(tmp_path, code)
        record = any_box.run(*line, cwd=str(tmp_path))
        assert record.ending
        assert f"an instruction of {name} in faulty, which this CPU does not have" in record.ending.why
        assert record.ending.core_file.startswith(str(tmp_path))


def _lacks(name: str, flags: frozenset[str]) -> bool:
    return {"AVX-512": "avx512f", "XOP": "xop"}.get(name, "avx512_fp16") not in flags
