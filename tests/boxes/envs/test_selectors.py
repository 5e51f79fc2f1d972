"""Which environment a word means, and what may be a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.boxes.envs.selectors import choose, root_for
from gpubox.boxes.envs.validation import split_python, valid_folder, valid_name, valid_packages, valid_text
from gpubox.core.env import Env, Root
from gpubox.core.errors import ConfigError, RemoteError
from tests.drawable import drawable

ENVS = (
    Env(prefix="/opt/conda", name="base", kind="conda", base=True),
    Env(prefix="/home/a/conda", name="base", kind="conda", base=True),
    Env(prefix="/home/a/conda/envs/torch-gpu", name="torch-gpu", kind="conda"),
    Env(prefix="/home/a/conda/envs/torch-cpu", name="torch-cpu", kind="conda"),
    Env(prefix="/home/a/conda/envs/old", name="old", kind="conda", broken="it is"),
    Env(prefix="/home/a/old/.venv", name="old", kind="venv"),
    Env(prefix="/home/a/conda/envs/-n", name="-n", kind="conda"),
)


@pytest.mark.parametrize(
    ("word", "prefix"),
    [
        ("torch-gpu", "/home/a/conda/envs/torch-gpu"),
        ("TORCH-GPU", "/home/a/conda/envs/torch-gpu"),
        ("/opt/conda", "/opt/conda"),
        ("/opt/conda/", "/opt/conda"),
        ("torch-g", "/home/a/conda/envs/torch-gpu"),
        ("cpu", "/home/a/conda/envs/torch-cpu"),
        ("~/old/.venv", "/home/a/old/.venv"),
        ("old", "/home/a/old/.venv"),
        ("-n", "/home/a/conda/envs/-n"),
    ],
)
def test_a_word_means_one_environment(word: str, prefix: str) -> None:
    assert choose(ENVS, word, "box").prefix == prefix


def test_a_name_with_a_line_s_end_is_found_as_it_is_shown() -> None:
    odd = Env("/c/envs/a\nb", "a\nb", "conda")
    assert choose([odd], "a b", "box") is odd


def test_a_word_for_several_asks_for_the_folder() -> None:
    with pytest.raises(RemoteError, match=r"torch may be .*torch-gpu, .*torch-cpu"):
        choose(ENVS, "torch", "box")
    with pytest.raises(RemoteError, match="/opt/conda, /home/a/conda"):
        choose(ENVS, "base", "box")


def test_a_word_for_none_reports_what_is_close_or_there() -> None:
    with pytest.raises(RemoteError, match="Did you mean torch-gpu"):
        choose(ENVS, "torhc-gpu", "box")
    with pytest.raises(RemoteError, match="There is base"):
        choose(ENVS, "zzz", "box")
    with pytest.raises(RemoteError, match="Create one"):
        choose((), "zzz", "box")


@given(st.text())
def test_any_word_means_one_or_is_refused_in_words_that_can_be_drawn(word: str) -> None:
    said = ""
    try:
        choose(ENVS, word, "box")
    except RemoteError as error:
        said = str(error)
    assert drawable(said)


def test_an_installation_is_chosen_by_folder_or_kind_and_uv_is_none() -> None:
    roots = (
        Root("/usr/bin", "uv", "/usr/bin/uv"),
        Root("/a", "miniforge", "/a/bin/conda", "/a/envs"),
        Root("/b", "miniconda", "/b/bin/conda", "/b/envs"),
        Root("/c", "micromamba"),
    )
    assert root_for(roots, "", "box").path == "/a"
    assert root_for(roots, "/b/", "box").path == root_for(roots, "miniconda", "box").path == "/b"
    with pytest.raises(RemoteError, match="There is /a, /b"):
        root_for(roots, "/c", "box")
    with pytest.raises(RemoteError, match="No conda on the box"):
        root_for(roots[:1], "", "box")


@pytest.mark.parametrize("name", ["torch", "tf-2.15", "a_b+c@d", "größe", "2026"])
def test_a_plain_name_is_a_name(name: str) -> None:
    assert valid_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "base", "-n", ".x", "a b", "a/b", "a:b", "a\nb", "$(x)", "{folder}", "x" * 101, "a'b", "~"]
)
def test_what_a_tool_could_misread_is_no_name(name: str) -> None:
    with pytest.raises(ConfigError):
        valid_name(name)


def test_a_folder_of_a_project_may_be_called_as_usual() -> None:
    assert valid_name(".venv", "venv") == valid_name(".venv", "uv") == ".venv"


@pytest.mark.parametrize("package", ["-r x", "--target=x", " a", "", "a\nb", "{files}"])
def test_what_is_an_option_is_no_package(package: str) -> None:
    with pytest.raises(ConfigError):
        valid_packages([package])


def test_packages_with_versions_are_packages() -> None:
    assert valid_packages(["numpy>=1.26,<2", "conda-forge::x=1=py*"]) == (
        "numpy>=1.26,<2",
        "conda-forge::x=1=py*",
    )


@pytest.mark.parametrize("folder", ["", "x", "../x", "/a:b", "/a\0b", "/{files}"])
def test_a_folder_is_full_and_can_stand_in_path(folder: str) -> None:
    with pytest.raises(ConfigError):
        valid_folder(folder)


def test_a_file_must_hold_something_and_not_too_much() -> None:
    assert valid_text("name: x") == "name: x"
    for text in ("", " \n", "x" * (1 << 20) + "x"):
        with pytest.raises(ConfigError):
            valid_text(text)


@pytest.mark.parametrize(
    ("packages", "version", "rest"),
    [
        (("python=3.11", "numpy"), "3.11", ("numpy",)),
        (("numpy", "python==3.12.1"), "3.12.1", ("numpy",)),
        (("python3.10",), "3.10", ()),
        (("python", "pythonnet"), "", ("pythonnet",)),
    ],
)
def test_the_python_among_packages_is_taken_from_the_box(
    packages: tuple[str, ...], version: str, rest: tuple[str, ...]
) -> None:
    assert split_python(packages) == (version, rest)
