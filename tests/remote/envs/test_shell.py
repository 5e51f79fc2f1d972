"""Login shells in real terminals with an environment active, whatever their start files do."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.components.parts import program
from tests.remote.envs.home import HOSTILE, Home
from tests.terminal import opened

SHELLS = ("bash", "zsh", "fish", "tcsh", "dash")

# What `conda init` leaves, with conda's own answer put in its place: base is made active.
BASE = """\
echo start file was read
export CONDA_SHLVL=1 CONDA_PREFIX='{root}' CONDA_DEFAULT_ENV=base CONDA_PROMPT_MODIFIER='(base) '
export PATH="{root}/bin:{root}/condabin:$PATH"
"""
FISH_BASE = """\
echo start file was read
set -gx CONDA_SHLVL 1; set -gx CONDA_PREFIX '{root}'; set -gx CONDA_DEFAULT_ENV base
set -gx PATH '{root}/bin' '{root}/condabin' $PATH
"""
START = {
    "bash": (".bashrc", BASE),
    "zsh": (".zshrc", BASE),
    "fish": (".config/fish/config.fish", FISH_BASE),
    "dash": (".profile", BASE),
    "tcsh": (".tcshrc", "echo start file was read\nsource '{root}/etc/profile.d/conda.csh'\n"),
}
# Of conda 26.7.1: what its conda.csh does when `conda init` had ~/.tcshrc read it, `deactivate` shortened.
CONDA_CSH = """\
if ("`alias conda`" == "") then
    alias conda source "{root}/etc/profile.d/conda.csh"
    setenv CONDA_SHLVL 0
    if (! $?prompt) then
        set prompt=""
    endif
else
    if ("${{1}}" == "deactivate" && $CONDA_SHLVL == 1) setenv CONDA_SHLVL left
endif
"""
SCRIPTS = {
    "flavor.sh": 'export FLAVOR="of $CONDA_DEFAULT_ENV"\n',
    "flavor.fish": 'set -gx FLAVOR "of $CONDA_DEFAULT_ENV"\n',
    "flavor.csh": 'setenv FLAVOR "of "$CONDA_DEFAULT_ENV:q\n',
}
"""What a package brings for the shells that conda knows."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def prepared(home: Home, shell: str, name: str) -> Path:
    """A home whose start files make base active, and an environment with a script in activate.d."""
    root = home.root()
    env = home.fill(root / "envs" / name)
    scripts = env / "etc" / "conda" / "activate.d"
    scripts.mkdir(parents=True)
    for script, commands in SCRIPTS.items():
        (scripts / script).write_text(commands)
    (root / "etc" / "profile.d" / "conda.csh").write_text(CONDA_CSH.format(root=root))
    file, text = START[shell]
    place = home.path / file
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text.format(root=root))
    if shell == "bash":
        (home.path / ".bash_profile").write_text(". ~/.bashrc\n")
    return env


def command(home: Home, *words: str) -> list[str]:
    encoded = [quote(word, safe="/").replace("~", "%7E") for word in words]
    at_home = ["/bin/sh", "-c", 'cd && exec "$@"', "sh"]
    return [
        *at_home,
        *home.command,
        "shell",
        *encoded,
    ]


@pytest.mark.parametrize("shell", SHELLS)
async def test_the_environment_is_active_after_all_start_files(home: Home, shell: str) -> None:
    env = prepared(home, shell, "torch")
    environment = home.environment(SHELL=program(shell))
    async with opened(command(home, str(env), "conda"), environment) as terminal:
        await terminal.shows("start file was read")
        terminal.press("printenv FLAVOR; printenv PATH | cut -d: -f1 | rev; echo d''one\r")
        await terminal.shows("done", "of torch", str(env / "bin")[::-1])
        assert "GPUBOX" not in terminal.text
        terminal.press("printenv | grep -c GPUBOX_ENV; echo n''one\r")
        await terminal.shows("none")
        assert "\n0\n" in terminal.text
        terminal.press("exit 7\r")
        assert await terminal.ended() == 7


# What `conda activate torch` of conda 26.7.1 set in these shells after `conda init`, base not active.
GENUINE = {
    "PATH": "{root}/envs/torch/bin:{root}/condabin:/usr/local/bin:/usr/bin:/bin",
    "CONDA_PREFIX": "{root}/envs/torch",
    "CONDA_SHLVL": "1",
    "CONDA_DEFAULT_ENV": "torch",
    "CONDA_PROMPT_MODIFIER": "(torch) ",
    "CONDA_EXE": "{root}/bin/conda",
    "CONDA_PYTHON_EXE": "{root}/bin/python",
    "_CONDA_EXE": "{root}/bin/conda",
    "_CONDA_ROOT": "{root}",
    "PACKAGE": "1",
    "LOWER": "capital",
    "LANGUAGE": "package",
    "__CONDA_SHLVL_0_LANGUAGE": "before",
    "FLAVOR": "of torch",
}
EMPTY = {"_CE_M": "", "_CE_CONDA": ""}
SHELLS_OWN = {
    *("_", "SHLVL", "PWD", "OLDPWD", "HOST", "HOSTTYPE", "MACHTYPE", "OSTYPE", "VENDOR", "GROUP", "LOGNAME"),
    *("USER", "NLSPATH"),
}
"""What shells set by themselves."""


@pytest.mark.parametrize("shell", SHELLS)
def test_the_variables_are_those_of_conda_activate(home: Home, shell: str) -> None:
    env = prepared(home, shell, "torch")
    root = home.path / "miniconda3"
    (root / "conda-meta" / "conda-26.7.1-py311_0.json").write_text("{}")
    (env / "etc" / "conda" / "env_vars.d").mkdir()
    package = {"PACKAGE": "1", "lower": "capital", "LANGUAGE": "package", "PATH": "/reserved"}
    (env / "etc" / "conda" / "env_vars.d" / "package.json").write_text(json.dumps(package))
    (home.path / START[shell][0]).write_text("")
    environment = home.environment(SHELL=program(shell), LANGUAGE="before")
    del environment["LANG"]
    done = subprocess.run(
        command(home, str(env), "conda", "env -0"),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=environment,
        check=True,
    )
    found = dict(part.split("=", 1) for part in done.stdout.decode().split("\0") if part)
    expected = {name: value.format(root=root) for name, value in GENUINE.items()}
    expected |= {} if shell in ("tcsh", "fish") else EMPTY
    own = SHELLS_OWN | ({"LC_CTYPE"} if shell == "fish" else set())
    assert {name: value for name, value in found.items() if name not in own} == environment | expected


async def test_conda_deactivate_finds_what_conda_s_start_file_would_have_left(home: Home) -> None:
    env = prepared(home, "tcsh", "torch")
    environment = home.environment(SHELL=program("tcsh"))
    (home.path / ".login").write_text("echo login was read in $HOME:q\n")
    async with opened(command(home, str(env), "conda"), environment, columns=200) as terminal:
        await terminal.shows(f"login was read in {home.path}", "(torch) ")
        terminal.press("echo level $CONDA_SHLVL in $HOME:q ~\r")
        await terminal.shows(f"level 1 in {home.path} {home.path}")
        terminal.press("conda deactivate; echo now $CONDA_SHLVL\r")
        await terminal.shows("now left")
        terminal.press("exit\r")
        await terminal.ended()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
@pytest.mark.parametrize("name", HOSTILE, ids=repr)
async def test_a_hostile_name_is_only_a_name(home: Home, shell: str, name: str) -> None:
    env = prepared(home, shell, name)
    environment = home.environment(SHELL=program(shell))
    async with opened(command(home, str(env), "conda"), environment, columns=200) as terminal:
        await terminal.shows("start file was read")
        terminal.press('printenv CONDA_PREFIX > seen; printenv FLAVOR >> seen; echo d""one\r')
        await terminal.shows("done")
        assert (home.path / "seen").read_text() == f"{env}\nof {name}\n"
        terminal.press("exit\r")
        await terminal.ended()
    assert not list(home.path.rglob("owned"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_the_prompt_shows_the_environment_and_no_more_base(home: Home, shell: str) -> None:
    env = prepared(home, shell, "torch")
    environment = home.environment(SHELL=program(shell))
    if shell != "fish":
        file = home.path / START[shell][0]
        file.write_text(file.read_text() + "PS1='(base) ready> '\n")
    async with opened(command(home, str(env), "conda"), environment) as terminal:
        await terminal.shows("(torch) ")
        assert "(base)" not in terminal.text
        terminal.press("exit\r")
        await terminal.ended()


async def test_zsh_reads_the_person_s_own_files_from_where_they_are(home: Home) -> None:
    env = prepared(home, "zsh", "torch")
    elsewhere = home.path / "my zsh"
    elsewhere.mkdir()
    (home.path / ".zshenv").write_text(f"export ZDOTDIR='{elsewhere}'\n")
    for name in (".zprofile", ".zshrc", ".zlogin"):
        (elsewhere / name).write_text(f"echo read {name} in $ZDOTDIR\n")
    environment = home.environment(SHELL=program("zsh"))
    async with opened(command(home, str(env), "conda"), environment, columns=200) as terminal:
        await terminal.shows(*(f"read {name} in {elsewhere}" for name in (".zprofile", ".zshrc", ".zlogin")))
        terminal.press("echo now $ZDOTDIR $CONDA_DEFAULT_ENV\r")
        await terminal.shows(f"now {elsewhere} torch")
        terminal.press("exit\r")
        await terminal.ended()


async def test_bash_with_nounset_in_its_start_file_survives_scripts_of_packages(home: Home) -> None:
    env = prepared(home, "bash", "torch")
    (home.path / ".bashrc").write_text("set -u\n")
    (env / "etc/conda/activate.d/flavor.sh").write_text('export FLAVOR="x$NOT_SET"\n')
    environment = home.environment(SHELL=program("bash"))
    async with opened(command(home, str(env), "conda"), environment) as terminal:
        terminal.press("echo $- $FLAVOR d''one\r")
        await terminal.shows("x done")
        assert "unbound" not in terminal.text
        terminal.press("exit\r")
        await terminal.ended()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_runs_in_the_environment_by_the_login_shell(home: Home, shell: str) -> None:
    env = home.venv(home.path / "p" / ".venv")
    done = subprocess.run(
        command(home, str(env), "venv", "printenv VIRTUAL_ENV && sh -c 'exit 3'"),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=home.environment(SHELL=program(shell)),
        check=False,
    )
    assert (done.returncode, done.stdout.decode()) == (3, f"{env}\n"), done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_a_start_file_that_activates_base_does_not_take_a_command_s_environment(
    home: Home, shell: str
) -> None:
    env = prepared(home, shell, "torch")
    if shell == "tcsh":
        (home.path / ".tcshrc").write_text("setenv CONDA_DEFAULT_ENV base; setenv CONDA_SHLVL 0\n")
    ssh = {"SSH_CLIENT": "127.0.0.1 1 2", "SSH_CONNECTION": "127.0.0.1 1 127.0.0.1 2", "SHLVL": "0"}
    done = subprocess.run(
        command(home, str(env), "conda", "printenv CONDA_DEFAULT_ENV && printenv FLAVOR && sh -c 'exit 3'"),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=home.environment(SHELL=program(shell), **ssh),
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout.decode().splitlines()[-2:] == ["torch", "of torch"]


def test_an_environment_that_went_is_reported_and_no_shell_opens(home: Home) -> None:
    done = subprocess.run(
        command(home, str(home.path / "gone"), "conda"),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=home.environment(SHELL=shutil.which("sh") or "/bin/sh"),
        check=False,
    )
    assert done.returncode == 1
    assert b"is not there any more" in done.stderr
