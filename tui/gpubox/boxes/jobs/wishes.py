"""What people write for a job, understood: a command line, GPUs, durations, variables."""

from __future__ import annotations

import re
import secrets
import shlex
import time
from collections.abc import Mapping, Sequence

from gpubox.core.errors import ConfigError
from gpubox.core.job import GpuWish
from gpubox.core.record import GpuPlace
from gpubox.core.text import clean

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""What an id's end is made of: nothing that is mistaken for something else when read aloud."""
_SHELL = re.compile(r"[|&;<>()$`\\!*?\[\]{}~#\n]|^\s*[A-Za-z_]\w*=")
"""Signs outside of quotes that plain words have no use for, and an assignment in front."""
_SECRET = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|SECRETS|PASSWORD|PASSWD|PASS|PASSPHRASE|PWD|KEY|APIKEY|CREDENTIAL|CREDENTIALS|"
    r"AUTH|COOKIE|DSN)(?:$|_)"
)
_NOT_SECRET = frozenset({"PWD", "OLDPWD"})
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+(?:\.\d+)?)s?)?")
_UUID = re.compile(r"(?:GPU|MIG)-[0-9A-Za-z/-]{4,}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def new_id(now: float | None = None) -> str:
    """Return an id that sorts by time: `20261123-124501-k3xq`; `now` in seconds since the epoch."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(time.time() if now is None else now))
    return f"{stamp}-{''.join(secrets.choice(_LETTERS) for _ in range(6))}"


def argv_of(line: str) -> tuple[str, ...]:
    """Return the program and arguments that a typed line means.

    Plain words are taken as they are, so that signals and exit codes are the program's own; what needs a
    shell goes to `/bin/sh -c`. Raises ConfigError for an empty line and for a quote that is not closed.
    """
    if not line.strip():
        raise ConfigError("No command", "Write the command that shall run")
    if "\0" in line:
        raise ConfigError("Not a command", "It holds a zero byte")
    try:
        words = tuple(shlex.split(line))
    except ValueError:
        raise ConfigError("Not a command", "A quote is not closed", "Close it, or put \\ before it") from None
    if _SHELL.search(_unquoted(line)):
        return ("/bin/sh", "-c", line)
    if not words:
        raise ConfigError("No command", "Write the command that shall run")
    return words


def _unquoted(line: str) -> str:
    """Return a line without what stands in quotes; `$` and backquotes act in double ones too."""
    line = re.sub(r"'[^']*'", "''", line)
    return re.sub(r'"([^"]*)"', lambda found: "$" if re.search(r"[$`\\]", found[1]) else '""', line)


def gpu_wish(text: str, places: Sequence[GpuPlace] = ()) -> GpuWish:
    """Return the GPUs that a word means: `2`, `#0,#1`, `0,1`, UUIDs, `none`, `any`, `all`.

    Indices and `all` are looked up in `places`, the GPUs of the box. Raises ConfigError in words.
    """
    word = text.strip().lower()
    if word in ("none", "0", "no", "cpu"):
        return GpuWish(mode="none")
    if word == "any":
        return GpuWish(mode="any")
    if word == "all":
        if not places:
            raise ConfigError("No GPU", "The box shows no GPU")
        return _chosen([place.uuid for place in places])
    if word.isdecimal():
        if len(word) > 4 or (places and int(word) > len(places)):
            raise ConfigError("Too many GPUs", f"The box has {_number(len(places))}")
        return GpuWish(mode="count", count=int(word))
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise ConfigError("No GPUs named", "Write a number, #0,#1, UUIDs, none, any or all")
    return _chosen([_uuid(name, places) for name in names])


def _chosen(uuids: Sequence[str]) -> GpuWish:
    unique = tuple(dict.fromkeys(uuids))
    return GpuWish(mode="chosen", count=len(unique), uuids=unique)


def _uuid(name: str, places: Sequence[GpuPlace]) -> str:
    index = name.removeprefix("#")
    if index.isdecimal():
        found = [place.uuid for place in places if place.index == int(index)]
        if not found:
            there = f"the box has {_number(len(places))}" if places else "the box shows no GPU"
            raise ConfigError("No such GPU", f"There is no GPU {clean(index, 8)}; {there}")
        return found[0]
    fitting = [place.uuid for place in places if place.uuid.lower().startswith(name.lower())]
    if len(fitting) == 1:
        return fitting[0]
    if not _UUID.fullmatch(name) or (places and not fitting):
        raise ConfigError(
            "No such GPU", f"{clean(name, 50)} is no GPU of the box", "Write a number, #0,#1 or UUIDs"
        )
    return name


def _number(count: int) -> str:
    return "one GPU" if count == 1 else f"{count} GPUs" if count else "no GPU"


def duration(text: str) -> float:
    """Return the seconds that `90`, `10m`, `2h30m`, `1d`, `1:30:00` mean; raises ConfigError."""
    word = text.strip().lower().replace(" ", "")
    if re.fullmatch(r"\d+(?::[0-5]?\d){1,2}", word):
        seconds = 0.0
        for part in word.split(":"):
            seconds = 60 * seconds + int(part)
    else:
        found = _DURATION.fullmatch(word)
        if not word or found is None:
            raise ConfigError(
                "Not a duration", f"{clean(text, 20)} is no duration: write 90, 10m, 2h30m or 1d"
            )
        days, hours, minutes, rest = (float(part or 0) for part in found.groups())
        seconds = 86_400 * days + 3600 * hours + 60 * minutes + rest
    if not 0 < seconds < 1e9:
        raise ConfigError("Not a duration", "It must be more than 0 seconds and less than 30 years")
    return seconds


def is_secret(name: str) -> bool:
    """Say whether a variable's name tells that its value is a secret, such as `WANDB_API_KEY`."""
    return name not in _NOT_SECRET and _SECRET.search(name.upper()) is not None


def variable(text: str) -> tuple[str, str]:
    """Return name and value of `NAME=VALUE`; raises ConfigError."""
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not _VARIABLE.fullmatch(name):
        raise ConfigError("Not a variable", f"{clean(name, 40)}: write NAME=VALUE, of letters, digits and _")
    if "\0" in value:
        raise ConfigError("Not a variable", f"The value of {name} holds a zero byte")
    return name, value


def hidden(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of variables whose values stay out of the record."""
    return tuple(name for name in environment if is_secret(name))
