"""Parses user input for a job: a command line, GPUs, durations, variables."""

from __future__ import annotations

import re
import secrets
import shlex
import time
from collections.abc import Mapping, Sequence

from gpubox.common.sensitive import secret_name, secret_value
from gpubox.core.errors import ConfigError, RemoteError
from gpubox.core.job import GpuRequest
from gpubox.core.record import GpuPlace
from gpubox.core.sanitize import clean

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Alphabet of an id's suffix: nothing that is ambiguous when read aloud."""
_SIGNS = frozenset("|&;<>()$`\\!*?[]{}~#\n\r")
"""Unquoted characters that are special to a shell; a carriage return is no blank to a shell."""
_ASSIGNMENT = re.compile(r"\s*[A-Za-z_]\w*=")
_SHELLS_OWN = frozenset({
    ".", ":", "alias", "bg", "break", "case", "cd", "command", "continue", "do", "done", "elif", "else",
    "esac", "eval", "exec", "exit", "export", "fc", "fg", "fi", "for", "function", "getopts", "hash", "if",
    "in", "jobs", "local", "read", "readonly", "return", "select", "set", "shift", "source", "then", "time",
    "times", "trap", "type", "ulimit", "umask", "unalias", "unset", "until", "wait", "while",
})  # fmt: skip
"""Shell keywords and builtins, at the beginning of a command."""
_ASSIGNED = re.compile(r"(?<![\w-])(?:--?)?([A-Za-z_][\w-]*)(?:=|\s+)(?=[^\s])")
"""Names with a value, as in an assignment or an option."""
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+(?:\.\d+)?)s?)?")
_UUID = re.compile(r"(?:GPU|MIG)-[0-9A-Za-z/-]{4,}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def new_id(now: float | None = None) -> str:
    """Return an id that sorts by time: `20261123-124501-k3xqpw`; `now` in seconds since the epoch."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(time.time() if now is None else now))
    return f"{stamp}-{''.join(secrets.choice(_LETTERS) for _ in range(6))}"


def argv_of(line: str) -> tuple[str, ...]:
    """Parse a typed line to a program and arguments.

    Plain words run without a shell, so that signals and exit codes are the program's own; shell syntax goes
    to `/bin/sh -c`. Raises ConfigError for an empty line and for an unclosed quote.
    """
    if not line.strip():
        raise ConfigError("No command", "Write the command to run")
    if "\0" in line:
        raise ConfigError("Not a command", "It holds a zero byte")
    if _for_a_shell(line):
        if not _closed(line):
            raise _open_quote()
        return ("/bin/sh", "-c", line)
    try:
        words = tuple(shlex.split(line))
    except ValueError:
        raise _open_quote() from None
    if words[0] in _SHELLS_OWN:
        return ("/bin/sh", "-c", line)
    if not words[0]:
        raise ConfigError("No command", "The line begins with an empty word")
    return words


def program_of(words: Sequence[str]) -> str:
    """Return the program that a command, or a line for a shell, searches in PATH; or nothing."""
    if len(words) == 1:
        try:
            words = [word for word in shlex.split(words[0]) if not _ASSIGNMENT.match(word)]
        except ValueError:
            return ""
    return words[0] if words and "/" not in words[0] else ""


def _open_quote() -> ConfigError:
    return ConfigError("Not a command", "A quote is not closed", "Close it, or put \\ before it")


def _closed(line: str) -> bool:
    """Return whether the quotes of a shell line are closed, as far as that can be decided without a shell.

    A comment or a here-document may contain an apostrophe.
    """
    if "\n" in line:
        return True
    try:
        shlex.split(line, comments=True)
    except ValueError as error:
        return "quotation" not in str(error)
    return True


def _for_a_shell(line: str) -> bool:
    """Return whether a shell would do more with a line than split it at blanks and remove quotes."""
    if _ASSIGNMENT.match(line):
        return True
    quote = ""
    for character in line:
        if quote:
            if character == quote:
                quote = ""
            elif quote == '"' and character in "$`\\":
                return True
        elif character in "'\"":
            quote = character
        elif character in _SIGNS:
            return True
    return False


def gpu_request(text: str, places: Sequence[GpuPlace] = ()) -> GpuRequest:
    """Return the GPUs that a word requests: `2`, `#0,#1`, `0,1`, UUIDs, `none`, `any`, `all`.

    Indices and `all` are looked up in `places`, the GPUs of the box. Raises ConfigError.
    """
    word = text.strip().lower()
    if word in ("none", "no", "cpu") or (word.isdecimal() and not word.strip("0")):
        return GpuRequest(mode="none")
    if word == "any":
        return GpuRequest(mode="any")
    if word == "all":
        if not places:
            raise ConfigError("No GPU", "The box shows no GPU")
        return _chosen([place.uuid for place in places])
    if word.isdecimal():
        if len(word) > 4 or (places and int(word) > len(places)):
            there = f"The box has {_number(len(places))}" if places else "No box has so many"
            raise ConfigError("Too many GPUs", there)
        return GpuRequest(mode="count", count=int(word))
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise ConfigError("No GPUs named", "Write a number, #0,#1, UUIDs, none, any or all")
    return _chosen([_uuid(name, places) for name in names])


def _chosen(uuids: Sequence[str]) -> GpuRequest:
    unique = tuple(dict.fromkeys(uuids))
    return GpuRequest(mode="chosen", count=len(unique), uuids=unique)


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
            "No such GPU", f"{clean(name, 50)} is not a GPU of the box", "Write a number, #0,#1 or UUIDs"
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
            seconds = 60 * seconds + float(part)
    else:
        found = _DURATION.fullmatch(word)
        if not word or found is None:
            raise ConfigError(
                "Not a duration", f"{clean(text, 20)} is not a duration: write 90, 10m, 2h30m or 1d"
            )
        days, hours, minutes, rest = (float(part or 0) for part in found.groups())
        seconds = 86_400 * days + 3600 * hours + 60 * minutes + rest
    if not 0 < seconds < 1e9:
        raise ConfigError("Not a duration", "It must be more than 0 seconds and less than 30 years")
    return seconds


def tells_secret(line: str) -> bool:
    """Return whether a command line may contain a secret: `HF_TOKEN=… train`, `train --api-key …`."""
    return any(secret_name(name) for name in _ASSIGNED.findall(line)) or any(map(secret_value, line.split()))


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
    return tuple(name for name, value in environment.items() if secret_name(name) or secret_value(value))


def secrets_needed(names: Sequence[str]) -> RemoteError:
    """Return the error for a job whose secrets were not given again; no disk has them."""
    verb = "was" if len(names) == 1 else "were"
    return RemoteError(
        "Secrets are needed",
        f"{clean(', '.join(names), 200)} {verb} not kept on the box",
        "Start it again with them: `E` in the jobs panel, or `run --secret-env`",
    )
