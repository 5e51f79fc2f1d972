"""The question before an environment is deleted, and what counts as its name."""

from __future__ import annotations

import pytest

from gpubox.boxes.envs import removal
from gpubox.core.env import Env


def env(name: str, packages: int | None = 12) -> Env:
    return Env(prefix=f"/envs/{name}", name=name, kind="conda", packages=packages)


@pytest.mark.parametrize(
    ("name", "typed", "yes"),
    [
        ("torch", "torch", True),
        ("torch", " torch\n", True),
        ("torch", "Torch", False),
        ("torch", "", False),
        ("torch", None, False),
        ("two\nlines", "two lines", True),
    ],
)
def test_only_the_name_confirms(name: str, typed: str | None, yes: bool) -> None:
    assert removal.confirms(env(name), typed) is yes


def test_the_question_says_what_goes_and_is_safe_to_draw() -> None:
    asked = removal.question("xub", env("torch"))
    assert (asked.title, asked.prompt) == ("Remove torch?", "Type torch to remove it:")
    assert "The environment and its 12 packages are deleted on the box" in asked.text
    assert "all that is installed in it" in removal.question("xub", env("torch", None)).text
    assert "\x1b" not in repr(removal.question("xub", env("a\x1b[31m")))
