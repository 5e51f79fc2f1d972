"""Bringing the probe to a box: one command that any login shell takes, and a payload where it is new."""

from __future__ import annotations

import ast
import asyncio
import base64
import functools
import hashlib
import importlib.util
import json
import zlib
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from gpubox.config import settings
from gpubox.core.errors import CommandEnded, ConfigError, ProbeError
from gpubox.core.sanitize import clean_bytes
from gpubox.core.shell import Channel

PATIENCE = 30.0
"""Seconds for the login shell, its rc files and the search for a Python; slow homes need many of them."""
LATE = 15.0
"""Seconds after which it is said that the answer is late; before a single reading is given up."""
_NOISE_LIMIT = 1000
"""Lines of greetings that are skipped before the mark."""

_FIND = (
    "python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 "
    "/usr/libexec/platform-python $HOME/miniconda3/bin/python $HOME/anaconda3/bin/python "
    "$HOME/miniforge3/bin/python $HOME/mambaforge/bin/python /opt/conda/bin/python python"
)

# No single quote, backslash, exclamation mark or newline may stand in here: fish, tcsh and the POSIX shells
# agree on what a quoted word is only without them. The interpreter that worked is remembered per host name,
# because homes on a network disk are shared by boxes with different Pythons, and a pyenv shim costs 50 ms.
_CHOOSE = (
    'd="${XDG_CACHE_HOME:-${HOME:-/dev/null}/.cache}/gpubox/%(key)s"; h=; p=; '
    "{ read -r h </proc/sys/kernel/hostname; } 2>/dev/null; "
    '%(choose)s{ read -r p <"$d/python.$h"; } 2>/dev/null; '
    '[ -n "$p" ] && [ -x "$p" ] || { p=; for c in %(find)s; do '
    'if "$c" -I -S -c "import sys;sys.exit(sys.version_info<(3,8))" </dev/null >/dev/null 2>&1; '
    "then p=$c; break; fi; done; }; "
)
_SCRIPT = (
    "%(chosen)secho; "
    'if [ -z "$p" ]; then echo %(mark)s SH; s=$(dd bs=1 count=%(plain)d 2>/dev/null); eval "$s"; exit; fi; '
    'if [ -O "$d" ] && [ -f "$d/run.py" ] && [ -f "$d/gpubox_probe.py" ] && [ -f "$d/pynvml.py" ]; '
    'then echo %(mark)s HAVE; exec "$p" -I -S "$d/run.py" %(words)s; fi; '
    'echo %(mark)s NEED; exec "$p" -I -S -c "$0" "$d" "$h" %(digest)s run.py %(words)s'
)


def choose_python(python: str = "") -> str:
    """Return commands of sh that leave a Python of the box in $p, or nothing in it where there is none.

    They hold no single quote, so that they may stand between two of them. The Python that the probe found is
    taken; `python` is one that the person named. Raises ConfigError when that holds a character that shells
    disagree about.
    """
    return _CHOOSE % {
        "key": hashlib.sha256(_files()).hexdigest()[:16],
        "choose": "[ 1 = 0 ] && " if python else "",
        "find": _python_word(python) if python else _FIND,
    }


def command(
    mark: str, probe: settings.ProbeSettings, python: str = "", environment: Mapping[str, str] = {}
) -> str:
    """Return the one line that starts the probe behind any login shell.

    `mark` is a random word that the box prints before its answer; whatever rc files print is before it.
    `environment` reaches the probe only, not the login shell. Raises ConfigError when `python` holds a
    character that shells disagree about.
    """
    digest = hashlib.sha256(_files()).hexdigest()
    script = _SCRIPT % {
        "chosen": choose_python(python),
        "mark": mark,
        "plain": len(plain_script()),
        "words": " ".join(_words(probe, environment)),
        "digest": digest,
    }
    return f"exec sh -c '{script}' '{stub()}' {probe.interval:g}"


async def start(
    channel: Channel, mark: str, tell: Callable[[ProbeError | None], None] = lambda _: None
) -> Literal["python", "sh"]:
    """Skip what the box prints first, send the probe if it asks for it, and say which probe runs.

    `tell` is called when the answer is late, and with None when it came all the same.

    Raises ProbeError when no mark comes: a login shell that refuses commands, no `sh`, a disk that hangs.
    """
    noise: list[bytes] = []
    word = mark.encode()
    late = asyncio.get_running_loop().call_later(LATE, lambda: tell(_silent(LATE, noise)))
    try:
        async with asyncio.timeout(PATIENCE):
            for _ in range(_NOISE_LIMIT):
                line = await channel.read_line(4096)
                if not line:
                    raise await _no_answer(channel, noise)
                if line.startswith(word + b" "):
                    if asyncio.get_running_loop().time() >= late.when():
                        tell(None)
                    return await _answer(channel, line.split()[1:])
                noise = [*noise[-20:], line]
    except CommandEnded:
        raise await _no_answer(channel, noise) from None
    except TimeoutError:
        raise _silent(PATIENCE, noise) from None
    finally:
        late.cancel()
    raise ProbeError(
        "The probe did not start",
        f"The box printed {_NOISE_LIMIT} lines and never came to the probe" + _printed(noise),
        "Look what its login shell runs for `ssh BOX true`",
    )


def _silent(seconds: float, noise: list[bytes]) -> ProbeError:
    return ProbeError(
        "The probe did not start",
        f"The box gave no answer to a command for {seconds:.0f} seconds" + _printed(noise),
        "A file such as ~/.bashrc there may start another shell (`exec fish`) or wait for words (`read`): "
        "have it do so in a terminal only. Or its home hangs. Try `ssh BOX true`",
    )


async def ended(channel: Channel) -> ProbeError:
    """Return in words why the probe's channel came to its end."""
    try:
        async with asyncio.timeout(5):
            status = (await channel.wait()).status
    except TimeoutError:
        status = None
    said = clean_bytes((await channel.read_stderr()).strip().rpartition(b"\n")[2], 200)
    text = _EXITS.get(status, f"It ended with status {status}" if status is not None else "It was killed")
    return ProbeError(
        "The probe ended",
        f"{text}: {said}" if said else text,
        "It is started again by itself",
        status=status,
    )


_EXITS: dict[int | None, str] = {
    0: "It was told to end, or heard nothing from here for 45 seconds",
    3: "The connection ended while the probe was coming over",
    4: "The probe came over damaged",
    5: "The Python of the box is too old",
    6: "Nothing here read what it wrote for 45 seconds",
    70: "It found a fault in itself",
    126: "Its Python may not be run",
    127: "Its Python is gone",
}


@functools.cache
def payload() -> bytes:
    """Return what is sent to a box on a first visit: its size in eight digits, then the files, compressed."""
    data = zlib.compress(_files(), 9)
    return b"%08d" % len(data) + data


@functools.cache
def _files() -> bytes:
    """Return the probe, NVML's Python module and a starter as JSON; their sum names the folder on the box."""
    remote = resources.files("gpubox.remote")
    files = {
        "gpubox_probe.py": remote.joinpath("probe.py").read_text("utf-8"),
        "run.py": remote.joinpath("run.py").read_text("utf-8"),
        "pynvml.py": pynvml_source(),
    }
    return json.dumps(files).encode()


@functools.cache
def plain_script() -> bytes:
    """Return the probe for a box without Python, as sh reads it: without comments and empty lines."""
    text = resources.files("gpubox.remote").joinpath("plain.sh").read_text("utf-8")
    lines = (line.strip() for line in text.splitlines())
    return ("\n".join(line for line in lines if line and not line.startswith("#")) + "\n").encode()


@functools.cache
def stub() -> str:
    """Return boot.py as one line without quotes that a shell could trip over; tcsh takes no newline."""
    source = resources.files("gpubox.remote").joinpath("boot.py").read_text("utf-8")
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            del node.body[0]
    packed = base64.b64encode(zlib.compress(ast.unparse(tree).encode(), 9)).decode()
    return f'import base64,zlib;exec(zlib.decompress(base64.b64decode("{packed}")))'


def pynvml_source() -> str:
    """Return pynvml as installed here; its license text is part of the file and travels with it."""
    spec = importlib.util.find_spec("pynvml")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "pynvml is missing here", "The package nvidia-ml-py is not installed", "Install gpubox-tui anew"
        )
    return Path(spec.origin).read_text("utf-8")


def _words(probe: settings.ProbeSettings, environment: Mapping[str, str]) -> list[str]:
    """Return the probe's arguments, made of characters that no shell acts on."""
    words = [
        f"interval={probe.interval:g}",
        f"top={probe.top_processes}",
        f"commands={int(probe.command_lines)}",
        "pack=1",
    ]
    return words + [f"env:{quote(name)}={quote(value)}" for name, value in environment.items()]


def _python_word(python: str) -> str:
    if bad := set(python) & set("'\"\\`$!\n\r"):
        raise ConfigError(
            "This Python cannot be named",
            f"`python` of the box holds {' '.join(sorted(map(repr, bad)))}",
            "Make a link to it with a plain name",
        )
    return f'"$HOME/{python[2:]}"' if python.startswith("~/") else f'"{python}"'


async def _answer(channel: Channel, words: list[bytes]) -> Literal["python", "sh"]:
    match words:
        case [b"HAVE"]:
            return "python"
        case [b"NEED"]:
            await channel.write(payload())
            return "python"
        case [b"SH"]:
            await channel.write(plain_script())
            return "sh"
        case _:
            raise ProbeError(
                "The probe did not start", f"The box answered {clean_bytes(b' '.join(words), 60)}"
            )


async def _no_answer(channel: Channel, noise: list[bytes]) -> ProbeError:
    said = (await channel.read_stderr()).strip().splitlines()[-5:]
    return ProbeError(
        "The probe did not start",
        "The box ended the command" + _printed([*noise, *said]),
        "The account may not be allowed to run commands: try `ssh BOX true`",
    )


def _printed(noise: list[bytes]) -> str:
    lines = [clean_bytes(line.strip(), 120) for line in noise if line.strip()]
    return "; it printed: " + " / ".join(lines[-5:]) if lines else " and printed nothing"
