"""CUDA, cuDNN and the builds of frameworks against cards and drivers."""

from __future__ import annotations

import pytest

from gpubox.boxes.checks.check import Facts, Outcome
from gpubox.boxes.checks.cuda.facts import CudaFacts, CudnnCopy, LibraryFolder, Toolkit
from gpubox.boxes.checks.cuda.tables import PAIRED, below_floor, below_pair, cuda_of, runs_on, shown
from gpubox.boxes.checks.envs.facts import EnvsFacts
from gpubox.boxes.checks.gpu.facts import GpuFacts
from gpubox.core.env import Build, Env, Sight
from tests.boxes.checks.facts import judge
from tests.boxes.checks.gpu_boxes import NOW, gpus

FAILED, WARNING, HINT, OK = Outcome.FAILED, Outcome.WARNING, Outcome.HINT, Outcome.OK
UNKNOWN, NOT_HERE = Outcome.UNKNOWN, Outcome.NOT_HERE
ADA, PASCAL, VOLTA = "NVIDIA GeForce RTX 4090", "NVIDIA GeForce GTX 1080", "Tesla V100-SXM2-16GB"
BLACKWELL = "NVIDIA GeForce RTX 5090"


def torch(version: str, cuda: str, **more: str) -> Build:
    return Build("torch", version, "cuda", cuda, **more)


def cu(version: str, cuda: str) -> Build:
    """Return one of PyTorch's own wheels."""
    return torch(f"{version}+cu{cuda.replace('.', '')}", cuda)


def envs(*builds: Build, sight: Sight | None = None, partial: str = "") -> EnvsFacts:
    rows = [
        Env(f"/home/ada/env{place}", f"env{place}", "venv", builds=(build,), sight=sight)
        for place, build in enumerate(builds)
    ]
    return EnvsFacts(envs=tuple(rows), partial=partial)


def toolkit(version: str, path: str = "", *, default: bool = True, compiler: bool = True) -> Toolkit:
    return Toolkit(path or f"/usr/local/cuda-{version}", version, False, default, compiler)


NVCC = "/usr/local/cuda/bin/nvcc"


@pytest.mark.parametrize(
    ("card", "facts", "outcome", "words"),
    [
        (ADA, CudaFacts(), OK, "None is installed"),
        (ADA, CudaFacts((toolkit("12.4"),), NVCC, "12.4", True), OK, "CUDA 12.4"),
        (ADA, CudaFacts((toolkit("12.4"),), "", "", True), HINT, "does not find nvcc"),
        (ADA, CudaFacts((toolkit("12.4"),), "", "", False), OK, "CUDA 12.4"),
        (ADA, CudaFacts((toolkit("12.4", compiler=False),), "", "", True), OK, "CUDA 12.4"),
        (ADA, CudaFacts((toolkit("12.4"),), "/usr/bin/nvcc", "11.5", True), HINT, "compiles with CUDA 11.5"),
        (
            PASCAL,
            CudaFacts((toolkit("13.0"),), NVCC, "13.0", True),
            HINT,
            "cannot compile for GeForce GTX 1080",
        ),
        (VOLTA, CudaFacts((toolkit("12.9"),), NVCC, "12.9", True), OK, "CUDA 12.9"),
        (BLACKWELL, CudaFacts((toolkit("12.4"),), NVCC, "12.4", True), HINT, "12.8 is the first"),
        (BLACKWELL, CudaFacts((toolkit("12.8.1"),), NVCC, "12.8", True), OK, "CUDA 12.8.1"),
        (ADA, CudaFacts((toolkit("", "/opt/cuda"),), NVCC, "", True), OK, "CUDA ?"),
        (
            ADA,
            CudaFacts((toolkit("12.4", default=False), toolkit("13.0")), NVCC, "13.0", True),
            OK,
            "12.4, 13.0",
        ),
    ],
)
def test_toolkits_are_judged_by_the_cards(card: str, facts: CudaFacts, outcome: Outcome, words: str) -> None:
    result = judge("cuda.toolkit", gpus(card), facts)
    assert (result.outcome, words in result.text) == (outcome, True), result.text


@pytest.mark.parametrize(
    ("driver", "found", "outcome", "words"),
    [
        ("580.95.05", (), OK, "runs CUDA up to 13.0"),
        ("580.95.05", (cu("2.9.0", "13.0"), cu("2.6.0", "12.4")), OK, "2 builds"),
        ("550.163.01", (cu("2.9.0", "13.0"),), FAILED, "too old for torch in env0 (580)"),
        ("550.163.01", (cu("2.9.0", "13.0"), cu("2.6.0", "12.4")), WARNING, "too old for torch in env0"),
        ("470.256.02", (cu("2.6.0", "12.4"),), FAILED, "525.60.13"),
        ("535.247.01", (cu("2.6.0", "12.4"),), HINT, "550.54.14"),
        ("440.33.01", (cu("1.13.1", "11.7"),), FAILED, "450.80.02"),
        ("418.87", (torch("1.4.0", "10.1"),), OK, "418.87"),
        ("410.48", (torch("1.4.0", "10.1"),), FAILED, "418.39"),
        ("580.95.05", (cu("2.14.0", "13.2"),), HINT, "595.45.04"),
        ("580.95.05", (Build("jax", "0.7.2", "cuda", "13"),), OK, "580.95.05"),
        ("550.163.01", (Build("jax", "0.7.2", "cuda", "13"),), FAILED, "jax in env0"),
        ("550.163.01", (Build("torch", "2.9.0", "cpu"),), OK, "550.163.01"),
        ("580.95.05", (torch("2.9.0", ""), torch("3.0", "99.1")), OK, "580.95.05"),
    ],
)
def test_the_driver_has_to_be_new_enough_for_the_builds(
    driver: str, found: tuple[Build, ...], outcome: Outcome, words: str
) -> None:
    result = judge("cuda.driver", gpus(ADA, driver=driver), CudaFacts(), envs(*found))
    assert (result.outcome, words in result.text) == (outcome, True), result.text


def test_the_driver_has_to_be_new_enough_for_the_toolkits() -> None:
    facts = CudaFacts((toolkit("13.0"),))
    old = judge("cuda.driver", gpus(ADA, driver="550.163.01"), facts)
    assert (old.outcome, "the toolkit in /usr/local/cuda-13.0 (580)" in old.text) == (WARNING, True)
    assert judge("cuda.driver", gpus(ADA, driver="580.95.05"), facts).outcome is OK
    assert judge("cuda.driver", gpus(ADA, driver=""), facts).outcome is UNKNOWN
    assert judge("cuda.driver", gpus(ADA, platform="tegra"), facts).outcome is NOT_HERE


def copy(version: str, kind: str = "library") -> CudnnCopy:
    return CudnnCopy(f"/usr/lib/libcudnn.so.{version}", version, kind)


@pytest.mark.parametrize(
    ("card", "copies", "outcome", "words"),
    [
        (ADA, (), OK, "bring their own"),
        (ADA, (copy("9.1.0", "header"), copy("9.1.0")), OK, "cuDNN 9.1.0"),
        (ADA, (copy("9.1.0"),), OK, "cuDNN 9.1.0"),
        (ADA, (copy("9.1.0", "header"),), WARNING, "no library"),
        (ADA, (copy("8.9.7", "header"), copy("9.1.0")), WARNING, "header is cuDNN 8.9.7"),
        (ADA, (copy("9.1.0", "header"), copy("9")), OK, "cuDNN 9"),
        (ADA, (copy("8.9.7"), copy("9.1.0")), HINT, "Several versions"),
        (PASCAL, (copy("9.12.0"),), HINT, "may have no code for GeForce GTX 1080"),
        (PASCAL, (copy("9.10.2"),), OK, "9.10.2"),
    ],
)
def test_cudnn_has_to_be_of_one_piece(
    card: str, copies: tuple[CudnnCopy, ...], outcome: Outcome, words: str
) -> None:
    result = judge("cuda.cudnn", gpus(card), CudaFacts(cudnn=copies))
    assert (result.outcome, words in result.text) == (outcome, True), result.text


@pytest.mark.parametrize(
    ("build", "capability", "answer"),
    [
        (cu("2.6.0", "12.4"), "6.1", "yes"),
        (cu("2.7.1", "12.6"), "6.1", "yes"),
        (cu("2.8.0", "12.6"), "5.2", "yes"),
        (cu("2.14.1", "12.6"), "5.2", "yes"),
        (cu("2.8.0", "12.8"), "6.1", "no"),
        (cu("2.8.0", "12.8"), "7.0", "yes"),
        (cu("2.10.0", "12.8"), "7.0", "yes"),
        (cu("2.11.0", "12.8"), "7.0", "no"),
        (cu("2.11.0", "13.0"), "7.0", "no"),
        (cu("2.9.1", "13.0"), "6.1", "no"),
        (cu("2.9.1", "13.0"), "7.5", "yes"),
        (cu("2.9.1", "13.0"), "8.9", "yes"),
        (cu("2.9.1", "13.0"), "12.1", "yes"),
        (cu("2.9.1", "12.6"), "12.0", "no"),
        (cu("2.6.0", "12.4"), "12.0", "may not"),
        (cu("2.7.1", "12.8"), "12.0", "yes"),
        (cu("2.7.1", "12.8"), "6.1", "may not"),
        (cu("2.8.0", "12.9"), "12.0", "yes"),
        (cu("1.13.1", "11.7"), "3.7", "yes"),
        (cu("1.13.1", "11.7"), "8.9", "yes"),
        (cu("1.13.1", "11.7"), "9.0", "no"),
        (cu("2.0.1", "11.8"), "9.0", "yes"),
        (cu("2.6.0", "12.4"), "3.7", "no"),
        (torch("2.8.0", "12.8"), "6.1", "may not"),
        (torch("2.8.0", "13.0"), "6.1", "no"),
        (cu("2.15.0", "13.0"), "8.9", "yes"),
        (cu("2.15.0", "12.6"), "6.1", "unknown"),
        (cu("0.4.1", "9.2"), "6.1", "unknown"),
        (torch("2.8.0", ""), "6.1", "unknown"),
        (cu("2.8.0", "12.8"), "", "unknown"),
        (Build("tensorflow", "2.17.1", "cuda", "12.3"), "5.2", "no"),
        (Build("tensorflow", "2.17.1", "cuda", "12.3"), "6.1", "yes"),
        (Build("tensorflow", "2.20.0", "cuda", "12.5"), "12.0", "unknown"),
        (Build("tensorflow", "2.15.1", "cuda", "12.2"), "5.2", "yes"),
        (Build("jax", "0.7.2", "cuda", "13"), "6.1", "no"),
        (Build("jax", "0.7.2", "cuda", "13"), "7.5", "yes"),
        (Build("jax", "0.6.0", "cuda", "12"), "6.1", "yes"),
        (Build("jax", "0.6.0", "cuda", "12"), "5.0", "may not"),
        (Build("other", "1.0", "cuda", "12.4"), "6.1", "unknown"),
    ],
)
def test_builds_have_code_for_some_cards(build: Build, capability: str, answer: str) -> None:
    assert runs_on(build, capability) == answer


def test_the_table_of_wheels_is_that_of_x86() -> None:
    assert runs_on(cu("2.8.0", "12.8"), "6.1", x86=False) == "unknown"


GOOD = Sight(NOW, sees=True, devices=("GTX 1080",))


@pytest.mark.parametrize(
    ("cards", "facts", "outcome", "words"),
    [
        (ADA, envs(), NOT_HERE, "No environment"),
        (ADA, envs(partial="Its disk is slow"), UNKNOWN, "slow"),
        (ADA, envs(cu("2.9.1", "13.0")), OK, "1 build for CUDA"),
        (ADA, envs(Build("torch", "2.9.1", "cpu")), OK, "none of them for CUDA"),
        (ADA, envs(Build("torch", "2.9.1")), UNKNOWN, "do not say"),
        (PASCAL, envs(cu("2.8.0", "12.8")), FAILED, "no code for GeForce GTX 1080 (6.1)"),
        (PASCAL, envs(cu("2.8.0", "12.8"), cu("2.8.0", "12.6")), WARNING, "no code for GeForce GTX 1080"),
        (PASCAL, envs(cu("2.8.0", "12.8"), sight=GOOD), OK, "1 build"),
        (PASCAL, envs(cu("2.8.0", "12.8"), sight=Sight(NOW, sees=True, current=False)), FAILED, "no code"),
        (PASCAL, envs(cu("2.7.1", "12.8")), HINT, "may have no code"),
        (f"{PASCAL}+{ADA}", envs(cu("2.8.0", "12.8")), HINT, "one of 2 cards"),
        (ADA, envs(torch("2.9.1+cu130", "13.0", missing="nvidia-cudnn-cu13 missing")), WARNING, "cudnn"),
        ("Some Card", envs(cu("2.8.0", "12.8")), OK, "1 build"),
    ],
)
def test_frameworks_need_code_for_the_cards(
    cards: str, facts: EnvsFacts, outcome: Outcome, words: str
) -> None:
    result = judge("cuda.frameworks", gpus(*cards.split("+")), CudaFacts(machine="x86_64"), facts)
    assert (result.outcome, words in result.text) == (outcome, True), result.text


@pytest.mark.parametrize(
    ("card", "build", "step"),
    [
        (PASCAL, cu("2.8.0", "12.8"), "cu126"),
        (VOLTA, cu("2.11.0", "13.0"), "cu128"),
        (BLACKWELL, cu("2.9.1", "12.6"), "12.8 or newer"),
        ("Tesla K80", cu("2.6.0", "12.4"), "torch 2.0"),
    ],
)
def test_which_build_to_take_is_said(card: str, build: Build, step: str) -> None:
    assert step in judge("cuda.frameworks", gpus(card), envs(build)).step


CUDA = LibraryFolder("/usr/local/cuda/lib64", ("libcublas", "libcudart"))


@pytest.mark.parametrize(
    ("folders", "others", "outcome", "words"),
    [
        ((), (), OK, "has no CUDA"),
        ((CUDA,), (), HINT, "libcublas, libcudart comes before"),
        ((LibraryFolder("/opt/cudnn", ("libcudnn",)),), (envs(cu("2.9.1", "13.0")),), WARNING, "libcudnn"),
        ((LibraryFolder("/opt/cudnn", ("libcudnn",)),), (), HINT, "libcudnn"),
        (
            (LibraryFolder("/usr/local/cuda/lib64/stubs", ("libcuda",)),),
            (),
            WARNING,
            "stand-in for the driver",
        ),
        ((LibraryFolder("/usr/local/cuda-9/lib64", (), False),), (), HINT, "does not exist"),
    ],
)
def test_a_library_path_with_cuda_is_noticed(
    folders: tuple[LibraryFolder, ...], others: tuple[Facts, ...], outcome: Outcome, words: str
) -> None:
    result = judge("cuda.library-path", CudaFacts(library_path=folders, login_read=True), *others)
    assert (result.outcome, words in result.text) == (outcome, True), result.text


def test_the_numbers_of_versions_are_compared() -> None:
    assert cuda_of("12.4.1") == (12, 4)
    assert below_floor((525, 60, 13), (12, 9)) is None
    assert below_floor((525, 60, 11), (12, 0)) == (525, 60, 13)
    assert below_floor((500,), ()) is None
    assert below_pair((550, 54, 14), (12, 4)) is None
    assert shown((520, 61, 5)) == "520.61.05"
    assert list(PAIRED.values()) == sorted(PAIRED.values())


def test_hostile_names_are_shown_clean() -> None:
    evil = "x\x1b[31m\u202e\x07"
    build = Build(evil, evil, "cuda", "13.0", missing=evil)
    facts = CudaFacts(
        (Toolkit(evil, evil, compiler=True),), evil, evil, True,
        (CudnnCopy(evil, evil),), (LibraryFolder(evil, (evil,)),), evil,
    )  # fmt: skip
    scan = EnvsFacts(envs=(Env(evil, evil, "venv", builds=(build,)),))
    gpu: GpuFacts = gpus(evil, driver="550.1")
    for check in ("cuda.toolkit", "cuda.cudnn"):
        assert judge(check, gpu, facts).text.isprintable(), check
    for check in ("cuda.driver", "cuda.frameworks"):
        assert judge(check, gpu, facts, scan).text.isprintable(), check
    assert judge("cuda.library-path", facts, scan).text.isprintable()
