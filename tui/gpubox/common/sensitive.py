"""Which variables hold a secret, by their names and values; this machine checks too before it stores any.

A name is taken apart at `_`, at `-` and where a small letter meets a capital. Some words tell of a secret
wherever they stand, some also as the end of a word, as in SSHKEY. When in doubt it is one: what is hidden by
mistake costs a value in a record, what is shown by mistake costs an account.
"""

from __future__ import annotations

import re

_WORD = re.compile("auth|bearer|cookies?|creds?|dsn|jwt|keys?|pass|pat|private|pwd|sas|tokens?|webhooks?")
"""Marks a secret as a word of its own."""
_PART = re.compile(
    r"secret|passw|passphrase|passcode|credential|bearer|apikey|accesskey|privatekey|connection_?string|"
    r"_?connstr|token(?!s$|s_|i[sz])"
)
"""Marks a secret anywhere in a name, even within a word."""
_END = re.compile(r"(?:auth|cookies?|creds?|jwt|keys?|pass|pwd|tokens?)$")
"""Marks a secret at the end of a word, as in MASTERKEY or PGPASS."""
_PLAIN = re.compile(
    r"(?:bypass|compass|donkey|encompass|hockey|hotkeys?|jockey|keys?pass|monkey|multipass|singlepass|turkey|"
    r"underpass|whiskey)$"
)
"""Words with such an end that mark no secret."""
_NOT = frozenset(("PWD", "OLDPWD", "SSH_AUTH_SOCK", "XAUTHORITY", "KRB5_KTNAME"))
_COUNT = re.compile(
    "max|min|num|n|total|count|per|batch|block|chunk|context|limit|input|output|prompt|new|cached"
)
"""Beside these, TOKENS are what a language model reads."""
_MARKS = re.compile(r"(?:^|_)(?:pad|eos|bos|unk|sep|cls|mask|stop|special)_tokens?(?:_ids?)?$")
_VALUE = re.compile(
    r"://[^/\s:@]*:[^/\s@]+@|-----BEGIN [A-Z ]*PRIVATE KEY|"
    r"^(?:gh[pousr]_|github_pat_|glpat-|hf_|sk-|xox[abprs]-|AKIA[0-9A-Z]{12}|eyJ[\w-]+\.eyJ)"
)
"""Addresses with a password, private keys, tokens of GitHub, GitLab, Hugging Face, OpenAI, Slack and AWS."""


def secret_name(name: str) -> bool:
    """Return whether a variable's name marks its value as a secret, such as `WANDB_API_KEY`."""
    if name in _NOT:
        return False
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).lower()
    words = [re.sub("[0-9]+$", "", word) for word in plain.split("_")]
    if _MARKS.search(plain):
        return False
    if _PART.search(plain):
        return True
    if "public" in words and "private" not in words:
        words = [word for word in words if word not in ("key", "keys")]
    if any(map(_COUNT.fullmatch, words)):
        words = [word for word in words if word != "tokens"]
    return any(_WORD.fullmatch(word) or (_END.search(word) and not _PLAIN.search(word)) for word in words)


def secret_value(value: str) -> bool:
    """Return whether a value is a secret by its form, whatever its variable is called."""
    return _VALUE.search(value) is not None
