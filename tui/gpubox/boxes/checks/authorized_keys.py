"""The file on the box that lists the keys of a user: where it is, and what it holds."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from secrets import token_hex

from gpubox.boxes.checks.login.facts import LoginFacts
from gpubox.boxes.context import BoxContext
from gpubox.core.errors import RemoteError
from gpubox.core.retry import connected
from gpubox.core.sanitize import as_bytes, clean, last_line

_LARGEST = 1 << 20
"""Most bytes of authorized_keys; the program of fixes changes no larger file."""
_OTHERS_WRITE = 0o022

_READ = """
file=%(file)s
case $file in '~/'*) file=$HOME/${file#??};; esac
folder=$(dirname "$file")
there=; [ -d "$folder" ] && there=yes
printf '\\n%(mark)s\\n%%s\\n%%s\\n%%s\\n' "$file" "$there" "$(id -u)"
if [ -f "$file" ]; then exec head -c %(most)d "$file"; fi
if [ -e "$file" ]; then echo "$file is no plain file" >&2; exit 1; fi
"""
"""Prints the file of keys after its place, whether its folder is there, and the number of the user."""


@dataclass(frozen=True, slots=True)
class AuthorizedKeys:
    """The file on the box whose keys sshd lets in."""

    path: str
    """Absolute."""
    text: str
    """Its content; empty when there is none."""
    folder_there: bool
    uid: int
    home: str = ""
    """The home, if others can write into it: then sshd ignores the keys."""
    home_mode: int = 0
    """The mode of that home without this."""

    def holds(self, blob: str) -> bool:
        """Return whether a key, in base64, is let in by some line."""
        lines = (line for line in self.text.split("\n") if not line.lstrip().startswith("#"))
        return any(blob in line.split() for line in lines)

    def with_line(self, line: str) -> str:
        """Return the content with one more line at its end."""
        gap = "" if not self.text or self.text.endswith("\n") else "\n"
        return f"{self.text}{gap}{line}\n"


async def read_keys(context: BoxContext, facts: LoginFacts | None) -> AuthorizedKeys:
    """Return the file that a key is added to; raises RemoteError when there is none of the user's own."""
    shell = connected(context.shell, context.name)
    mark = f"gpubox-{token_hex(6)}"
    path = _place(facts)
    words = {"file": shlex.quote(path), "mark": mark, "most": _LARGEST + 1}
    # By sh, whatever the login shell is, and from stdin: a command line can be read by everybody on the box.
    result = await shell.run("exec sh", stdin=as_bytes(_READ % words))
    _, found, out = result.stdout.partition(f"\n{mark}\n".encode())
    header = out.split(b"\n", 3)
    if not found or len(header) < 4:
        raise RemoteError("No answer from the box", "It did not run a script of ours", status=result.status)
    if not result.ok:
        raise RemoteError("authorized_keys cannot be read", last_line(result.stderr), status=result.status)
    try:
        where, folder, uid, text = (part.decode() for part in header)
    except UnicodeDecodeError:
        raise RemoteError(
            "authorized_keys is no text", f"{path} is not UTF-8", "Add the key by hand: ssh-copy-id"
        ) from None
    if len(text) > _LARGEST:
        raise RemoteError("authorized_keys cannot be changed", f"{clean(where, 200)} has more than 1 MB")
    if not where.startswith("/") or not uid.isdigit():
        raise RemoteError("authorized_keys was not found", "The box does not say where the home is")
    home, mode = _open_home(facts)
    return AuthorizedKeys(where, text, folder == "yes", int(uid), home, mode)


def _place(facts: LoginFacts | None) -> str:
    """Return where sshd looks for keys of the user; `~/` stands for the home."""
    usual = "~/.ssh/authorized_keys"
    if facts is None or not facts.home.startswith("/"):
        return usual
    paths = [file.path for file in facts.files]
    own = [path for path in paths if path.startswith(f"{facts.home.rstrip('/')}/")]
    if own:
        return own[0]
    places = ", ".join(clean(path, 120) for path in paths[:3]) or "no file"
    raise RemoteError(
        "sshd reads no keys from the home",
        f"AuthorizedKeysFile names {places}",
        "Ask whoever runs the box to add the key there",
    )


def _open_home(facts: LoginFacts | None) -> tuple[str, int]:
    """Return the home and the mode that it should have, when others can write into it; or ""."""
    if facts is None:
        return "", 0
    for one in (one for file in facts.files for one in file.paths if one.path == facts.home):
        harmless = 0o020 if facts.debian and one.own_group else 0
        if one.uid == facts.uid and one.mode & _OTHERS_WRITE & ~harmless:
            return one.path, one.mode & ~_OTHERS_WRITE
    return "", 0
