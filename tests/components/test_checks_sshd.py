"""Checks of the login and of sshd against a real one: what they say is what sshd does."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import Outcome, Result
from gpubox.boxes.checks.checks import Checks
from gpubox.boxes.context import BoxContext
from gpubox.core.shell import Shell
from gpubox.core.target import Target
from gpubox.remote.checks import sshd as sshd_facts
from gpubox.remote.checks.sshd_config import MatchedLogin, SshdConfig
from tests.components.desk import Desk, working
from tests.components.parts import program
from tests.components.servers import USER, Server, new_key, sshd
from tests.components.test_tunnels_sshd import channels_of
from tests.drawable import drawable
from tests.hang import LIMIT


async def look(shell: Shell, *groups: str) -> dict[str, Result]:
    """Return what the checks of some groups come to over a link."""
    context = BoxContext(Target("box", "ssh", "test", ""))
    context.shell.put(shell)
    context.channels.put(channels_of(shell))
    chosen = [check for check in all_checks() if check.group in groups]
    return {one.check.id: one.result for one in await Checks(context).look(chosen)}


async def found(desk: Desk, extra: str, *groups: str, home: Path | None = None) -> dict[str, Result]:
    """Return what the checks come to behind an sshd with these lines."""
    results: dict[str, Result] = {}

    async def check(shell: Shell) -> None:
        results.update(await look(shell, *groups))

    async with (
        sshd(desk.folder / "server", desk.public, extra=extra, home=home) as server,
        working(desk.link(server), check),
    ):
        pass
    return results


def home_with(desk: Desk, tmp_path: Path, text: str = "") -> tuple[Path, str]:
    """Make a home whose keys are in the usual place; return it, and the lines for sshd."""
    home = tmp_path / "home"
    keys = home / ".ssh" / "authorized_keys"
    keys.parent.mkdir(parents=True)
    keys.write_text(desk.public + text)
    for path, mode in ((home, 0o755), (keys.parent, 0o700), (keys, 0o600)):
        path.chmod(mode)
    return home, f"AuthorizedKeysFile {keys}\nStrictModes yes"


async def test_the_sshd_that_let_us_in_is_judged_and_not_another(desk: Desk, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "10-first.conf").write_text("MaxSessions 3\nMatch User nobody\nPasswordAuthentication yes\n")
    (drop / "20-late.conf").write_text("MaxSessions 9\n")
    extra = (
        f"Include {drop}/*.conf\nX11Forwarding yes\nMatch User {USER}\nAllowTcpForwarding local\nMatch all"
    )
    results = await found(desk, extra, "sshd")
    assert {name: (one.outcome, one.value) for name, one in results.items()} == {
        name: (one.outcome, one.value) for name, one in results.items()
    } | {
        "sshd.server": (Outcome.OK, "service"),
        "sshd.passwords": (Outcome.WARNING, "some"),
        "sshd.empty-passwords": (Outcome.OK, "no"),
        "sshd.root-login": (Outcome.OK, "prohibit-password"),
        "sshd.max-sessions": (Outcome.HINT, "3"),
        "sshd.max-startups": (Outcome.OK, "10:30:100"),
        "sshd.tcp-forwarding": (Outcome.HINT, "local"),
        "sshd.stream-local-forwarding": (Outcome.OK, "yes"),
        "sshd.x11-forwarding": (Outcome.OK, "yes"),
        "sshd.use-pam": (results["sshd.use-pam"].outcome, "no"),
    }
    assert f"maxsessions 3 ({drop}/10-first.conf:1)" in results["sshd.max-sessions"].details
    assert f"{desk.folder}/server/config" in results["sshd.max-sessions"].step
    assert not [one for one in results.values() if not drawable(one.text)]


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        (".", 0o755), (".", 0o775), (".", 0o757), (".ssh", 0o700), (".ssh", 0o770), (".ssh", 0o702),
        (".ssh/authorized_keys", 0o644), (".ssh/authorized_keys", 0o664), (".ssh/authorized_keys", 0o606),
    ],
)  # fmt: skip
async def test_modes_are_refused_exactly_where_sshd_refuses_them(
    desk: Desk, tmp_path: Path, name: str, mode: int
) -> None:
    home, extra = home_with(desk, tmp_path)
    results: dict[str, Result] = {}

    async def check(shell: Shell) -> None:
        (home / name).chmod(mode)
        results.update(await look(shell, "login"))

    async with sshd(desk.folder / "server", desk.public, extra=extra, home=home) as server:
        async with working(desk.link(server), check):
            pass
        refused = not await enters(desk, server)
    assert (results["login.permissions"].outcome is Outcome.FAILED) is refused
    assert results["login.key"].outcome is Outcome.OK


async def test_keys_are_reported_without_what_they_are_made_of(desk: Desk, tmp_path: Path) -> None:
    home, extra = home_with(desk, tmp_path)
    weak = new_key(tmp_path / "weak", kind="rsa")
    text = f'# mine\nrestrict,command="echo \\"secret words\\"" {weak}{desk.public}no key at all\n'
    (home / ".ssh" / "authorized_keys").write_text(f"{desk.public}{text}")
    results = await found(desk, extra, "login", home=home)
    listing = await asyncio.create_subprocess_exec(
        "ssh-keygen", "-l", "-f", home / ".ssh" / "authorized_keys", stdout=asyncio.subprocess.PIPE
    )
    listed = (await listing.communicate())[0].decode()
    prints = [line.split()[1] for line in listed.splitlines()]
    details = "\n".join(results["login.key-types"].details)
    assert len(prints) == 3
    assert all(one in details for one in prints)
    assert results["login.duplicates"].outcome is Outcome.HINT
    assert results["login.key-types"].outcome is Outcome.HINT
    everything = repr(results)
    assert "secret words" not in everything
    assert weak.split()[1][60:120] not in everything


async def test_x11_is_judged_behind_a_real_sshd(desk: Desk) -> None:
    program("xauth")
    results = await found(desk, "X11Forwarding yes\nX11UseLocalhost no", "x11")
    assert results["x11.xauth"].outcome is Outcome.OK
    assert results["x11.forwarding"].outcome is Outcome.OK
    assert results["x11.localhost"].outcome is Outcome.WARNING


async def test_the_port_of_an_sshd_is_compared_with_its_own_files(desk: Desk, tmp_path: Path) -> None:
    async with sshd(tmp_path / "second", desk.public):
        results = await found(desk, "", "network")
    result = results["network.ssh-port"]
    assert result.outcome is Outcome.OK, result
    config = (desk.folder / "server" / "config").read_text()
    assert f"Port {result.value}\n" in config
    assert result.details == (f"configured by {desk.folder}/server/config",)


async def enters(desk: Desk, server: Server) -> bool:
    """Return whether OpenSSH's own client gets in by the key."""
    process = await asyncio.create_subprocess_exec(
        *desk.ssh(server), "true", stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(LIMIT):
        return await process.wait() == 0


FLAGS = ("PasswordAuthentication", "X11Forwarding", "AllowTcpForwarding", "PermitEmptyPasswords")
NUMBERS = ("MaxSessions", "MaxAuthTries")
CRITERIA = (
    "all", f"User {USER}", f"User !{USER},*", "User nobody,r??t", "Address 192.0.2.0/24",
    "Address !192.0.2.7,192.0.2.*",
    "LocalAddress 198.51.100.1 User *", "Host 192.0.2.*", "Group nosuchgroup",
)  # fmt: skip
LINES = st.one_of(
    st.tuples(st.sampled_from(FLAGS), st.sampled_from(("yes", "no", '"yes"'))),
    st.tuples(st.sampled_from(NUMBERS), st.sampled_from(("1", "2", "7 # few"))),
    st.tuples(st.just("Match"), st.sampled_from(CRITERIA)),
    st.tuples(st.just("Include"), st.sampled_from(("FOLDER/*.conf", "FOLDER/b.conf", "FOLDER/none*"))),
    st.just(("# PasswordAuthentication", "yes")),
)
FILES = st.lists(LINES, max_size=6)


@given(main=st.lists(LINES, max_size=12), first=FILES, second=FILES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_are_read_as_sshd_reads_them(
    sshd_folder: Path,
    main: list[tuple[str, str]],
    first: list[tuple[str, str]],
    second: list[tuple[str, str]],
) -> None:
    for name, lines in (("config", main), ("d/a.conf", first), ("d/b.conf", second)):
        lines = [line for line in lines if line[0] != "Include" or name == "config"]
        text = "".join(f"{keyword} {value}\n" for keyword, value in lines).replace(
            "FOLDER", f"{sshd_folder}/d"
        )
        (sshd_folder / name).write_text(text)
    login = MatchedLogin(USER, sshd_facts.groups(), "192.0.2.7", "198.51.100.1", "22")
    read = SshdConfig(f"{sshd_folder}/config", login, [])
    for words, line_of in (
        ((), read.general),
        (("-C", f"user={USER},host=192.0.2.7,addr=192.0.2.7,laddr=198.51.100.1,lport=22"), read.mine),
    ):
        printed = dumped(sshd_folder, *words)
        for keyword in (*FLAGS, *NUMBERS):
            line = line_of(keyword.lower())
            value = line.value if line else {"MaxSessions": "10", "MaxAuthTries": "6"}.get(keyword, "")
            default = "yes" if keyword in ("PasswordAuthentication", "AllowTcpForwarding") else "no"
            assert printed[keyword.lower()] == (value or default)


def dumped(folder: Path, *words: str) -> dict[str, str]:
    """Return the settings that sshd prints."""
    command = [program("sshd"), "-T", "-f", str(folder / "config"), "-h", str(folder / "host_key"), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return sshd_facts.table(done.stdout)


@pytest.fixture
def sshd_folder(tmp_path: Path) -> Path:
    """A folder with a host key, and one for drop-ins."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd prints nothing to root without it
    new_key(tmp_path / "host_key")
    (tmp_path / "d").mkdir()
    return tmp_path
