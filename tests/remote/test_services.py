"""What a box says of its listeners: the kernel's tables as recorded, and real sockets with real holders."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.boxes.services.facts import Jupyter, ServiceFacts, TensorBoard
from gpubox.common.listeners import listeners, sockets
from gpubox.remote import services
from tests.hang import LIMIT
from tests.remote.bundles import lay

RECORDED = Path(__file__).parent.parent / "recorded"


def test_recorded_tables_of_the_kernel_are_read() -> None:
    text = (RECORDED / "net-tcp.txt").read_text() + (RECORDED / "net-tcp6.txt").read_text()
    rows = [(row["host"], row["port"], row["uid"], row["inode"]) for row in listeners(text)]
    assert rows == [
        ("127.0.0.53", 53, 101, 15625),
        ("0.0.0.0", 22, 0, 15099),
        ("127.0.0.1", 8888, 1000, 456623),
        ("10.0.0.7", 8080, 1001, 456624),
        ("127.0.0.1", 50045, 1000, 456628),
        ("::1", 8081, 1000, 456626),
        ("::", 22, 0, 15110),
        ("2001:db8:0:0:0:0:0:1", 443, 0, 15111),
    ]


@given(st.text(max_size=2000))
def test_any_table_is_read_or_passed_over(text: str) -> None:
    for row in listeners(text):
        assert 0 < row["port"] < 65536
    for row in sockets(text):
        assert row["path"].startswith("/")


@given(
    st.lists(st.text(st.characters(exclude_characters=" \n\r\t\v\f"), max_size=40), min_size=10, max_size=14)
)
def test_a_line_of_any_fields_never_raises(fields: list[str]) -> None:
    fields[3] = "0A"
    list(listeners(" ".join(fields)))


@given(st.ip_addresses(v=4), st.integers(1, 65535))
def test_every_address_comes_back_as_people_write_it(address: object, port: int) -> None:
    packed = socket.inet_aton(str(address))
    word = (packed[::-1] if sys.byteorder == "little" else packed).hex().upper()
    line = f"0: {word}:{port:04X} 00000000:0000 0A 0:0 00:0 0 1000 0 77 1 0 100"
    (row,) = listeners(line)
    assert (row["host"], row["port"]) == (str(address), port)


def test_only_unix_sockets_that_listen_and_have_a_path_count() -> None:
    table = (
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
        "0000000000000000: 00000002 00000000 00010000 0001 01 31 /run/user/1000/a b.sock\n"
        "0000000000000000: 00000002 00000000 00010000 0001 01 32 @abstract\n"
        "0000000000000000: 00000003 00000000 00000000 0001 03 33 /run/connected.sock\n"
        "0000000000000000: 00000002 00000000 00010000 0001 01 34\n"
    )
    assert list(sockets(table)) == [{"path": "/run/user/1000/a b.sock", "inode": 31}]


def test_a_port_is_named_only_by_a_whole_number() -> None:
    for words in (["x", "--port=8888"], ["x", "-p", "8888"], ["x", "--bind", "127.0.0.1:8888"]):
        assert services.named("8888", words)
    for words in (["x", "--port=18888"], ["x", "88889"], ["8888"]):
        assert not services.named("8888", words)


def asked(folder: Path, python: str, environment: Mapping[str, str]) -> ServiceFacts:
    """What a box answers that runs the program as it is sent there, by some Python."""
    lay(folder, "gpubox.remote.services")
    done = subprocess.run(
        [python, "-I", "-S", str(folder / "run.py"), "gpubox.remote.services"],
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return msgspec.json.decode(done.stdout, type=ServiceFacts)


def test_a_fault_of_the_program_is_its_answer(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken() -> dict[str, object]:
        raise LookupError("no such table")

    monkeypatch.setattr(services, "look", broken)
    assert services.main([]) == 1
    error = json.loads(capfd.readouterr().out)["error"]
    assert (error["title"], error["hint"]) == ("Services cannot be listed", "Open a port by its number")
    assert error["text"].startswith("LookupError: no such table")


@pytest.fixture
def listening() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets of this process that listen, for IPv4 and IPv6."""
    with socket.socket() as four, socket.socket(socket.AF_INET6) as six:
        four.bind(("127.0.0.1", 0))
        six.bind(("::1", 0))
        for one in (four, six):
            one.listen()
        yield four, six


def test_real_sockets_are_found_with_their_process(
    tmp_path: Path, listening: tuple[socket.socket, socket.socket], python: str
) -> None:
    facts = asked(tmp_path, python, {})
    ports = [one.getsockname()[1] for one in listening]
    found = {row.port: row for row in facts.listeners}
    assert [found[port].host for port in ports] == ["127.0.0.1", "::1"]
    assert [found[port].pid for port in ports] == [os.getpid()] * 2
    process = facts.processes[str(os.getpid())]
    assert process.uid == facts.uid == os.getuid()
    assert process.folder == os.getcwd()
    assert process.words


def test_a_unix_socket_is_found_with_its_process(tmp_path: Path, python: str) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "s"))
        one.listen()
        facts = asked(tmp_path, python, {})
    assert [row.pid for row in facts.sockets if row.path == str(tmp_path / "s")] == [os.getpid()]


def test_the_files_of_jupyter_and_tensorboard_are_found_in_their_folders(tmp_path: Path, python: str) -> None:
    info = tmp_path / ".tensorboard-info"
    info.mkdir()
    (info / "pid-7.info").write_text(json.dumps({"pid": 7, "port": 6006, "logdir": "/runs"}))
    (tmp_path / "jpserver-8.json").write_text(json.dumps({"pid": 8, "port": 8888, "token": "s3cret"}))
    (tmp_path / "nbserver-9.json").write_text(json.dumps({"pid": 9, "port": 8889, "notebook_dir": "/n"}))
    (tmp_path / "jpserver-10.json").write_text('["not", "an object"]')
    (tmp_path / "jpserver-11.json").write_text("{cut")
    (tmp_path / "kernel-12.json").write_text("{}")
    facts = asked(tmp_path, python, {"JUPYTER_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)})
    jupyters = [msgspec.json.decode(raw, type=Jupyter) for raw in facts.jupyter]
    boards = [msgspec.json.decode(raw, type=TensorBoard) for raw in facts.tensorboard]
    assert [(one.pid, one.token, one.notebook_dir) for one in jupyters[:2]] == [
        (8, "s3cret", ""),
        (9, "", "/n"),
    ]
    assert [(one.pid, one.owner, one.logdir) for one in boards[:1]] == [(7, os.getuid(), "/runs")]


def test_a_runtime_folder_is_taken_from_the_environment_of_the_process_that_listens(
    tmp_path: Path, python: str
) -> None:
    (tmp_path / "jpserver-1.json").write_text(json.dumps({"pid": 1, "port": 1, "token": "elsewhere"}))
    serve = "import socket,sys; s=socket.create_server(('127.0.0.1',0)); print(flush=True); sys.stdin.read()"
    environment = {**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", serve], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as server:
        assert server.stdout
        assert server.stdin
        server.stdout.readline()
        facts = asked(tmp_path, python, {})
        server.stdin.close()
    tokens = [msgspec.json.decode(raw, type=Jupyter).token for raw in facts.jupyter]
    assert "elsewhere" in tokens


@pytest.mark.parametrize(
    ("word", "token"),
    [("--connection-token-file=%s", "from-file"), ("--connection-token-file", ""), ("--other=%s", "")],
)
def test_a_token_in_a_file_is_read_where_the_command_line_names_it(
    tmp_path: Path, word: str, token: str
) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    line = ["code", word % file if "%" in word else word]
    assert services.token_of(line, {}) == token


def test_the_token_of_an_editor_that_serves_the_web_is_read_from_its_home(tmp_path: Path) -> None:
    file = tmp_path / ".vscode" / "cli" / "serve-web-token"
    file.parent.mkdir(parents=True)
    file.write_text("kept")
    home = {"HOME": str(tmp_path)}
    assert services.token_of(["code", "serve-web"], home) == "kept"
    assert services.token_of(["code", "serve-web", "--without-connection-token"], home) == ""


class Proc:
    """A /proc of temporary folders."""

    def __init__(self, root: Path) -> None:
        self.root = root / "proc"
        (self.root / "net").mkdir(parents=True)
        self.lines: list[str] = []

    def listen(self, port: int, uid: int, inode: int) -> None:
        self.lines.append(f"0: 0100007F:{port:04X} 00000000:0000 0A 0:0 00:0 0 {uid} 0 {inode} 1 0 100")
        (self.root / "net" / "tcp").write_text("\n".join(self.lines) + "\n")

    def process(self, pid: int, name: str, *words: str) -> None:
        folder = self.root / str(pid)
        folder.mkdir()
        (folder / "comm").write_text(name + "\n")
        (folder / "cmdline").write_text("\0".join(words) + "\0")


def test_a_hidden_holder_is_guessed_by_the_port_in_its_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc, uid = Proc(tmp_path), tmp_path.stat().st_uid
    proc.listen(8888, uid, 1)
    proc.listen(9999, uid, 2)
    proc.process(41, "sh", "sh", "-c", "sleep")
    proc.process(42, "jupyter-lab", "/usr/bin/python3", "/usr/bin/jupyter-lab", "--port=8888")
    proc.process(43, "kworker")
    monkeypatch.setenv("GPUBOX_ROOT", str(tmp_path))
    answer = services.look()
    rows = cast("list[dict[str, object]]", answer["listeners"])
    assert [(row["port"], row.get("pid"), row.get("guess")) for row in rows] == [
        (8888, None, 42),
        (9999, None, None),
    ]
    programs = cast("dict[str, list[dict[str, object]]]", answer["programs"])
    assert {one["name"] for one in programs[str(uid)]} >= {"sh", "jupyter-lab"}


def test_a_box_without_the_tables_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUBOX_ROOT", str(tmp_path))
    answer = services.look()
    assert answer["proc"] is False
    assert answer["listeners"] == []


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, {}),
        ({"etc/zabbix/nginx.conf": "server {\n  listen 8080; # here\n"}, {"nginx": 8080}),
        ({"etc/zabbix/nginx.conf": "server {\n#  listen 8080;\n}"}, {"nginx": 80}),
        ({"etc/zabbix/nginx.conf": "listen [::]:8443 ssl;"}, {"nginx": 8443}),
        ({"etc/apache2/conf-enabled/zabbix.conf": ""}, {"apache": True}),
    ],
)
def test_where_the_pages_of_zabbix_are_is_read_from_its_packages_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], found: dict[str, object]
) -> None:
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setenv("GPUBOX_ROOT", str(tmp_path))
    assert services.zabbix() == found
