"""Questions at the terminal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.run import environment
from tests.hang import LIMIT
from tests.terminal import Terminal, opened

# Stdin and stdout are no terminal, as in `echo | gpubox-tui status BOX | jq`: the question goes to /dev/tty.
ASK = """
import asyncio, json, resource, sys
from gpubox.commands.asker import TerminalAsker
from gpubox.core.prompts import Question, QuestionKind
_, hard = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
kind = QuestionKind(sys.argv[1])
question = Question("attic", "New host key", "Is it the right one?\\nSHA256:abc", kind, "Code:",
    may_be_empty="empty" in sys.argv)
try:
    answer = asyncio.run(TerminalAsker().ask(question))
except KeyboardInterrupt:
    answer = "interrupted"
json.dump(answer, open(sys.argv[2], "w"))
json.dump(resource.getrlimit(resource.RLIMIT_CORE)[0] == 0, open(sys.argv[2] + ".forbidden", "w"))
"""


async def asked(folder: Path, kind: str, keys: str, *, until: str, more: str = "") -> tuple[object, Terminal]:
    """Ask in a terminal, type the keys when the question stands there, and return the answer."""
    out = folder / "answer.json"
    script = folder / "ask.py"
    script.write_text(ASK)
    command = [
        "sh",
        "-c",
        f"exec 9<>/dev/tty </dev/null >/dev/null 2>&1; exec {sys.executable} {script} {kind} {out} {more}",
    ]
    async with opened(command, environment()) as terminal:
        await terminal.shows("attic: New host key", "Is it the right one?", "SHA256:abc", until)
        terminal.press(keys)
        assert await terminal.ended() == 0
        assert terminal.before == terminal.after
    return json.loads(out.read_text()), terminal


@pytest.mark.parametrize(
    ("keys", "answer"),
    [("yes\r", "yes"), ("Y\r", "yes"), ("\r", "no"), ("no\r", "no"), ("yess\r", "no"), ("\x04", None)],
)
async def test_yes_must_be_said(tmp_path: Path, keys: str, answer: str | None) -> None:
    assert (await asked(tmp_path, "yes-no", keys, until="yes or no [no]:"))[0] == answer


async def test_a_code_is_read_and_may_be_seen(tmp_path: Path) -> None:
    answer, terminal = await asked(tmp_path, "text", "123456\r", until="Code:")
    assert answer == "123456"
    assert "Code: 123456" in terminal.text


async def test_a_secret_is_never_seen(tmp_path: Path) -> None:
    answer, terminal = await asked(tmp_path, "secret", "swordfish\r", until="Code:")
    assert (tmp_path / "answer.json.forbidden").read_text() == "true", "a core dump would hold it"
    assert answer == "swordfish"
    assert b"swordfish" not in terminal.raw


@pytest.mark.parametrize("kind", ["text", "secret"])
async def test_an_empty_answer_is_none(tmp_path: Path, kind: str) -> None:
    assert (await asked(tmp_path, kind, "\r", until="Code:"))[0] is None


@pytest.mark.parametrize(("keys", "answer"), [("\r", ""), ("\x04", None)])
async def test_an_empty_answer_counts_where_it_may(tmp_path: Path, keys: str, answer: str | None) -> None:
    assert (await asked(tmp_path, "secret", keys, until="Code:", more="empty"))[0] == answer


@pytest.mark.parametrize("kind", ["yes-no", "text", "secret"])
async def test_ctrl_c_leaves_at_once_with_the_terminal_as_it_was(tmp_path: Path, kind: str) -> None:
    label = "yes or no [no]:" if kind == "yes-no" else "Code:"
    assert (await asked(tmp_path, kind, "\x03", until=label))[0] == "interrupted"


def test_without_a_terminal_every_question_is_declined(tmp_path: Path) -> None:
    out = tmp_path / "answer.json"
    subprocess.run(
        [sys.executable, "-c", ASK, "yes-no", str(out)],
        stdin=subprocess.DEVNULL,
        env=environment(),
        start_new_session=True,
        timeout=LIMIT,
        check=True,
    )
    assert json.loads(out.read_text()) is None


async def test_in_the_background_every_question_is_declined(tmp_path: Path) -> None:
    out = tmp_path / "answer.json"
    (tmp_path / "ask.py").write_text(ASK)
    line = f"set -m; {sys.executable} {tmp_path / 'ask.py'} yes-no {out} & wait; echo ended"
    async with opened(["bash", "-c", line], {**os.environ, **environment()}) as terminal:
        await terminal.shows("ended")
    assert json.loads(out.read_text()) is None
