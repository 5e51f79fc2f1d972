"""Importing asyncssh costs no other program, and leaves nothing changed behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.hang import LIMIT

_LOADED = """
import ctypes.util, subprocess, sys
from gpubox.ssh.fast_import import load
search = ctypes.util.find_library
def started(*words, **_): raise AssertionError(words)
subprocess.Popen = started
load(); load()
assert ctypes.util.find_library is search
import asyncssh.mac, asyncssh.kex
assert {"cryptography.x509", "asyncssh.crypto.x509"} & set(sys.modules) == set()
print(b"curve25519-sha256" in asyncssh.kex.get_kex_algs(), b"hmac-sha2-256" in asyncssh.mac.get_mac_algs())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no program is run for it")
def test_asyncssh_is_imported_without_running_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LOADED], capture_output=True, text=True, timeout=LIMIT
    )
    assert (done.stdout, done.stderr) == ("True True\n", "")
