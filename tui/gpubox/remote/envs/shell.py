"""Opens the login shell of this box with an environment activated after the shell's own start files.

A conda block in a start file activates base and overrides variables that were set before the shell starts. So
shells that can do it run `hook` last: bash by --rcfile, zsh by a ZDOTDIR of ours, fish by -C, csh by a HOME
of ours, POSIX shells by ENV. The others get plain variables. The files for this are beside this program.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys

from gpubox.remote import bundle, inherited
from gpubox.remote.envs import activate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional, Sequence

PREFIX, KIND = "GPUBOX_ENV_PREFIX", "GPUBOX_ENV_KIND"
PYTHON, PROGRAM = "GPUBOX_ENV_PYTHON", "GPUBOX_ENV_PROGRAM"
OURS = (
    *(PREFIX, KIND, PYTHON, PROGRAM, "GPUBOX_ENV_FILE", "GPUBOX_ENV_ZDOTDIR", "GPUBOX_ENV_RC"),
    *("GPUBOX_ENV_HOME", "GPUBOX_ENV_PROMPT"),
)

# The user's `set -u` or `set -e` must not affect the scripts of packages.
_ASK = """\
case $- in *u*) __gpubox_u=1 ;; *) __gpubox_u= ;; esac; set +u
case $- in *e*) __gpubox_e=1 ;; *) __gpubox_e= ;; esac; set +e
eval "$("$%s" -I -S -OO "$%s" gpubox.remote.envs.main hook {shell})"
[ -z "$__gpubox_u" ] || set -u; [ -z "$__gpubox_e" ] || set -e; unset __gpubox_u __gpubox_e
""" % (PYTHON, PROGRAM)

BASH = """\
if [ -r /etc/profile ]; then . /etc/profile; fi
if [ -r ~/.bash_profile ]; then . ~/.bash_profile
elif [ -r ~/.bash_login ]; then . ~/.bash_login
elif [ -r ~/.profile ]; then . ~/.profile
fi
""" + _ASK.format(shell="bash")

POSIX = """\
ENV=$GPUBOX_ENV_RC
if [ -n "$ENV" ] && [ -r "$ENV" ]; then export ENV; . "$ENV"; else unset ENV; fi
""" + _ASK.format(shell="sh")

# Each file for zsh reads the user's own, which may move ZDOTDIR; the last one restores everything.
_ZSH = """\
if [[ -n $GPUBOX_ENV_ZDOTDIR ]]; then ZDOTDIR=$GPUBOX_ENV_ZDOTDIR; else unset ZDOTDIR; fi
if [[ -r ${ZDOTDIR:-$HOME}/%(name)s ]]; then . "${ZDOTDIR:-$HOME}/%(name)s"; fi
%(last)s
"""
_ZSH_ON = """\
export GPUBOX_ENV_ZDOTDIR=${ZDOTDIR-}
ZDOTDIR=$GPUBOX_ENV_FILE"""

# Command substitution loses newlines in csh, so the hook names a file, which removes itself.
CSH_ASK = """\
if ( $?prompt ) setenv GPUBOX_ENV_PROMPT "$prompt"
set __gpubox = `"$%s" -I -S -OO "$%s" gpubox.remote.envs.main hook csh`
if ( "$__gpubox" != "" ) source "$__gpubox"
unset __gpubox
""" % (PYTHON, PROGRAM)

# csh has no option for a start file. It reads ~/.login last, so HOME is ours until then.
CSHRC = """\
setenv HOME "$GPUBOX_ENV_HOME"
set home = "$HOME"
if ( $?tcsh && -r ~/.tcshrc ) then
    source ~/.tcshrc
else if ( -r ~/.cshrc ) then
    source ~/.cshrc
endif
setenv HOME "$GPUBOX_ENV_FILE"
set home = "$HOME"
"""
CSH_LOGIN = (
    """\
setenv HOME "$GPUBOX_ENV_HOME"
set home = "$HOME"
if ( -r ~/.login ) source ~/.login
"""
    + CSH_ASK
)


def encoded(text: str) -> bytes:
    """Return text as bytes in the file system encoding."""
    return os.fsencode(text)


def quoted(text: str) -> str:
    """Return text as one word of bash, zsh and sh."""
    return "'%s'" % text.replace("'", "'\\''")


def fish_word(text: str) -> str:
    """Return text as one word of fish."""
    return "'%s'" % text.replace("\\", "\\\\").replace("'", "\\'")


def csh_word(text: str) -> str:
    """Return text as one word of csh, whose quotes protect neither history marks nor newlines."""
    return "'%s'" % text.replace("'", "'\\''").replace("!", "\\!").replace("\n", "\\\n")


def prompt(name: str) -> str:
    """Return a name that is safe in a prompt, where shells expand `$`, `%`, `!` and backslashes."""
    safe = re.sub(r"[^\w.+:@/ -]", "?", activate.shown(name))
    return safe[:60] or "?"


def posix_hook(prefix: str, kind: str, shell: str) -> str:
    """Return commands for bash, zsh or sh that activate an environment."""
    before = _before()
    after = activate.variables(prefix, kind, before)
    lines: List[str] = ["unset " + " ".join(OURS)]
    if kind in ("conda", "pixi") and activate.level(before) and before.get("CONDA_PREFIX"):
        lines += [". " + quoted(path) for path in activate.scripts(before["CONDA_PREFIX"], "deactivate")]
    for name, value in activate.changes(before, after):
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            lines.append("unset %s" % name if value is None else "export %s=%s" % (name, quoted(value)))
    if kind in ("conda", "pixi"):
        lines += [". " + quoted(path) for path in activate.scripts(prefix)]
    old, shown = before.get("CONDA_PROMPT_MODIFIER", ""), _shown(prefix, kind, after)
    if old:
        lines.append('case "${PS1-}" in %s*) PS1="${PS1#%s}" ;; esac' % (quoted(old), quoted(old)))
    lines.append('PS1=%s"${PS1-}"' % quoted(shown))
    if shell in ("bash", "zsh"):
        lines.append("hash -r")
    return "\n".join(lines) + "\n"


def _before() -> Dict[str, str]:
    """Return the present variables of the shell, without ours."""
    return {name: value for name, value in inherited.variables().items() if name not in OURS}


def _shown(prefix: str, kind: str, after: Dict[str, str]) -> str:
    """Return the prefix of the prompt; conda's settings may switch it off."""
    if kind == "conda" and not after.get("CONDA_PROMPT_MODIFIER"):
        return ""
    return "(%s) " % prompt(activate.name_of(prefix, kind))


def _commands(prefix: str, kind: str, shell: str, unset: str, word: Callable[[str], str]) -> List[str]:
    """Return commands for csh or fish that activate an environment, with its scripts for that shell."""
    before = _before()
    after = activate.variables(prefix, kind, before, shell)
    lines = ["%s %s" % (unset, name) for name in OURS]
    conda = kind in ("conda", "pixi")
    if conda and activate.level(before) and before.get("CONDA_PREFIX"):
        lines += [
            "source " + word(path) for path in activate.scripts(before["CONDA_PREFIX"], "deactivate", shell)
        ]
    for name, value in activate.changes(before, after):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            continue
        if value is None:
            lines.append("%s %s" % (unset, name))
        elif shell == "csh":
            lines.append("setenv %s %s" % (name, word(value)))
        else:
            parts = value.split(os.pathsep) if name == "PATH" else [value]
            lines.append("set -gx %s %s" % (name, " ".join(map(word, parts))))
    lines += ["source " + word(path) for path in activate.scripts(prefix, "activate", shell)] if conda else []
    return lines


def fish_hook(prefix: str, kind: str) -> str:
    """Return commands for fish that activate an environment."""
    lines = _commands(prefix, kind, "fish", "set -e", fish_word)
    # The prompt of `conda init` already shows the environment, even after `conda deactivate`.
    shown = _shown(prefix, kind, {"CONDA_PROMPT_MODIFIER": "shown"})
    lines += [
        "if not functions -q __conda_add_prompt; or test %s != conda" % fish_word(kind),
        "functions -q fish_prompt; and not functions -q __gpubox_prompt; and "
        "functions -c fish_prompt __gpubox_prompt",
        "function fish_prompt; echo -n %s; functions -q __gpubox_prompt; and __gpubox_prompt; end"
        % fish_word(shown),
        "end",
    ]
    return "\n".join(lines) + "\n"


def csh_hook(prefix: str, kind: str) -> str:
    """Return a file with commands for csh that activate an environment and remove the file."""
    import tempfile

    lines = _commands(prefix, kind, "csh", "unsetenv", csh_word)
    prompted = os.environ.get("GPUBOX_ENV_PROMPT")
    if prompted is not None:
        old = os.environ.get("CONDA_PROMPT_MODIFIER", "")
        rest = prompted[len(old) :] if old and prompted.startswith(old) else prompted
        shown = "(%s) " % prompt(activate.name_of(prefix, kind)).replace("%", "%%")
        lines.append("set prompt = " + csh_word(shown + rest))
    handle, path = tempfile.mkstemp(prefix="gpubox-env-")
    lines += ["rehash", "rm -f " + csh_word(path)]
    with open(handle, "wb") as file:
        file.write(encoded("\n".join(lines) + "\n"))
    return path


def hook(shell: str) -> int:
    """Print the commands that a shell runs last; after a failure, reported on stderr, it starts without."""
    prefix, kind = os.environ.get(PREFIX, ""), os.environ.get(KIND, "conda")
    try:
        hooks = {"fish": fish_hook, "csh": csh_hook}
        text = hooks[shell](prefix, kind) if shell in hooks else posix_hook(prefix, kind, shell)
    except (activate.ActivationError, OSError) as error:
        sys.stderr.write("gpubox: %s\n" % error)
        return 1
    sys.stdout.buffer.write(encoded(text))
    sys.stdout.flush()
    return 0


def login_shell() -> str:
    """Return the login shell of this user."""
    shell = os.environ.get("SHELL", "")
    if not os.access(shell, os.X_OK):
        with contextlib.suppress(KeyError, ImportError):
            import pwd

            shell = pwd.getpwuid(os.getuid()).pw_shell
    return shell if os.access(shell, os.X_OK) else "/bin/sh"


def place(files: Dict[str, str]) -> str:
    """Return a folder with these files: beside this program, else a temporary one."""
    for folder in (bundle.ROOT + "/shell", ""):
        with contextlib.suppress(OSError):
            import tempfile

            folder = folder or tempfile.mkdtemp(prefix="gpubox-shell-")
            if not os.path.isdir(folder):
                os.mkdir(folder, 0o700)
            for name, text in files.items():
                path = "%s/%s" % (folder, name)
                if activate.read(path) == text:
                    continue
                fresh = "%s.%d" % (path, os.getpid())
                with open(fresh, "w") as file:
                    file.write(text)
                os.rename(fresh, path)
            return folder
    raise activate.ActivationError(
        "No file can be written for the shell: the home and /tmp are full or read-only"
    )


def _bash(shell: str, environment: Dict[str, str]) -> List[str]:
    return [shell, "--rcfile", place({"bashrc": BASH}) + "/bashrc", "-i"]


def _zsh(shell: str, environment: Dict[str, str]) -> List[str]:
    names = (".zshenv", ".zprofile", ".zshrc", ".zlogin")
    files = {name: _ZSH % {"name": name, "last": _ZSH_ON} for name in names[:-1]}
    files[".zlogin"] = _ZSH % {"name": ".zlogin", "last": _ASK.format(shell="zsh")}
    folder = place(files)
    environment.update(
        GPUBOX_ENV_ZDOTDIR=environment.get("ZDOTDIR", ""), ZDOTDIR=folder, GPUBOX_ENV_FILE=folder
    )
    return [shell, "-l", "-i"]


_FISH = "$%s -I -S -OO $%s gpubox.remote.envs.main hook fish | source" % (PYTHON, PROGRAM)


def _fish(shell: str, environment: Dict[str, str]) -> List[str]:
    return [shell, "-l", "-i", "-C", _FISH]


def _posix(shell: str, environment: Dict[str, str]) -> List[str]:
    environment.update(GPUBOX_ENV_RC=environment.get("ENV", ""), ENV=place({"envrc": POSIX}) + "/envrc")
    return ["-" + os.path.basename(shell), "-i"]


def _csh(shell: str, environment: Dict[str, str]) -> List[str]:
    folder = place({".tcshrc": CSHRC, ".cshrc": CSHRC, ".login": CSH_LOGIN})
    home = environment.get("HOME", "") or os.path.expanduser("~")
    environment.update(GPUBOX_ENV_HOME=home, GPUBOX_ENV_FILE=folder, HOME=folder)
    return ["-" + os.path.basename(shell)]


SHELLS: Dict[str, Callable[[str, Dict[str, str]], List[str]]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
    "dash": _posix,
    "sh": _posix,
    "ash": _posix,
    "ksh": _posix,
    "mksh": _posix,
    "yash": _posix,
    "csh": _csh,
    "tcsh": _csh,
}
"""How each shell is started, by name; others get plain variables."""


def with_command(shell: str, name: str, command: str) -> Optional[List[str]]:
    """Return the command line with which a shell runs `hook` before a command; None if it need not.

    bash reads ~/.bashrc even for a command when it believes that sshd started it; fish and csh always read
    their start files.
    """
    if name in ("bash", "zsh"):
        return [shell, "-c", _ASK.format(shell=name) + command]
    if name == "fish":
        return [shell, "-C", _FISH, "-c", command]
    if name in ("csh", "tcsh"):
        return [shell, "-c", CSH_ASK + command]
    return None


def open_shell(prefix: str, kind: str, command: Optional[str]) -> None:
    """Exec the login shell with an environment active, or let it run a command; returns only by raising."""
    shell = login_shell()
    name = os.path.basename(shell)
    if name not in SHELLS:
        name = os.path.basename(os.path.realpath(shell))
    activate.check(prefix, kind)
    environment = inherited.variables()
    environment.update({PREFIX: prefix, KIND: kind, PYTHON: sys.executable, PROGRAM: bundle.STARTER})
    if command is not None:
        words = with_command(shell, name, command)
        if words is not None:
            os.execve(shell, words, environment)
        os.execve(shell, [shell, "-c", command], activate.activate(prefix, kind))
    if name not in SHELLS:
        os.execve(shell, ["-" + os.path.basename(shell)], activate.activate(prefix, kind))
    words = SHELLS[name](shell, environment)
    os.execve(shell, words, environment)


def main(words: Sequence[str]) -> int:
    """Run `hook SHELL` or `shell PREFIX KIND [COMMAND]`, words percent-encoded; return the exit status."""
    if words[0] == "hook":
        return hook(words[1] if len(words) > 1 else "sh")
    from urllib.parse import unquote

    prefix, kind, *rest = [unquote(word, errors="surrogateescape") for word in words[1:]]
    try:
        open_shell(prefix, kind, rest[0] if rest else None)
    except (activate.ActivationError, OSError) as error:
        sys.stderr.write("gpubox: the environment cannot be made active: %s\n" % error)
    return 1
