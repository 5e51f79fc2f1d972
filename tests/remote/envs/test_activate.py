"""Making an environment active: what its own tool sets, scripts of packages, and what can fail."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.remote.bundles import remote
from tests.remote.envs.home import HOSTILE, Home
from tests.remote.running import pythons


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def script(env: Path, text: str, name: str = "a.sh", when: str = "activate") -> None:
    """Let a package of an environment bring a script."""
    folder = env / "etc" / "conda" / f"{when}.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


@pytest.mark.parametrize("python", pythons().values(), ids=lambda path: Path(path).name)
def test_a_conda_environment_gets_exactly_the_variables_of_conda_activate(
    tmp_path: Path, python: str
) -> None:
    home = Home(tmp_path, python)
    root = home.root()
    env = home.fill(root / "envs" / "torch")
    assert home.activated(env) == {
        **home.environment(),
        "PATH": f"{env}/bin:{root}/condabin:/usr/local/bin:/usr/bin:/bin",
        "CONDA_PREFIX": str(env),
        "CONDA_SHLVL": "1",
        "CONDA_DEFAULT_ENV": "torch",
        "CONDA_PROMPT_MODIFIER": "(torch) ",
        "CONDA_EXE": f"{root}/bin/conda",
        "CONDA_PYTHON_EXE": f"{root}/bin/python",
        "_CE_M": "",
        "_CE_CONDA": "",
    }


def test_base_is_called_base_and_one_elsewhere_by_its_folder(home: Home) -> None:
    root = home.root()
    env = home.fill(home.path / "project" / "env")
    (env / "conda-meta" / "history").write_text(f"# cmd: {root}/bin/conda create -p env\n")
    assert home.activated(root)["CONDA_DEFAULT_ENV"] == "base"
    assert home.activated(env)["CONDA_DEFAULT_ENV"] == str(env)
    assert home.activated(env)["CONDA_EXE"] == f"{root}/bin/conda"


def test_variables_of_packages_and_of_the_person_are_set_but_not_the_unset_ones(home: Home) -> None:
    env = home.fill(home.root() / "envs" / "e")
    folder = env / "etc" / "conda" / "env_vars.d"
    folder.mkdir(parents=True)
    (folder / "p.json").write_text('{"FROM_PACKAGE": "1", "BOTH": "package"}')
    (folder / "broken.json").write_text("{")
    state = {"env_vars": {"BOTH": "person", "GONE": "***unset***", "HOSTILE": "$(touch owned)\n'\""}}
    (env / "conda-meta" / "state").write_text(json.dumps(state))
    found = home.activated(env, environment={"BOTH": "before"})
    assert (found["FROM_PACKAGE"], found["BOTH"]) == ("1", "person")
    assert found["HOSTILE"] == "$(touch owned)\n'\""
    assert "GONE" not in found
    assert found["__CONDA_SHLVL_0_BOTH"] == "before"


def test_scripts_of_packages_see_the_environment_and_change_it(home: Home) -> None:
    env = home.fill(home.root() / "envs" / "e")
    script(env, 'export SECOND="$FIRST-$CONDA_DEFAULT_ENV"\n', "b.sh")
    script(env, 'export FIRST="$CONDA_PREFIX/x"\nexport LINES_="a\nb"\nunset DROPPED\necho told\n')
    script(env, "export NEVER=1\n", "c.fish")
    found = home.activated(env, environment={"DROPPED": "1", "SHLVL": "4", "BASH_ENV": "/nowhere"})
    assert found["FIRST"] == f"{env}/x"
    assert found["SECOND"] == f"{env}/x-e"
    assert found["LINES_"] == "a\nb"
    assert (found["SHLVL"], found["BASH_ENV"]) == ("4", "/nowhere")
    assert not {"DROPPED", "NEVER", "_", "__c", "__f", "OLDPWD"} & set(found)


def test_what_was_active_before_is_left_as_conda_leaves_it(home: Home) -> None:
    root = home.root()
    one, two = home.fill(root / "envs" / "one"), home.fill(root / "envs" / "two")
    script(one, "export FLAVOR=one ONLY_ONE=1\n")
    script(one, "unset FLAVOR ONLY_ONE\n", when="deactivate")
    script(two, 'export FLAVOR="two after ${FLAVOR-nothing}"\n')
    first = home.activated(one)
    second = home.activated(two, environment=first)
    assert second["PATH"] == f"{two}/bin:{root}/condabin:/usr/local/bin:/usr/bin:/bin"
    assert (second["CONDA_SHLVL"], second["CONDA_PREFIX_1"]) == ("2", str(one))
    assert second["FLAVOR"] == "two after nothing"
    assert "ONLY_ONE" not in second
    again = home.activated(one, environment=first)
    assert (again["CONDA_SHLVL"], again["PATH"]) == ("1", first["PATH"])


def test_a_venv_gets_exactly_what_its_activate_sets(home: Home) -> None:
    env = home.venv(home.path / "thesis" / ".venv")
    for kind in ("venv", "uv"):
        found = home.activated(env, kind, {"PYTHONHOME": "/wrong"})
        assert found == {
            **home.environment(),
            "PATH": f"{env}/bin:/usr/local/bin:/usr/bin:/bin",
            "VIRTUAL_ENV": str(env),
            "VIRTUAL_ENV_PROMPT": "thesis",
        }


def test_a_venv_takes_the_place_of_another(home: Home) -> None:
    one, two = home.venv(home.path / "one" / ".venv"), home.venv(home.path / "two" / ".venv")
    found = home.activated(two, "venv", home.activated(one, "venv"))
    assert found["PATH"] == f"{two}/bin:/usr/local/bin:/usr/bin:/bin"


def test_an_environment_takes_the_place_of_another_in_path(home: Home) -> None:
    root = home.root()
    one, two = home.fill(root / "envs" / "one"), home.fill(root / "envs" / "two")
    first = home.activated(one)
    path = f"/home/me/bin:{first['PATH']}"
    assert home.activated(two, environment={**first, "PATH": path})["PATH"] == path.replace(
        str(one), str(two)
    )


def test_conda_s_settings_say_what_the_prompt_shows(home: Home) -> None:
    root = home.root()
    env = home.fill(root / "envs" / "e")
    (root / ".condarc").write_text("'env_prompt': \"<{name}> \"  # short\n")
    assert home.activated(env)["CONDA_PROMPT_MODIFIER"] == "<e> "
    (home.path / ".condarc").write_text("changeps1: False\n")
    assert home.activated(env)["CONDA_PROMPT_MODIFIER"] == ""
    assert home.activated(env, environment={"CONDA_CHANGEPS1": "yes"})["CONDA_PROMPT_MODIFIER"] == "<e> "


def test_pixi_gets_its_own_variables_and_scripts(home: Home) -> None:
    env = home.fill(home.path / "game" / ".pixi" / "envs" / "default")
    (home.path / "game" / "pixi.toml").touch()
    script(env, "export SCRIPT=ran\n")
    found = home.activated(env, "pixi")
    assert found["PATH"] == f"{env}/bin:/usr/local/bin:/usr/bin:/bin"
    assert (found["CONDA_PREFIX"], found["CONDA_DEFAULT_ENV"], found["SCRIPT"]) == (str(env), "game", "ran")
    assert (found["PIXI_PROJECT_ROOT"], found["PIXI_ENVIRONMENT_NAME"]) == (
        str(home.path / "game"),
        "default",
    )
    assert found["PIXI_PROJECT_MANIFEST"] == str(home.path / "game" / "pixi.toml")


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_a_hostile_name_passes_through_its_scripts(home: Home, name: str) -> None:
    env = home.fill(home.root() / "envs" / name)
    script(env, 'export SEEN="$CONDA_DEFAULT_ENV"\n')
    found = home.activated(env)
    assert (found["SEEN"], found["CONDA_PREFIX"]) == (name, str(env))
    assert not list(home.path.rglob("owned"))


def test_a_script_that_ends_the_shell_is_named(home: Home) -> None:
    env = home.fill(home.root() / "envs" / "e")
    script(env, "exit 3\n")
    with pytest.raises(RuntimeError, match=r"status 3.*a\.sh"):
        home.activated(env)


def test_a_script_that_asks_gets_no_answer(home: Home) -> None:
    env = home.fill(home.root() / "envs" / "e")
    script(env, "read -r ANSWER; export ANSWER=${ANSWER:-none}\n")
    assert home.activated(env)["ANSWER"] == "none"


def test_what_a_script_leaves_running_does_not_hold_the_activation(home: Home) -> None:
    env = home.fill(home.root() / "envs" / "e")
    script(env, "sleep 1000 >/dev/null 2>&1 & export WELL=$!\n")
    os.kill(int(home.activated(env)["WELL"]), signal.SIGKILL)  # it still runs


def test_a_script_that_hangs_is_ended(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    env = home.fill(home.root() / "envs" / "e")
    script(env, "sleep 100\n")
    file = remote(home.program, "envs/activate.py")
    file.write_text(file.read_text().replace("SCRIPTS = 25.0", "SCRIPTS = 0.5"))
    with pytest.raises(RuntimeError, match="took longer"):
        home.activated(env)


def test_what_cannot_be_used_is_refused_in_words(home: Home) -> None:
    root = home.root()
    env = home.fill(root / "envs" / "e")
    (env / "bin" / "python").unlink()
    (env / "bin" / "python").symlink_to("/gone/python3")
    with pytest.raises(RuntimeError, match="leads to /gone/python3, which does not exist"):
        home.activated(env)
    with pytest.raises(RuntimeError, match="not there any more"):
        home.activated(root / "envs" / "never")
    os.mkdir(root / "envs" / "empty")
    with pytest.raises(RuntimeError, match="conda-meta is missing"):
        home.activated(root / "envs" / "empty")
    with pytest.raises(RuntimeError, match=r"pyvenv\.cfg is missing"):
        home.activated(env, "venv")
