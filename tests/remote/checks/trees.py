"""Trees of files that stand for a box, below GPUBOX_ROOT."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import pytest


class Tree:
    """The files of a box, in a temporary folder; programs go to a folder that is first in PATH."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root / "root"
        self.root.mkdir()
        self.programs = root / "programs"
        self.programs.mkdir()
        monkeypatch.setenv("GPUBOX_ROOT", str(self.root))
        monkeypatch.setenv("PATH", str(self.programs), prepend=os.pathsep)
        monkeypatch.setenv("HOME", "/home/ann")
        monkeypatch.delenv("SUDO_UID", raising=False)

    def file(self, path: str, text: str = "") -> Path:
        """Write a file, and return its place."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def program(self, name: str, output: str, status: int = 0) -> None:
        """Install a program that prints a text."""
        (self.programs / f"{name}.txt").write_text(output)
        place = self.programs / name
        place.write_text(f'#!/bin/sh\ncat "{self.programs}/{name}.txt"\nexit {status}\n')
        place.chmod(0o755)

    def process(self, pid: int, *words: str, sockets: tuple[int, ...] = (), name: str = "") -> None:
        """Start a process, as far as files show it."""
        self.file(f"/proc/{pid}/comm", (name or os.path.basename(words[0]))[:15] + "\n")
        self.file(f"/proc/{pid}/cmdline", "\0".join(words) + "\0")
        handles = self.root / "proc" / str(pid) / "fd"
        handles.mkdir()
        for number, inode in enumerate(sockets):
            (handles / str(number)).symlink_to(f"socket:[{inode}]")

    def listens(self, *rows: tuple[str, int, int]) -> None:
        """Open ports: address, port and inode of each."""
        lines = ["  sl  local_address rem_address   st"]
        for host, port, inode in rows:
            at = _end(host, port)
            zeros = "00000000:00000000 00:00000000 00000000"
            lines.append(f"   0: {at} 00000000:0000 0A {zeros} {os.getuid()} 0 {inode} 1")
        self.file("/proc/net/tcp", "\n".join(lines) + "\n")

    def connects(self, *rows: tuple[str, int, str, int, float]) -> None:
        """Add connections: both ends of each, and the seconds since it was closed; 0 for an open one."""
        place = self.root / "proc/net/tcp"
        lines = (
            [place.read_text().rstrip("\n")] if place.exists() else ["  sl  local_address rem_address   st"]
        )
        for host, port, peer, peer_port, age in rows:
            timer = f"03:{round((60 - age) * 100):08X}" if age else "00:00000000"
            state = "06" if age else "01"
            ends = f"{_end(host, port)} {_end(peer, peer_port)}"
            lines.append(f"   0: {ends} {state} 00000000:00000000 {timer} 00000000 0 0 0 3")
        self.file("/proc/net/tcp", "\n".join(lines) + "\n")


def _end(host: str, port: int) -> str:
    number = struct.unpack("=I", socket.inet_aton(host))[0]
    return f"{number:08X}:{port:04X}"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A box without anything."""
    return Tree(tmp_path, monkeypatch)
