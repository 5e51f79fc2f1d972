"""Asking a box what listens on it, behind any login shell, with and without a Python there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.agent import find_python
from gpubox.boxes.services import Service, shell_facts
from gpubox.boxes.services.classify import read
from gpubox.boxes.services.collect import ask
from gpubox.commands import services
from gpubox.core.errors import ConfigError, GpuBoxError, RemoteError
from gpubox.core.shell import CommandResult
from tests.boxes.login import login, needs
from tests.boxes.scripted import ScriptedShell, refusing

NUMBERS = ("0", "22B8", "-1", "²", "1e999", "9" * 19, "9" * 400, "9" * 5000, "[" * 50_000)
SERVE = (
    "import json,os,socket,sys\n"
    "s=socket.create_server(('127.0.0.1',0)); port=s.getsockname()[1]\n"
    "told={'pid':os.getpid(),'port':port,'token':'s3cret','root_dir':'/home/ada/cats%d'%port,'base_url':'/'}\n"
    "open(os.environ['JUPYTER_RUNTIME_DIR']+'/jpserver-1.json','w').write(json.dumps(told,indent=1))\n"
    "print(port,flush=True); sys.stdin.read()"
)


class LoginShell(ScriptedShell):
    """Runs commands by a real login shell in a home of its own."""

    def __init__(self, home: Path, shell: str = "sh", **environment: str) -> None:
        super().__init__()
        self.home = home
        self.shell = shell
        self.environment = environment
        self.sent: list[int] = []

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
        self.commands.append(command)
        self.sent.append(len(stdin))
        async with login(self.home, self.shell, command, self.environment) as pipes:
            out, err = await pipes.process.communicate(stdin)
        return CommandResult(pipes.process.returncode, None, out, err)


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[int]:
    """Something like a Jupyter server, with its file in a folder that only its environment names."""
    runtime = tmp_path / "run time"
    runtime.mkdir()
    with subprocess.Popen(
        ["jupyter-lab", "-c", SERVE],
        executable=sys.executable,
        env={**os.environ, "JUPYTER_RUNTIME_DIR": str(runtime)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdout
        yield int(server.stdout.readline())
        server.kill()


async def seen(shell: LoginShell, port: int) -> Service:
    """The service on a port."""
    (service,) = [one for one in read(await ask(shell)) if one.port == port]
    return service


def as_jupyter(service: Service) -> tuple[str, str, str, bool]:
    return service.key, service.name, service.url(5), service.mine


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "tcsh", "fish"])
async def test_every_login_shell_takes_the_command(tmp_path: Path, jupyter: int, shell: str) -> None:
    service = await seen(LoginShell(tmp_path, needs(shell)), jupyter)
    name = f"jupyter-cats{jupyter}"  # its own, because the tests of another worker serve one too
    assert as_jupyter(service) == (name, "Jupyter Lab", "http://127.0.0.1:5/?token=s3cret", True)


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "tcsh", "fish"])
async def test_a_box_without_python_reports_the_same(
    tmp_path: Path, jupyter: int, shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_python = await seen(LoginShell(tmp_path), jupyter)
    monkeypatch.setattr(find_python, "choose_python", lambda _="": "p=; ")
    box = LoginShell(tmp_path, needs(shell))
    without = await seen(box, jupyter)
    assert len(box.commands) == 3, "without Python it is asked anew, and sent once"
    assert without == with_python


async def test_greetings_of_rc_files_are_passed_over(tmp_path: Path, jupyter: int) -> None:
    (tmp_path / ".zshenv").write_text("echo 'gpubox-000000000000 {\"v\": 1}'; printf 'token=none'\n")
    service = await seen(LoginShell(tmp_path, needs("zsh")), jupyter)
    assert service.token == "s3cret"


async def test_a_second_look_sends_nothing_but_a_command(tmp_path: Path) -> None:
    box = LoginShell(tmp_path)
    for _ in range(2):
        assert (await ask(box, sys.executable)).proc
    assert box.sent[0] == box.sent[2] == 0 < box.sent[1] < 8000
    assert len(box.sent) == 3


def answering(text: bytes, status: int = 0, stderr: bytes = b"") -> ScriptedShell:
    """A box that answers one text behind the mark of the command."""
    shell = ScriptedShell()

    def answer(line: str) -> CommandResult | GpuBoxError:
        mark = re.findall(r"gpubox-[0-9a-f]{12}", line)[-1].encode()
        return CommandResult(
            status, None, b"Welcome\n" + text.replace(b"MARK", b"\n" + mark + b" HAVE\n"), stderr
        )

    shell.answer = answer
    return shell


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"MARK {cut\n", "not a list of listeners"),
        (b'MARK {"listeners": 7}\n', "not a list of listeners"),
        (b'MARK {"listeners": [{"host": "x", "port": 70000}]}\n', "not a list of listeners"),
        (b"MARK \xff\n", "not a list of listeners"),
        (b"", "bash: exec: denied"),
        (b'MARK {"v": 1, "proc": false}\n', "no /proc/net/tcp"),
    ],
)
async def test_what_is_no_answer_is_reported_in_words(text: bytes, words: str) -> None:
    with pytest.raises(RemoteError) as raised:
        await ask(answering(text, 1, b"x\nbash: exec: denied\n"))
    assert words in str(raised.value)


async def test_a_secret_in_a_broken_answer_comes_into_no_error() -> None:
    with pytest.raises(RemoteError) as raised:
        await ask(answering(b'MARK {"v": 1, "jupyter": "s3cret"}\n'))
    assert "s3cret" not in f"{raised.value!r}{raised.value.__cause__!r}{raised.value.__context__!r}"


async def test_a_box_that_opens_no_channel_says_so() -> None:
    shell = ScriptedShell()
    shell.answer = refusing
    with pytest.raises(RemoteError, match="No channel"):
        await ask(shell)


async def test_a_python_that_shells_disagree_about_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be named"):
        await ask(ScriptedShell(), "/odd'path/python")


@given(st.lists(st.tuples(st.sampled_from("unthpwfjbxz"), st.text(max_size=60)), max_size=20))
def test_any_lines_of_a_box_without_python_are_read_or_passed_over(lines: list[tuple[str, str]]) -> None:
    text = "\n".join(f"{kind} {rest}" for kind, rest in lines)
    facts = shell_facts.read(text.encode())
    assert (facts is None) == (not lines)
    if facts is not None:
        read(facts)


@given(st.lists(st.tuples(st.sampled_from("uthpjb"), st.sampled_from(NUMBERS)), max_size=12))
def test_numbers_of_any_size_are_read_or_passed_over(lines: list[tuple[str, str]]) -> None:
    reported = (
        f"t 0: 0100007F:{number[:9]} 0:0 0A 0:0 00:0 0 {number} 0 {number}" if kind == "t"
        else f'{kind} {number} {{"pid":{number},"port":{number},"x":{number}}}' if kind in "jb"
        else f"{kind} {number} {number} ada python"
        for kind, number in lines
    )  # fmt: skip
    facts = shell_facts.read("\n".join(reported).encode())
    if facts is not None:
        services.rows(read(facts))


def test_lines_of_a_box_without_python_are_put_together() -> None:
    table = "0: 0100007F:22B8 0:0 0A 0:0 00:0 0 1000 0 77"
    file = json.dumps({"pid": 9, "port": 8888, "token": "t", "root_dir": "/r"})
    lines = ["u 1000", f"t {table}", "h 9 77", "h 10 77", "p 9 1000 ada jupyter-lab"]
    lines += ["w 9 python\x1f/bin/jupyter-lab\x1f", "f 9 /home/ada/it", f"j 1000 {file}", "j x {}"]
    lines += ["p 11 1000  sh"]  # it ended before its user was asked for
    facts = shell_facts.read("\n".join(lines).encode())
    assert facts is not None
    (service,) = read(facts)
    assert (service.pid, service.user, service.token, service.title) == (9, "ada", "t", "r")
