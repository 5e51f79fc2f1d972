"""Desktops are started, found, looked at and stopped by the real script in a home of its own."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from gpubox.boxes.desktops import DesktopSession, DesktopSpec
from gpubox.boxes.desktops.remote_script import ask
from gpubox.boxes.desktops.session_types import KINDS
from gpubox.core.errors import ConfigError, Dropped, RemoteError, ToolMissing
from tests.boxes.desktops.fake_vnc import stripes
from tests.boxes.desktops.places import PACKAGES, LocalChannels, Place, free_display, ignored, mode, there
from tests.boxes.scripted import until
from tests.remote.jobs.box import alive

SHELLS = [shell for shell in ("sh", "bash", "dash", "zsh", "tcsh", "fish") if shutil.which(shell)]


async def test_a_desktop_starts_answers_and_is_found_again(place: Place) -> None:
    desktops = place.desktops(geometry="3200x2400")
    session = await desktops.start()
    assert (session.server, session.session, session.geometry) == ("TigerVNC", "sleep 600", "3200x2400")
    assert (session.ours, session.mine, session.security, session.port) == (True, True, "none", 0)
    assert session in desktops.feed.value
    (found,) = await place.here(desktops)
    assert (found.pid, found.display, found.folder) == (session.pid, session.display, session.folder)
    assert found.started is not None
    assert found.title.endswith(session.display)
    assert found in desktops.feed.value
    await desktops.settled(found)


async def test_its_picture_comes_through_the_forward(place: Place) -> None:
    desktops = place.desktops(geometry="3200x2400")
    picture = await desktops.shot(await desktops.start())
    assert (picture.width, picture.height, picture.rgb) == (32, 24, stripes(32, 24))


async def test_nobody_else_can_reach_what_it_listens_on(place: Place) -> None:
    session = await place.desktops().start()
    assert mode(session.path) == "srw-------"
    assert mode(session.folder) == "drwx------"
    assert mode(Path(session.folder) / "Xauthority") == "-rw-------"
    assert not any("-rfbport" in line and "-rfbport -1" not in line for line in place.running().values())


async def test_the_folder_of_a_person_for_vnc_is_left_alone(place: Place) -> None:
    desktops = place.desktops()
    await desktops.stop(await desktops.start())
    assert sorted(path.name for path in place.home.iterdir()) == [".cache", ".local"]


async def test_a_running_desktop_is_used_again(place: Place) -> None:
    desktops = place.desktops()
    first = await desktops.start(DesktopSpec(display=":81"))
    assert (await desktops.ready(DesktopSpec(display=":81"))).pid == first.pid
    assert (await desktops.ready(DesktopSpec(display=":82"))).pid != first.pid
    again = await desktops.ready()
    assert again.pid in {one.pid for one in desktops.feed.value}
    assert again.ours


async def test_two_that_start_at_once_get_displays_of_their_own(place: Place) -> None:
    one, other = place.desktops(), place.desktops()
    first, second = await asyncio.gather(one.start(), other.start())
    assert first.display != second.display
    assert first.path != second.path


@pytest.mark.parametrize("how", ["raced-lock", "raced-socket"])
async def test_a_display_that_another_was_faster_to_take_is_passed_over(place: Place, how: str) -> None:
    place.add_vnc(how)
    assert (await place.desktops().start()).pid


async def test_a_process_that_goes_while_it_is_looked_at_leaves_no_line_in_the_log(place: Place) -> None:
    script = (PACKAGES / "tui/gpubox/remote/desktop.sh").read_text()
    (place.home / "7").mkdir()
    (place.home / "7/comm").write_text("ssh-agent\n")
    found = re.search(r'^helpers="[^"]*"\n(?:.*\n)*?left\(\) \{\n(?:.*\n)*?\}\n', script, re.MULTILINE)
    assert found
    result = await place.run(f"{found[0].replace('/proc', str(place.home))}\nleft GPUBOX_DESKTOP=x")
    assert (result.stdout, result.stderr) == (b"", b"")


async def test_a_display_of_a_desktop_that_runs_is_reported_as_taken(place: Place) -> None:
    desktops = place.desktops()
    session = await desktops.start()
    with pytest.raises(RemoteError, match=f"Display {session.display} is taken"):
        await desktops.start(DesktopSpec(display=session.display))


async def test_a_session_that_ends_at_once_is_reported_with_the_end_of_its_log(place: Place) -> None:
    desktops = place.desktops(session="echo greeting; echo no such file: wonder >&2; exit 3")
    with pytest.raises(RemoteError) as caught:
        await desktops.settled(await desktops.start())
    assert caught.value.title == "The session ended"
    assert "at once with status 3" in caught.value.text
    assert caught.value.text.endswith("status 3: no such file: wonder")
    assert caught.value.status == 3
    await until(lambda: not place.running())


async def test_a_server_that_ends_is_reported_with_its_last_words(place: Place) -> None:
    place.add_vnc("fail")
    with pytest.raises(RemoteError) as caught:
        await place.desktops().start()
    assert caught.value.title == "The VNC server ended"
    assert "status 1: Fatal server error: / (EE) no screens here\ufffd[2J" in caught.value.text
    await until(lambda: not place.running())


HIDDEN_AGENT = """\
#!/bin/sh
env -i setsid "$HOME/ssh-agent" 600 >/dev/null 2>&1 &
echo "SSH_AUTH_SOCK=/nowhere; export SSH_AUTH_SOCK; SSH_AGENT_PID=$!; export SSH_AGENT_PID;"
"""


async def test_stopping_ends_the_agent_that_hides_its_environment(place: Place) -> None:
    shutil.copy("/bin/sleep", place.home / "ssh-agent")
    place.program("ssh-agent", HIDDEN_AGENT)
    place.program("startxfce4", '#!/bin/sh\necho "$SSH_AGENT_PID" >"$HOME/agent"; exec sleep 600\n')
    desktops = place.desktops(session="xfce4")
    started = await desktops.start()
    noted = place.home / "agent"
    await until(lambda: noted.exists() and noted.read_text().endswith("\n"))
    agent = int(noted.read_text())
    assert alive(agent)
    await desktops.stop(started)
    await until(lambda: not alive(agent))


async def test_stopping_ends_the_helpers_of_a_session_and_nothing_else(place: Place) -> None:
    for name in ("ssh-agent", "gpg-agent", "train"):
        shutil.copy("/bin/sleep", place.programs / name)
    session = "for name in ssh-agent gpg-agent train; do setsid $name 600 & done; exec sleep 600"
    desktops = place.desktops(session=session)
    started = await desktops.start()
    await until(lambda: sum(" 600" in line for line in place.running().values()) >= 4)
    said = await desktops.stop(started)
    assert said.startswith(f"desktop {started.display} ended")
    await until(lambda: [line.split()[0] for line in place.running().values()] == ["train"])
    assert await place.here(desktops) == []
    with pytest.raises(RemoteError, match="Already gone"):
        await desktops.stop(started)


async def test_a_number_that_another_process_has_by_now_is_never_stopped(place: Place) -> None:
    desktops = place.desktops()
    session = await desktops.start()
    other = DesktopSession("TigerVNC", session.pid, session.ticks + 1, "ada", True, display=":77")
    with pytest.raises(RemoteError, match="Already gone"):
        await desktops.stop(other)
    assert session.pid in place.running()


async def test_a_restart_keeps_display_size_and_session(place: Place) -> None:
    desktops = place.desktops()
    first = await desktops.start(DesktopSpec(geometry="800x600", session="sleep 500"))
    again = await desktops.restart(first)
    assert again.pid != first.pid
    assert (again.display, again.geometry, again.session) == (first.display, "800x600", "sleep 500")


async def test_a_desktop_of_another_is_left_alone(place: Place) -> None:
    desktops = place.desktops()
    other = DesktopSession("TigerVNC", 4711, 5, "eve", False, display=":3", port=5903)
    for act in (desktops.stop, desktops.open, desktops.shot):
        with pytest.raises(RemoteError, match=r"desktop :3 belongs to eve"):
            await act(other)
    with pytest.raises(RemoteError, match="Not restarted"):
        await desktops.restart(other)


async def test_what_a_crash_left_behind_is_in_nobodys_way(place: Place) -> None:
    desktops = place.desktops()
    session = await desktops.start(DesktopSpec(display=free_display()))
    keeper = int((Path(session.folder) / "keeper").read_text().split()[0])
    for pid in (keeper, session.pid):
        os.kill(pid, signal.SIGKILL)
    await until(lambda: keeper not in place.running() and session.pid not in place.running())
    assert mode(session.path) == "srw-------", "it is left behind"
    assert await place.here(desktops) == []
    again = await desktops.start(DesktopSpec(display=session.display))
    assert again.path == session.path or not there(session.path)


async def test_when_sshd_forwards_no_sockets_a_port_with_a_password_has_to_do(place: Place) -> None:
    desktops = place.desktops(LocalChannels(sockets=False), geometry="3200x2400")
    session = await desktops.start(DesktopSpec(display=free_display()))
    assert (session.path, session.security) == ("", "password")
    assert session.port == 5900 + int(session.display[1:])
    secret = Path(session.folder) / "passwd"
    before = secret.read_bytes()
    assert (await desktops.shot(session)).rgb == stripes(32, 24)
    once = secret.read_bytes()
    assert (await desktops.shot(session)).rgb == stripes(32, 24)
    assert len({before, once, secret.read_bytes()}) == 3
    assert mode(secret) == "-rw-------"
    again = await desktops.start(DesktopSpec(display=free_display()))
    assert again.port == 5900 + int(again.display[1:]), "the way is remembered"


async def test_when_sshd_forwards_nothing_the_words_name_the_setting(place: Place) -> None:
    with pytest.raises(RemoteError, match="AllowTcpForwarding yes"):
        await place.desktops(LocalChannels(sockets=False, ports=False)).start(
            DesktopSpec(display=free_display())
        )


async def test_displays_that_others_take_meanwhile_do_not_use_up_the_ways_to_reach_one(place: Place) -> None:
    place.add_vnc("raced-lock", "raced-socket")
    desktops = place.desktops(LocalChannels(sockets=False, ports=False))
    with pytest.raises(RemoteError, match="AllowTcpForwarding yes"):
        await desktops.start()


async def test_a_box_whose_displays_are_all_taken_meanwhile_says_so(place: Place) -> None:
    place.add_vnc(*["raced-lock"] * 9)
    with pytest.raises(RemoteError, match="already active"):
        await place.desktops().start()


async def test_a_box_without_the_server_that_was_asked_for_says_so(place: Place) -> None:
    with pytest.raises(ToolMissing, match="No TurboVNC"):
        await place.desktops(server="turbovnc").start()


async def test_a_server_of_no_known_kind_is_refused_with_those_that_there_are(place: Place) -> None:
    with pytest.raises(ConfigError, match="tigervnd is none of auto, tigervnc, turbovnc"):
        await place.desktops(server="tigervnd").start()
    assert not place.running()


async def test_a_session_that_the_box_lacks_is_reported_before_anything_starts(place: Place) -> None:
    absent = next(kind for kind in KINDS if not shutil.which(kind.program))
    with pytest.raises(ToolMissing, match=rf"No {absent.name}. The box has no {absent.program}"):
        await place.desktops(session=absent.name).start()
    assert not place.running()


async def test_a_window_manager_gets_a_terminal(place: Place) -> None:
    for name in ("openbox", "xterm"):
        shutil.copy("/bin/sleep", place.programs / name)
        (place.programs / name).rename(place.programs / f"{name}-real")
        place.program(name, f"#!/bin/sh\nexec {place.programs}/{name}-real 600\n")
    session = await place.desktops(session="openbox").start()
    assert session.session == "openbox"
    await until(lambda: {"openbox-real", "xterm-real"} <= {_name(line) for line in place.running().values()})


def _name(line: str) -> str:
    return Path(line.split()[0]).name


async def test_ctrl_c_works_in_what_a_desktop_runs(place: Place) -> None:
    session = await place.desktops().start()
    seat = Path(session.folder) / "seat"
    await until(lambda: seat.exists() and seat.read_text().strip())
    assert signal.SIGINT not in ignored(int(seat.read_text()))


@pytest.mark.parametrize("shell", SHELLS)
async def test_the_script_runs_behind_every_login_shell(place: Place, shell: str) -> None:
    place.login = shutil.which(shell) or shell
    lines = await ask(place, "list", programs="Xvnc")
    assert [line.word for line in lines] == ["clock"]


async def test_while_the_link_is_down_everything_says_so(place: Place) -> None:
    desktops = place.desktops()
    desktops._context.shell.put(None)
    with pytest.raises(Dropped, match="Not connected"):
        await desktops.list()
    with pytest.raises(Dropped, match="Not connected"):
        await desktops.start()
