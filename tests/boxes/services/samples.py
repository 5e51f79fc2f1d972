"""Facts of boxes as the program there tells them, put together from short words."""

from __future__ import annotations

import msgspec

from gpubox.boxes.services.facts import Listener, RunningServices, ServiceFacts, Socket, Zabbix

ADA = 1000
PYTHON = "/home/ada/env/bin/python3"


class Given:
    """A box whose user is Ada; each call adds something that listens there."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.sockets: list[Socket] = []
        self.processes: dict[str, RunningServices] = {}
        self.programs: dict[str, tuple[RunningServices, ...]] = {}
        self.jupyter: list[dict[str, object]] = []
        self.tensorboard: list[dict[str, object]] = []
        self.zabbix = Zabbix()

    def listens(
        self,
        port: int,
        line: str,
        *,
        host: str = "127.0.0.1",
        pid: int = 0,
        uid: int = ADA,
        folder: str = "",
        token: str = "",
        name: str = "",
    ) -> int:
        """Let a process listen on a port; returns its pid."""
        pid = pid or 100 + port
        words = tuple(line.split())
        comm = name or (words[0].rpartition("/")[2][:15] if words else "")
        self.listeners.append(Listener(host, port, uid, "ada" if uid == ADA else "bob", pid=pid))
        self.processes[str(pid)] = RunningServices(comm, words, uid, "ada", folder, token)
        return pid

    def hidden(self, port: int, *programs: str, uid: int = 2000, user: str = "bob") -> None:
        """Let a process listen that one may not look into, of a user who runs some programs."""
        self.listeners.append(Listener("0.0.0.0", port, uid, user))
        self.programs[str(uid)] = tuple(RunningServices(one, (one,)) for one in programs)

    def jupyter_file(self, pid: int, port: int, folder: str, **more: object) -> None:
        """Let a Jupyter server have written about itself."""
        file = {"pid": pid, "port": port, "owner": ADA, "base_url": "/", "root_dir": folder, **more}
        self.jupyter.append(file)

    @property
    def facts(self) -> ServiceFacts:
        """The answer of the box."""
        return ServiceFacts(
            1,
            ADA,
            True,
            tuple(self.listeners),
            tuple(self.sockets),
            self.processes,
            self.programs,
            tuple(msgspec.Raw(msgspec.json.encode(file)) for file in self.jupyter),
            tuple(msgspec.Raw(msgspec.json.encode(file)) for file in self.tensorboard),
            self.zabbix,
        )
