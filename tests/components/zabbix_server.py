"""A real Zabbix server on loopback, its database in a folder, and its web interface for the API."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.components.parts import program
from tests.components.servers import free_port
from tests.components.zabbix import listen_port
from tests.hang import LIMIT
from tests.waiting import until

SQL = Path("/usr/share/zabbix-server-pgsql")
WEB = Path("/usr/share/zabbix")
PARTS = ("zabbix_server", "zabbix-frontend", "initdb", "psql", "php", "php-pgsql")
USER = "zabbix"
"""PostgreSQL refuses to run as root; the server's package brings this user."""

_SERVER = """\
LogType=file
LogFile={folder}/server.log
PidFile={folder}/server.pid
SocketDir={folder}
DBHost={folder}
DBName=zabbix
DBUser=zabbix
ListenIP=127.0.0.1
ListenPort={port}
CacheUpdateFrequency=1
HousekeepingFrequency=0
CacheSize=32M
HistoryCacheSize=8M
HistoryIndexCacheSize=2M
TrendCacheSize=2M
ValueCacheSize=8M
StartPollers=1
StartPollersUnreachable=1
StartPingers=0
StartDiscoverers=0
StartHTTPPollers=0
StartTrappers=2
StartPreprocessors=1
StartLLDProcessors=1
StartEscalators=1
StartAlerters=1
StartTimers=1
StartDBSyncers=1
Timeout=4
"""
_FRONTEND = """<?php
$DB = ['TYPE' => 'POSTGRESQL', 'SERVER' => '{folder}', 'PORT' => '0', 'DATABASE' => 'zabbix',
  'USER' => 'zabbix', 'PASSWORD' => '', 'SCHEMA' => '',
  'ENCRYPTION' => false, 'KEY_FILE' => '', 'CERT_FILE' => '', 'CA_FILE' => '',
  'VERIFY_HOST' => false, 'CIPHER_LIST' => '', 'VAULT_URL' => '', 'VAULT_DB_PATH' => '', 'VAULT_TOKEN' => '',
  'DOUBLE_IEEE754' => true];
$ZBX_SERVER = '127.0.0.1'; $ZBX_SERVER_PORT = '{port}'; $ZBX_SERVER_NAME = 'test';
$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
"""
_POSTGRES = (
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=60"),
    *("shared_buffers=64MB", "listen_addresses=", "max_wal_size=2GB"),
)

Row = dict[str, Any]


class ZabbixServer:
    """A running server and the API of its web interface."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = listen_port()
        self.web_port = free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self._token = ""

    def start(self) -> None:
        """Start the server itself, and wait until it listens."""
        log = self.folder / "server.out"
        command = [program("zabbix_server"), "-f", "-c", str(self.folder / "server.conf")]
        self._server = self.spawn(command, log)
        _listening(self._server, self.port, log)

    def stop(self) -> None:
        """End the server itself; its database and web interface stay."""
        if self._server is not None:
            _end(self._server)
            self._server = None

    def spawn(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a program as the user of the server, in a session of its own."""
        environment = {**os.environ, "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
        with log.open("wb") as stream:
            return subprocess.Popen(
                [*_as_user(), *command],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=environment,
                start_new_session=True,
            )

    def api(self, method: str, **parameters: object) -> Any:
        """Call a method of the API and return its result."""
        return self.call(method, parameters)

    def call(self, method: str, parameters: object) -> Any:
        """Call a method with parameters that are a list, or whose names are no words of Python."""
        request: Row = {"jsonrpc": "2.0", "method": method, "params": parameters, "id": 1}
        if self._token:
            request["auth"] = self._token
        made = urllib.request.Request(
            f"http://127.0.0.1:{self.web_port}/api_jsonrpc.php",
            json.dumps(request).encode(),
            {"Content-Type": "application/json-rpc"},
        )
        with urllib.request.urlopen(made, timeout=LIMIT) as stream:
            answer = json.load(stream)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def log_in(self) -> None:
        """Log in as the administrator of a new installation."""
        self._token = self.api("user.login", username="Admin", password="zabbix")

    def import_template(self, text: str) -> None:
        """Import a template, as the web interface does with every box ticked."""
        both = {"createMissing": True, "updateExisting": True}
        kinds = (
            "templates",
            "items",
            "triggers",
            "graphs",
            "discoveryRules",
            "valueMaps",
            "templateDashboards",
        )
        rules = {"groups": {"createMissing": True}, **dict.fromkeys(kinds, both)}
        assert self.api("configuration.import", format="yaml", source=text, rules=rules) is True

    def template(self, name: str) -> str:
        """Return the id of a template."""
        return str(self.api("template.get", filter={"host": [name]}, output=["templateid"])[0]["templateid"])

    def host(self, name: str, **more: object) -> Row | None:
        """Return a host, or None."""
        found = self.api("host.get", filter={"host": [name]}, output=["hostid", "host"], **more)
        return found[0] if found else None

    def items(self, host: str) -> dict[str, Row]:
        """Return the items of a host by their keys."""
        fields = ["key_", "lastvalue", "lastclock", "state", "error", "value_type", "itemid"]
        found = self.api("item.get", hostids=[host], output=fields)
        return {row["key_"]: row for row in found}

    def problems(self, host: str) -> list[Row]:
        """Return what is a problem of a host now."""
        fields = ["name", "severity", "objectid", "opdata"]
        return self.api("problem.get", hostids=[host], output=fields, selectTags="extend")


@contextmanager
def zabbix_server() -> Generator[ZabbixServer]:
    """Run a server with an empty configuration, logged in."""
    for name in PARTS:
        program(name)
    # The folders of pytest are closed to the user of the server.
    folder = Path(tempfile.mkdtemp(prefix="zabbix-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        made = ZabbixServer(folder)
        _database(made, stack)
        (folder / "server.conf").write_text(_SERVER.format(folder=folder, port=made.port))
        stack.callback(made.stop)
        made.start()
        _web(made, stack)
        made.log_in()
        yield made


def _as_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    found = pwd.getpwnam(USER)
    return [program("setpriv"), f"--reuid={found.pw_uid}", f"--regid={found.pw_gid}", "--clear-groups", "--"]


def _database(server: ZabbixServer, stack: ExitStack) -> None:
    """Start PostgreSQL, which only a socket of the folder leads to, and load Zabbix' schema."""
    initdb = program("initdb")
    log = server.folder / "postgres.log"
    command = [
        initdb,
        "-D",
        "data",
        "-A",
        "trust",
        "-U",
        "zabbix",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    ]
    made = server.spawn(command, log)
    assert made.wait(LIMIT) == 0, log.read_text()
    options = [word for setting in _POSTGRES for word in ("-c", setting)]
    postgres = str(Path(initdb).with_name("postgres"))
    running = server.spawn([postgres, "-D", "data", "-k", str(server.folder), *options], log)
    stack.callback(_end, running, signal.SIGQUIT)

    def sql(script: bytes, database: str = "zabbix") -> None:
        words = [
            program("psql"),
            "-qX",
            "-h",
            str(server.folder),
            "-U",
            "zabbix",
            "-v",
            "ON_ERROR_STOP=1",
            database,
        ]
        subprocess.run(
            [*_as_user(), *words], input=script, stdout=subprocess.DEVNULL, check=True, timeout=LIMIT
        )

    until(lambda: (server.folder / ".s.PGSQL.5432").exists() or running.poll() is not None, log.read_text)
    until(lambda: b"ready to accept" in log.read_bytes() or running.poll() is not None, log.read_text)
    sql(b"create database zabbix;", "postgres")
    # Images first: a foreign key of the data needs them. Without statistics, linking a template takes 25 s.
    parts = [gzip.decompress((SQL / f"{name}.sql.gz").read_bytes()) for name in ("schema", "images", "data")]
    sql(b"".join(parts) + b"\nanalyze;")


def _web(server: ZabbixServer, stack: ExitStack) -> None:
    """Serve a copy of the web interface, which reads a configuration of the folder."""
    web, log = server.folder / "web", server.folder / "php.log"
    shutil.copytree(WEB, web, symlinks=False)
    file = web / "include/classes/core/CConfigFile.php"
    moved = file.read_text().replace("/etc/zabbix/zabbix.conf.php", f"{server.folder}/frontend.php")
    file.write_text(moved)
    (server.folder / "frontend.php").write_text(
        _FRONTEND.replace("{folder}", str(server.folder)).replace("{port}", str(server.port))
    )
    settings = ("memory_limit=512M", "max_execution_time=300", "post_max_size=32M", "date.timezone=UTC")
    options = [word for setting in (*settings, "opcache.enable_cli=1") for word in ("-d", setting)]
    command = [program("php"), *options, "-S", f"127.0.0.1:{server.web_port}", "-t", str(web)]
    running = server.spawn(command, log)
    stack.callback(_end, running)
    _listening(running, server.web_port, log)


def _listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    def there() -> bool:
        assert process.poll() is None, log.read_text()[-2000:]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    until(there, log.read_text)


def _end(process: subprocess.Popen[bytes], by: signal.Signals = signal.SIGKILL) -> None:
    """End a program and all that it started in its session; nothing of it is needed any more."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, by)
    process.wait(LIMIT)
