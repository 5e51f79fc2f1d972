"""Asking a box what listens on it: one command that ends by itself, by Python or by sh alone."""

from __future__ import annotations

import ast
import zlib
from functools import cache
from importlib import resources
from secrets import token_hex

import msgspec

from gpubox.boxes import ship
from gpubox.boxes.services import plain
from gpubox.boxes.services.facts import Facts
from gpubox.core.errors import RemoteError
from gpubox.core.shell import Result, Shell
from gpubox.core.text import clean_bytes

_DECODER = msgspec.json.Decoder(Facts)
_RUN = "import sys,zlib;exec(zlib.decompress(sys.stdin.buffer.read()))"
_PATIENCE = 30.0
"""Seconds for an answer: login shells with slow homes take many of them."""
_PLAIN = """exec sh -c 's=$(cat); eval "$s"' gpubox-services"""


def command(mark: str, python: str = "") -> str:
    """Return the line that runs `source()` from stdin behind any login shell, or answers SH without a Python.

    Raises ConfigError as ship.choose_python does.
    """
    choose = ship.choose_python(python)
    none = f"cat >/dev/null; echo {mark} SH; exit"
    return (
        f"""exec sh -c '{choose}echo; if [ -z "$p" ]; then {none}; fi; exec "$p" -I -S -c "{_RUN}" {mark}'"""
    )


@cache
def source() -> bytes:
    """Return the program, compressed and without its docstrings, as the command wants it on stdin."""
    text = resources.files("gpubox.remote").joinpath("services.py").read_text("utf-8")
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [part for part in node.body if not _words(part)] or [ast.Pass()]
    return zlib.compress(f"{ast.unparse(tree)}\nsys.exit(main(sys.argv[1:]))\n".encode(), 9)


def _words(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)


@cache
def _script() -> bytes:
    return resources.files("gpubox.remote").joinpath("services.sh").read_bytes()


async def ask(shell: Shell, python: str = "") -> Facts:
    """Return what listens on a box. It takes 50 ms there, and opens no connection to anything.

    Raises RemoteError when the box gives no answer that can be read, Dropped when the link ends, and
    ConfigError for a `python` that cannot be named.
    """
    mark = f"gpubox-{token_hex(6)}"
    result = await shell.run(command(mark, python), stdin=source(), timeout=_PATIENCE)
    answer = _marked(result, mark)
    if answer == b"SH":
        result = await shell.run(_PLAIN, stdin=f"mark={mark}\n".encode() + _script(), timeout=_PATIENCE)
        facts = plain.read(result.stdout, mark)
        if facts is None:
            raise _no_answer(result)
    else:
        if answer is None:
            raise _no_answer(result)
        try:
            facts = _DECODER.decode(answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # `from None`: the answer may hold tokens, and no traceback shall come near it.
            raise RemoteError(
                "Services cannot be read", "The box answered what is no list of listeners"
            ) from None
    if not facts.proc:
        raise RemoteError(
            "Services cannot be listed",
            "The box has no /proc/net/tcp, where Linux tells what listens",
            "Open a port by its number",
        )
    return facts


def _marked(result: Result, mark: str) -> bytes | None:
    head = mark.encode() + b" "
    lines = [line for line in result.stdout.splitlines() if line.startswith(head)]
    return lines[-1][len(head) :].strip() if lines else None


def _no_answer(result: Result) -> RemoteError:
    said = clean_bytes(result.stderr.strip().rpartition(b"\n")[2], 200) or "it gave no answer"
    return RemoteError(
        "No list of services",
        f"The box did not say what listens on it: {said}",
        "Open a port by its number",
        status=result.status,
    )
