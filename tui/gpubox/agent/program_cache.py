"""Programs of ours that a box stores by their content: to run one again takes only a command."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from secrets import token_hex

from gpubox.agent import bundle, find_python
from gpubox.agent.bundle import STARTER, Program
from gpubox.core.errors import RemoteError
from gpubox.core.sanitize import as_bytes, last_line
from gpubox.core.shell import CommandResult, Shell

_WORD = re.compile(r"[A-Za-z0-9_./:=,@%+-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Between single quotes of any login shell: see find_python for what may not stand in here.
_FOLDER = 'f="${XDG_CACHE_HOME:-${HOME:-/dev/null}/.cache}/gpubox/%s"; '
_NONE = "echo %s NONE"
# A box without Python: the text has a length, because the rest of stdin is the program's.
_KEEP = (
    's=$(dd bs=1 count=%d 2>/dev/null); [ "${#s}" = %d ] || exit 3; '
    '( umask 077; o="${f%%/*}" t="$f.$$"; mkdir -p "$o" && mkdir "$t" && { printf %%s "$s"; echo; } >"$t/%s" '
    '&& [ "$(cat "$t/%s")" = "$s" ] && { [ ! -d "$f" ] || mv "$f" "$t.old"; } && mv "$t" "$f"; '
    'rm -rf "$t" "$t.old"; '
    'find "$o" -maxdepth 1 -mindepth 1 -type d -mtime +30 -exec rm -rf {} + ) >/dev/null 2>&1; '
)


class NoPython(RemoteError):
    """The box has no Python that runs our programs."""


async def run(
    shell: Shell,
    program: Program,
    *words: str,
    stdin: bytes = b"",
    python: str = "",
    environment: Mapping[str, str] = {},
    timeout: float = 30.0,
) -> CommandResult:
    """Run a program with a request on its stdin; the result has its output without that of rc files.

    A box that lacks the program gets it first, or each time if it cannot store it. `python` is the Python
    that the user named. `timeout` is in seconds, for each command. Raises NoPython, RemoteError when the
    program is not reached, Dropped, ConfigError for an invalid `python`, and ValueError for words that a
    shell could interpret: untrusted text belongs in `stdin`.
    """
    mark = fresh_mark()
    line = command(program, mark, words, python, environment)
    result = await shell.run(line, stdin=stdin, timeout=timeout)
    answer, out = _answer(program, result, mark)
    if answer == "NEED":
        packed = await asyncio.to_thread(bundle.payload, program)
        line = sending(program, mark, words, python, environment)
        result = await shell.run(line, stdin=packed + stdin, timeout=timeout)
        answer, out = _answer(program, result, mark)
    return replace(result, stdout=out)


def command(
    program: Program,
    mark: str,
    words: tuple[str, ...] | list[str] = (),
    python: str = "",
    environment: Mapping[str, str] = {},
) -> str:
    """Return the line that runs a stored program behind any login shell; see `ensure`.

    The box first prints a line of `mark` and a word: HAVE before it runs the program; NEED without the
    program or NONE without Python, and then ends. Raises as `run`.
    """
    return _behind(
        f"{begin(program, mark, python)}{if_whole(program)}"
        f"echo {mark} HAVE; unset s; {_exports(environment)}{execute(program, words)}; fi; echo {mark} NEED"
    )


def quiet(program: Program, words: tuple[str, ...] | list[str] = (), python: str = "") -> str:
    """Return the line that runs a program which `ensure` has stored, without any output of ours.

    For programs with a terminal, or with the stdin and stdout of the user. Raises as `run`.
    """
    return _behind(
        f"{find_python.choose_python(python)}{_FOLDER % bundle.folder(program)}{execute(program, words)}"
    )


async def ensure(shell: Shell, program: Program, python: str = "") -> str:
    """Store a program on the box if it is missing, and return its absolute folder there.

    The folder stays for at least 30 days after the last call. Raises as `run`, and RemoteError when the home
    of the box is not writable.
    """
    mark = fresh_mark()
    look = _behind(
        f"{begin(program, mark, python)}{if_whole(program)}"
        f'echo {mark} HAVE; touch "$f"; cd "$f" && pwd; exit; fi; echo {mark} NEED'
    )
    for send in (True, False):
        result = await shell.run(look, timeout=30.0)
        answer, out = _answer(program, result, mark)
        if answer == "HAVE" and result.ok:
            return out.decode("utf-8", "surrogateescape").removesuffix("\n")
        if send:
            packed = await asyncio.to_thread(bundle.payload, program)
            line = sending(program, mark, (), python, {}, only_keep=True)
            await shell.run(line, stdin=packed, timeout=30.0)
    raise RemoteError(
        "The box keeps no files of ours",
        f"The program for {program.name} could not be written to ~/.cache/gpubox of the box",
        "Look whether the home is full or read-only: `df ~; ls -ld ~/.cache`",
    )


def sending(
    program: Program,
    mark: str,
    words: tuple[str, ...] | list[str],
    python: str,
    environment: Mapping[str, str],
    *,
    only_keep: bool = False,
) -> str:
    """Return the line that reads the program from stdin, stores it if possible, and runs it; see `payload`.

    The box first prints a line of `mark` and HAVE, or NONE as with `command`. Raises as `run`.
    """
    start = f"{begin(program, mark, python)}echo {mark} HAVE; {_exports(environment)}"
    if program.interpreter == "python":
        script = take(program, plain_words(words), only_keep=only_keep)
        return f"{_behind(start + script)} '{bundle.stub()}'"
    size = len(bundle.payload(program))
    keep = _KEEP % (size, size, program.main, program.main)
    return _behind(start + keep + ("exit" if only_keep else f'set -- {plain_words(words)}; eval "$s"'))


def begin(program: Program, mark: str, python: str, without_python: str = _NONE) -> str:
    """Return the commands that find a Python ($p) and set the program's folder ($f).

    Without a Python they run `without_python`, in which %s stands for `mark`.
    """
    folder = _FOLDER % bundle.folder(program)
    if program.interpreter == "sh":
        return f"{folder}echo; "
    otherwise = f'if [ -z "$p" ]; then {without_python % mark}; exit; fi; '
    return f"{find_python.choose_python(python)}{folder}echo; {otherwise}"


def if_whole(program: Program) -> str:
    """Return the start of an `if` that holds when the program's folder is ours and complete."""
    names = " ".join(program.files)
    return f's=; for c in {names}; do [ -f "$f/$c" ] || s=$c; done; if [ -O "$f" ] && [ -z "$s" ]; then '


def execute(program: Program, words: tuple[str, ...] | list[str] = ()) -> str:
    """Return the command that execs the program in its folder."""
    if program.interpreter == "sh":
        return f'exec sh "$f/{program.main}" {plain_words(words)}'
    return f'exec "$p" {bundle.PYTHON} "$f/{STARTER}" {program.main} {plain_words(words)}'


def take(program: Program, words: str, *, only_keep: bool = False) -> str:
    """Return the command that execs a Python program from stdin; $0 must be bundle.stub()."""
    return f'exec "$p" {bundle.PYTHON} -c "$0" "$f" "$h" {"-" if only_keep else program.main} {words}'


def _behind(script: str) -> str:
    return f"exec sh -c '{script}'"


def plain_words(words: tuple[str, ...] | list[str]) -> str:
    """Return words for a command line; raises ValueError for one that a shell could interpret."""
    if bad := [word for word in words if not _WORD.fullmatch(word)]:
        raise ValueError(f"not a plain word: {bad[0]!r}")
    return " ".join(words)


def _exports(environment: Mapping[str, str]) -> str:
    """Return commands that set variables; special characters are sent in octal."""
    lines: list[str] = []
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name) or any(character < " " for character in value):
            raise ValueError(f"not a variable: {name}")
        if _WORD.fullmatch(value):
            lines.append(f"export {name}={value}; ")
        else:
            octal = "".join(f"\\0{byte:03o}" for byte in as_bytes(value))
            lines.append(f'{name}=$(printf %b "{octal}"); export {name}; ')
    return "".join(lines)


def fresh_mark() -> str:
    """Return a word that no rc file prints."""
    return f"gpubox-{token_hex(6)}"


def no_python() -> NoPython:
    """Return the error of a box without a Python that runs our programs."""
    return NoPython(
        "No Python on the box",
        "This needs Python 3.8 or newer there, and none was found",
        "Name one with `python` in the settings of the box",
    )


def _answer(program: Program, result: CommandResult, mark: str) -> tuple[str, bytes]:
    """Return HAVE or NEED, and the output after that line."""
    _, found, rest = result.stdout.partition(f"\n{mark} ".encode())
    word, _, out = rest.partition(b"\n")
    if word == b"NONE":
        raise no_python()
    if not found or word not in (b"HAVE", b"NEED"):
        said = last_line(result.stderr) or "it said nothing"
        raise RemoteError(
            "No answer from the box",
            f"It did not run the program for {program.name}: {said}",
            "The account may not be allowed to run commands: try `ssh BOX true`",
            status=result.status,
        )
    return word.decode(), out
