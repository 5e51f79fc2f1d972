"""What is said of an environment: the same on the screen and on the command line."""

import pytest

from gpubox.core.env import Build, Sight


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (Build("torch", target="cuda", cuda="12.4"), "CUDA 12.4"),
        (Build("torch", target="cuda"), "CUDA"),
        (Build("torch", target="rocm"), "ROCm"),
        (Build("torch", target="cpu"), "CPU"),
        (Build("torch"), "?"),
    ],
)
def test_a_build_says_what_it_is_for(build: Build, words: str) -> None:
    assert build.built_for == words


@pytest.mark.parametrize(
    ("sight", "words"),
    [
        (Sight(1.0, sees=True, devices=("NVIDIA L4", "a\x1bb")), "It sees NVIDIA L4, a\ufffdb"),
        (Sight(1.0, sees=True), "It sees a GPU"),
        (Sight(1.0, sees=False, words="cuInit failed"), "It sees no GPU: cuInit failed"),
        (Sight(1.0), "It gave no answer"),
    ],
)
def test_an_answer_about_gpus_is_a_sentence(sight: Sight, words: str) -> None:
    assert sight.answer == words
