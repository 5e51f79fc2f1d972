"""Checks of software environments, by the facts of boxes as they are found."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.envs.facts import EnvsFacts, OutsideBuild, PackageCache
from gpubox.core.env import Build, Env, Root, Sight
from tests.boxes.checks.facts import judge

OK, HINT, WARNING = Outcome.OK, Outcome.HINT, Outcome.WARNING
UNKNOWN, NOT_HERE = Outcome.UNKNOWN, Outcome.NOT_HERE
G = 1 << 30
MINIFORGE = Root("/home/ann/miniforge3", "miniforge")
MINICONDA = Root("/home/ann/miniconda3", "miniconda")
UV = Root("/home/ann/.local/bin", "uv")


def env(name: str, target: Literal["cuda", "cpu", ""] = "", **more: Any) -> Env:
    """An environment with PyTorch for something, or without."""
    missing = more.pop("missing", "")
    builds = (
        (Build("torch", "2.8.0", target, "12.8" if target == "cuda" else "", missing=missing),)
        if target
        else ()
    )
    return Env(f"/home/ann/envs/{name}", name, "conda", builds=builds, **more)


def box(*envs: Env, **more: Any) -> EnvsFacts:
    """A box with a driver and some environments."""
    known: dict[str, Any] = {"roots": (MINIFORGE,), "driver": "580.95.05", "has_venv": True}
    return EnvsFacts(envs, **{**known, **more})


@pytest.mark.parametrize(
    ("facts", "outcome", "said"),
    [
        (box(env("a"), env("b")), OK, "miniforge, 2 environments"),
        (box(roots=(UV,)), OK, "uv, no environments"),
        (box(roots=(), modules="Lmod 8.7"), OK, "Lmod 8.7"),
        (box(roots=()), HINT, "only Python's own venv"),
        (box(roots=(), has_venv=False), HINT, "makes no virtual environments"),
    ],
)
def test_a_tool_for_environments_is_found(facts: EnvsFacts, outcome: Outcome, said: str) -> None:
    result = judge("envs.conda", facts)
    assert result.outcome is outcome
    assert said in result.text


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (box(), OK),
        (box(init_file=".bashrc", auto_base=True), HINT),
        (box(init_file=".bashrc", auto_base=False), OK),
        (box(path_file=".bashrc", auto_base=False), HINT),
        (box(roots=(UV,), init_file=".bashrc", auto_base=True), NOT_HERE),
    ],
)
def test_a_base_that_is_always_active_is_noticed(facts: EnvsFacts, outcome: Outcome) -> None:
    assert judge("envs.base", facts).outcome is outcome


@pytest.mark.parametrize(
    ("facts", "outcome", "value"),
    [
        (box(channels=("conda-forge",)), OK, "conda-forge"),
        (box(channels=("conda-forge", "defaults")), HINT, "mixed"),
        (box(channels=("conda-forge", "https://repo.anaconda.com/pkgs/main")), HINT, "mixed"),
        (box(channels=("conda-forge", "defaults"), channel_priority="strict"), HINT, "defaults"),
        (box(roots=(MINICONDA,)), HINT, "defaults"),
        (
            box(roots=(MINICONDA,), channels=("defaults",), default_channels=("https://m.example/main",)),
            OK,
            "defaults",
        ),
        (box(), OK, "built-in"),
        (box(roots=(UV,)), NOT_HERE, "not here"),
    ],
)
def test_mixed_channels_are_noticed(facts: EnvsFacts, outcome: Outcome, value: str) -> None:
    result = judge("envs.channels", facts)
    assert (result.outcome, result.comparable) == (outcome, value)


@pytest.mark.parametrize(
    ("caches", "outcome", "said"),
    [
        ((PackageCache("pip", "/home/ann/.cache/pip", 2 * G),), OK, "take 2.0G"),
        ((PackageCache("conda", "/m/pkgs", 30 * G, 9 * G, whole=False),), HINT, "take at least 30.0G"),
        ((PackageCache("conda", "/m/pkgs", 2 * G, 90 * G),), OK, "take 2.0G"),  # what is shared frees nothing
        ((), NOT_HERE, "No tool"),
        (None, UNKNOWN, "in time"),
    ],
)
def test_large_caches_are_noticed(
    caches: tuple[PackageCache, ...] | None, outcome: Outcome, said: str
) -> None:
    result = judge("envs.cache", box(caches=caches))
    assert result.outcome is outcome
    assert said in result.text


def test_the_largest_cache_is_to_be_cleaned_first() -> None:
    caches = (
        PackageCache("pip", "/c/pip", 5 * G),
        PackageCache("uv", "/c/uv", 30 * G),
        PackageCache("conda", "/m/pkgs", 1000),
    )
    assert judge("envs.cache", box(caches=caches)).step == "uv cache prune; pip cache purge"


SEES = Sight(1.0, sees=True, devices=("NVIDIA GeForce RTX 4090",))
BLIND = Sight(1.0, sees=False, words="CUDA driver version is insufficient")


@pytest.mark.parametrize(
    ("facts", "outcome", "said"),
    [
        (box(env("train", "cuda")), OK, "train: torch 2.8.0 for CUDA 12.8"),
        (
            box(env("a", "cuda"), env("b", "cuda", sight=SEES)),
            OK,
            "b: torch 2.8.0 for CUDA 12.8, and it sees the GPU",
        ),
        (box(env("a", "cuda", sight=BLIND)), WARNING, "driver version is insufficient"),
        (box(env("a", "cuda", sight=BLIND), env("b", "cuda")), OK, "b: torch"),
        (box(env("a", "cuda", missing="nvidia-cudnn-cu12 missing")), WARNING, "nvidia-cudnn-cu12"),
        (box(env("a", "cpu"), env("b")), HINT, "No environment"),
        (box(env("a", "cuda", broken="bin/python leads nowhere")), HINT, "No environment"),
        (box(outside=(OutsideBuild("/usr/local/lib", Build("torch", "2.8.0", "cuda")),)), OK, "Outside"),
        (box(env("train", "cuda"), driver=""), NOT_HERE, "no driver"),
    ],
)
def test_an_environment_for_the_gpu_is_found(facts: EnvsFacts, outcome: Outcome, said: str) -> None:
    result = judge("envs.gpu-env", facts)
    assert result.outcome is outcome
    assert said in result.text


@pytest.mark.parametrize(
    ("envs", "outcome"),
    [
        ((env("gpu", "cuda"), env("cpu", "cpu")), OK),
        ((env("gpu", "cuda"),), HINT),
        ((env("cpu", "cpu"),), NOT_HERE),
        ((env("gpu", "cuda"), Env("/tf", "tf", "venv", builds=(Build("tensorflow", "2.18", "cpu"),))), HINT),
    ],
)
def test_an_environment_for_the_cpu_is_looked_for(envs: tuple[Env, ...], outcome: Outcome) -> None:
    assert judge("envs.cpu-env", box(*envs)).outcome is outcome


@pytest.mark.parametrize(
    ("facts", "outcome", "said"),
    [
        (box(env("a"), env("b")), OK, "All 2 can be used"),
        (
            box(env("a", broken="bin/python leads nowhere")),
            WARNING,
            "a cannot be used: bin/python leads nowhere",
        ),
        (box(env("a", broken="x"), env("b", broken="y")), WARNING, "2 environments cannot be used: a, b"),
        (
            box(env("a", broken="Its disk does not answer"), partial="Not all was searched"),
            UNKNOWN,
            "Not all",
        ),
        (box(env("a", "cuda", missing="libcudnn missing")), HINT, "libcudnn missing"),
        (box(), NOT_HERE, "no environments"),
    ],
)
def test_broken_environments_are_named(facts: EnvsFacts, outcome: Outcome, said: str) -> None:
    result = judge("envs.broken", facts)
    assert result.outcome is outcome
    assert said in result.text


def test_hostile_names_of_environments_stay_short_and_harmless() -> None:
    bad = "\x1b]0;title\x07" + "[red]" * 200
    facts = box(Env(bad, bad, "venv", broken=bad), channels=(bad,), init_file=bad, auto_base=True)
    for check in ("broken", "channels", "base"):
        result = judge(f"envs.{check}", facts)
        assert "\x1b" not in result.text + result.step + "".join(result.details)
        assert len(result.text) < 300
