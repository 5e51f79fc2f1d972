"""Slurm's accounting: its own daemon over a MariaDB that only a socket of a temporary folder leads to."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.components.parts import program
from tests.components.servers import free_port
from tests.hang import LIMIT

_CONFIGURATION = """\
AuthType=auth/none
{plugins}DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser={user}
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=accounts
CommitDelay=1
"""


@contextmanager
def accounting(folder: Path, plugins: str) -> Generator[str]:
    """Keep accounts; yields the lines for slurm.conf. `plugins` is the line that says where plugins lie."""
    for name in ("mariadbd", "my_print_defaults", "slurmdbd"):  # mariadb-install-db runs the second
        program(name)
    folder.mkdir(parents=True, mode=0o700)
    port = free_port()
    user = pwd.getpwuid(os.getuid()).pw_name
    text = _CONFIGURATION.format(plugins=plugins, port=port, user=user, folder=folder)
    (folder / "slurmdbd.conf").write_text(text)
    (folder / "slurmdbd.conf").chmod(0o600)
    with ExitStack() as stack:
        database = stack.enter_context(_database(folder, user))
        environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "MYSQL_UNIX_PORT": database}
        daemon = _started([program("slurmdbd"), "-D"], folder / "slurmdbd.err", environment)
        stack.callback(_end, daemon)
        _wait(daemon, lambda: _listens(port), folder / "slurmdbd.log")
        yield (
            "AccountingStorageType=accounting_storage/slurmdbd\n"
            f"AccountingStorageHost=localhost\nAccountingStoragePort={port}"
        )


@contextmanager
def _database(folder: Path, user: str) -> Generator[str]:
    """Run MariaDB in a folder; yields its socket, which is all that it listens on."""
    common = ["--no-defaults", f"--datadir={folder}/data", "--innodb-log-file-size=4M", f"--user={user}"]
    made = Path(program("mariadbd")).parent.parent / "bin" / "mariadb-install-db"
    normal = ["--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run([str(made), *common, *normal], check=True, stdout=subprocess.DEVNULL, timeout=LIMIT)
    path = folder / "sql"
    quick = ["--skip-networking", "--skip-grant-tables", "--innodb-flush-log-at-trx-commit=0"]
    words = [program("mariadbd"), *common, *quick, f"--socket={path}", f"--pid-file={folder}/mariadbd.pid"]
    server = _started(words, folder / "mariadbd.err", dict(os.environ))
    try:
        _wait(server, lambda: _answers(path), folder / "mariadbd.err")
        yield str(path)
    finally:
        _end(server)


def _started(words: list[str], said: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with said.open("wb") as file:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment)


def _end(daemon: subprocess.Popen[bytes]) -> None:
    """End it at once: nothing of it is needed any more."""
    daemon.kill()
    daemon.wait(10)


def _wait(daemon: subprocess.Popen[bytes], there: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + LIMIT
    while not there():
        if daemon.poll() is not None or time.monotonic() > end:
            raise AssertionError(log.read_text()[-2000:] if log.exists() else f"no {log}")
        time.sleep(0.05)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as made:
        return made.connect_ex(str(path)) == 0


def _listens(port: int) -> bool:
    with socket.socket() as made:
        return made.connect_ex(("127.0.0.1", port)) == 0
