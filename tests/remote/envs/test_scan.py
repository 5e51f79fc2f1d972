"""Looking for environments by their files: where they may be, what each is, and what is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hang import LIMIT
from tests.remote.envs.home import HOSTILE, Home, names
from tests.remote.running import pythons


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_home_without_environments_has_none(home: Home) -> None:
    found = home.scan()
    assert (found.envs, found.roots, found.partial) == ((), (), "")


@pytest.mark.parametrize("python", pythons().values(), ids=lambda path: Path(path).name)
def test_every_python_of_the_box_can_look(tmp_path: Path, python: str) -> None:
    home = Home(tmp_path, python)
    home.fill(home.root() / "envs" / "torch")
    assert names(home.scan()) == ["base", "torch"]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (".bashrc", "__conda_setup=\"$('{root}/bin/conda' 'shell.bash' 'hook' 2> /dev/null)\""),
        (".bashrc", 'export PATH="{root}/bin:$PATH"  # conda'),
        (".bashrc", ". {root}/etc/profile.d/conda.sh"),
        (".zshrc", '        . "{root}/etc/profile.d/conda.sh"'),
        (".profile", "export MAMBA_ROOT_PREFIX='{root}';"),
        (".config/fish/config.fish", 'eval {root}/bin/conda "shell.fish" "hook" $argv | source'),
        (".config/fish/config.fish", 'set -gx MAMBA_ROOT_PREFIX "{root}"'),
        (".tcshrc", 'source "{root}/etc/profile.d/conda.csh"'),
        (".tcshrc", "setenv MAMBA_ROOT_PREFIX {root};"),
        (".xonshrc", "sys.path.append('{root}/bin/conda')"),
        (".xonshrc", '$MAMBA_ROOT_PREFIX = "{root}"'),
    ],
)
def test_roots_are_read_from_start_files_of_every_shell(home: Home, file: str, line: str) -> None:
    root = home.root("disk/odd-place")
    place = home.path / file
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"touch {home.path}/ran\n{line.format(root=root)}\n")
    assert [one.path for one in home.scan().roots] == [str(root)]
    assert not (home.path / "ran").exists()


def test_a_root_with_a_space_is_read_from_between_its_quotes(home: Home) -> None:
    root = home.root("my disk/conda here")
    (home.path / ".bashrc").write_text(f"__conda_setup=\"$('{root}/bin/conda' 'shell.bash' 'hook')\"\n")
    assert [one.path for one in home.scan().roots] == [str(root)]


def test_conda_s_own_list_and_its_settings_name_more(home: Home) -> None:
    root = home.root("far/away")
    home.fill(root / "envs" / "one")
    home.fill(home.path / "disk" / "two")
    home.fill(home.path / "flow" / "three")
    home.fill(home.path / "some" / "deep" / "down" / "there" / "four")
    (home.path / ".conda").mkdir()
    listed = (root / "envs" / "one", home.path / "some/deep/down/there/four", home.path / "gone")
    (home.path / ".conda" / "environments.txt").write_text("".join(f"{place}\n" for place in listed))
    (home.path / ".condarc").write_text("channels:\n  - x\nenvs_dirs:\n  - ~/disk  # mine\nother: 1\n")
    (home.path / ".mambarc").write_text(f"envs_dirs: ['{home.path}/flow', /nowhere]\n")
    assert names(home.scan()) == ["base", "four", "one", "three", "two"]


FORMS = {
    "block": "envs_dirs:\n- {folder}\n",
    "indented": "channels: [x]\nenvs_dirs: # mine\n\n  # more\n  -   '{folder}'  # here\nother: 1\n",
    "flow": 'envs_dirs: ["{folder}", /nowhere]\n',
    "flow of lines": "envs_dirs: [\n  /nowhere, # gone\n  {folder}\n]\nother: [a]\n",
    "quoted key": "\"envs_dirs\": [ '{folder}' ]\n",
    "other name": "envs_path:\n  - {folder}\n",
    "json": '{{"envs_dirs": ["{folder}"]}}',
}


@pytest.mark.parametrize("form", FORMS)
def test_conda_s_settings_are_read_in_every_form(home: Home, form: str) -> None:
    home.root()
    folder = home.path / "disk#1 x" / "it"
    home.fill(folder / "there")
    (home.path / ".condarc").write_text(FORMS[form].format(folder=folder))
    assert "there" in names(home.scan())


@pytest.mark.parametrize(
    "place",
    [
        *("~/.condarc", "~/.conda/.condarc", "~/.conda/condarc", "~/.conda/condarc.d/a.yml", "~/.mambarc"),
        *(
            "~/.config/conda/.condarc",
            "~/.config/conda/condarc.d/a.yaml",
            "{root}/.condarc",
            "{root}/condarc",
        ),
        *("{root}/condarc.d/a.yml", "$XDG_CONFIG_HOME/conda/condarc", "$CONDA_PREFIX/.condarc", "$CONDARC"),
        *("$CONDA_ENVS_DIRS", "$CONDA_ENVS_PATH"),
    ],
)
def test_conda_s_settings_are_read_from_every_place(home: Home, place: str) -> None:
    root = home.root()
    disk = home.path / "disk"
    home.fill(disk / "there")
    variable = place.partition("/")[0].removeprefix("$") if place.startswith("$") else ""
    environment = {}
    if variable.startswith("CONDA_ENVS"):
        environment[variable] = f"/nowhere:{disk}"
    else:
        given = home.path / ".condarc-elsewhere" / ("condarc" if place == "$CONDARC" else "")
        file = Path(place.replace(f"${variable}", str(given)).format(root=root).replace("~", str(home.path)))
        environment = {variable: str(given)} if variable else {}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("envs_dirs: [$HOME/disk]\n")
    assert "there" in names(home.scan(environment))


def test_detached_environments_of_pixi_have_the_name_of_their_project(home: Home) -> None:
    detached = home.path / ".cache" / "pixi"
    for project, environment in (("game", "default"), ("game", "cuda"), ("quiz", "default")):
        folder = home.path / "code" / project
        env = home.fill(detached / f"{project}-1234567890" / "envs" / environment)
        (folder / ".pixi").mkdir(parents=True, exist_ok=True)
        (folder / "pixi.toml").touch()
        link = folder / ".pixi" / "envs"
        if not link.is_symlink():
            link.symlink_to(env.parent)
        if project == "game":
            about = {"manifest_path": str(folder / "pixi.toml"), "environment_name": environment}
            (env / "conda-meta" / "pixi").write_text(json.dumps(about))
    found = {one.name: one for one in home.scan().envs}
    assert list(found) == ["game", "game:cuda", "quiz"]
    assert found["game:cuda"].root == str(home.path / "code" / "game")
    active = home.activated(Path(found["game"].prefix), "pixi")
    assert active["PIXI_PROJECT_MANIFEST"] == str(home.path / "code" / "game" / "pixi.toml")


def test_environments_in_projects_are_found_by_the_name_of_the_project(home: Home) -> None:
    home.venv(home.path / "thesis" / ".venv")
    home.venv(home.path / "work" / "vision" / "venv", "uv = 0.5.1")
    home.venv(home.path / ".virtualenvs" / "scratch")
    home.venv(home.path / ".cache" / "pypoetry" / "virtualenvs" / "poem-x1-py3.11", "prompt = poem-py3.11")
    home.fill(home.path / "pixels" / ".pixi" / "envs" / "default")
    home.fill(home.path / "pixels" / ".pixi" / "envs" / "cuda")
    home.venv(home.path / "a" / "b" / "c" / "d" / ".venv")
    found = {env.name: env.kind for env in home.scan().envs}
    assert found == {
        "pixels": "pixi",
        "pixels:cuda": "pixi",
        "poem-py3.11": "venv",
        "scratch": "venv",
        "thesis": "venv",
        "vision": "uv",
    }


def test_folders_of_the_settings_are_looked_through_too(home: Home, tmp_path: Path) -> None:
    home.venv(tmp_path / "data" / "far" / ".venv")
    assert names(home.scan()) == []
    assert names(home.scan(folders=[str(tmp_path / "data"), "/nowhere", "~"])) == ["far"]


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_a_hostile_name_is_data(home: Home, name: str) -> None:
    root = home.root()
    home.fill(root / "envs" / name)
    assert [env.prefix for env in home.scan().envs] == [str(root), str(root / "envs" / name)]
    assert home.named(name).broken == ""
    assert not list(home.path.rglob("owned"))


def test_a_path_that_is_not_utf_8_is_reported_as_such(home: Home) -> None:
    folder = os.fsencode(home.root() / "envs") + b"/\xff"
    os.makedirs(folder + b"/conda-meta")
    os.close(os.open(folder + b"/conda-meta/history", os.O_CREAT))
    (odd,) = [env for env in home.scan().envs if not env.base]
    assert "UTF-8" in odd.broken


def test_base_is_known_and_so_is_the_tool_that_changes_an_environment(home: Home) -> None:
    root = home.root()
    home.fill(root / "envs" / "torch")
    base, torch = home.scan().envs
    assert (base.name, base.base, torch.base) == ("base", True, False)
    assert torch.root == str(root)
    assert torch.tool == f"{root}/bin/conda"


def test_an_environment_far_from_its_root_reports_who_made_it(home: Home) -> None:
    root = home.root("far/root")
    env = home.fill(home.path / "project" / "env")
    (env / "conda-meta" / "history").write_text(f"==> x <==\n# cmd: {root}/bin/conda create -p ./env\n")
    assert home.named("project").root == str(root)


def test_a_module_system_is_named_by_its_variable(home: Home, tmp_path: Path) -> None:
    modules = tmp_path / "lmod"
    modules.mkdir()
    found = home.scan({"LMOD_PKG": str(modules), "LMOD_VERSION": "8.7.37"})
    assert found.modules == "Lmod 8.7.37"


def test_a_usual_set_is_looked_at_quickly(home: Home) -> None:
    root = home.root()
    for number in range(12):
        env = home.fill(root / "envs" / f"env{number}", {f"package{place}": "1-0" for place in range(120)})
        for place in range(60):
            home.wheel(env, f"wheel{place}", "1.0")
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from gpubox.remote.envs import scan\n"
        "took = []\n"
        "for _ in range(7):\n"
        "    begun = time.process_time(); found = scan.scan(); took.append(time.process_time() - begun)\n"
        "assert len(found['envs']) == 13, found\n"
        "print(min(took))"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(home.program)]
    done = subprocess.run(command, capture_output=True, env=home.environment(), check=True)
    assert float(done.stdout) < 0.1  # 10 ms where nothing else runs


def test_a_place_that_does_not_answer_is_left_and_named(home: Home) -> None:
    home.fill(home.root() / "envs" / "torch")
    home.venv(home.path / ".virtualenvs" / "far")
    code = (
        "import json, sys, time; sys.path.insert(0, sys.argv[1]); from gpubox.remote.envs import scan\n"
        "scan.Look._take_tool_folder = lambda self, path: time.sleep(60)\n"
        "told = scan.scan()\n"
        "print(json.dumps([told['partial'], [env['name'] for env in told['envs']]]), flush=True)\n"
        "import os; os._exit(0)"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(home.program)]
    done = subprocess.run(command, capture_output=True, env=home.environment(), check=True, timeout=LIMIT)
    text = done.stdout.decode()
    assert str(home.path / ".virtualenvs" / "far") in text
    assert '["base", "torch"]' in text
