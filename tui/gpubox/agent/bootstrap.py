"""Starts the probe on a box: one command for any login shell, and a payload on a first visit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal
from urllib.parse import quote

from gpubox.agent import bundle, program_cache
from gpubox.config import settings
from gpubox.core.errors import CommandEnded, ConfigError, ProbeError
from gpubox.core.sanitize import clean_bytes, last_line
from gpubox.core.shell import Channel

PATIENCE = 30.0
"""Seconds for the login shell, its rc files and the search for a Python; slow homes need many."""
LATE = 15.0
"""Seconds after which a late answer is reported; shorter than the limit of a single reading."""
_NOISE_LIMIT = 1000
"""Lines of greetings that are skipped before the mark."""

# Between single quotes of any login shell: see find_python for what may not stand in here.
_SHELL = 'echo %%s SH; s=$(dd bs=1 count=%d 2>/dev/null); eval "$s"'


def program() -> bundle.Program:
    """Return the probe."""
    return bundle.program("probe", "gpubox.remote.probe.main")


def prepare() -> None:
    """Compute what every `command` needs, which takes 30 ms the first time; what fails, fails there again."""
    with suppress(ConfigError):
        bundle.folder(program())
        bundle.stub()
        plain_script()


def command(
    mark: str, probe: settings.ProbeSettings, python: str = "", environment: Mapping[str, str] = {}
) -> str:
    """Return the one line that starts the probe behind any login shell.

    `mark` is a random word that the box prints before its answer, and after any output of rc files.
    `environment` reaches the probe only, not the login shell. Raises ConfigError when `python` holds a
    character that shells disagree about.
    """
    probe_program, words = program(), _words(probe, environment)
    begin = program_cache.begin(probe_program, mark, python, _SHELL % len(plain_script()))
    script = (
        f"{begin}{program_cache.if_whole(probe_program)}echo {mark} HAVE; "
        f"{program_cache.execute(probe_program)} {words}; fi; "
        f"echo {mark} NEED; {program_cache.take(probe_program, words)}"
    )
    return f"exec sh -c '{script}' '{bundle.stub()}' {probe.interval:g}"


async def start(
    channel: Channel, mark: str, report: Callable[[ProbeError | None], None] = lambda _: None
) -> Literal["python", "sh"]:
    """Skip the output of rc files, send the probe if the box lacks it, and return which probe runs.

    `report` is called when the answer is late, and with None when it arrives after all.

    Raises ProbeError when no mark comes: a login shell that refuses commands, no `sh`, a disk that hangs.
    """
    noise: list[bytes] = []
    word = mark.encode()
    late = asyncio.get_running_loop().call_later(LATE, lambda: report(_silent(LATE, noise)))
    try:
        async with asyncio.timeout(PATIENCE):
            for _ in range(_NOISE_LIMIT):
                line = await channel.read_line(4096)
                if not line:
                    raise await _no_answer(channel, noise)
                if line.startswith(word + b" "):
                    if asyncio.get_running_loop().time() >= late.when():
                        report(None)
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
    """Return why the probe's channel ended."""
    try:
        async with asyncio.timeout(5):
            status = (await channel.wait()).status
    except TimeoutError:
        status = None
    said = last_line(await channel.read_stderr())
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


def payload() -> bytes:
    """Return the payload for a first visit; see bundle.payload."""
    return bundle.payload(program())


def plain_script() -> bytes:
    """Return the probe for a box without Python, as sh reads it."""
    return bundle.payload(bundle.program("plain", "plain.sh", interpreter="sh"))


def _words(probe: settings.ProbeSettings, environment: Mapping[str, str]) -> str:
    """Return the probe's arguments, made of characters that no shell acts on."""
    words = [
        f"interval={probe.interval:g}",
        f"top={probe.top_processes}",
        f"commands={int(probe.command_lines)}",
        "pack=1",
    ]
    words += [f"env:{quote(name)}={quote(value)}" for name, value in environment.items()]
    return " ".join(words)


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
