"""`gpubox-tui desktop`: the desktops of a box from the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpubox.commands.common import common_options, complete_box
from gpubox.commands.features import desktops_of
from gpubox.commands.of_box import OfBox, on_box
from gpubox.commands.output import as_json, print_json
from gpubox.commands.retry import retry
from gpubox.core.errors import ConfigError, RemoteError
from gpubox.core.sanitize import aligned, clean

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.boxes.desktops import DesktopSession

which = click.argument("display", required=False, default="", metavar="[DISPLAY]")


@click.group(cls=OfBox)
@click.argument("box", metavar="BOX", shell_complete=complete_box)
@common_options
def desktop(box: str) -> None:
    """List, start, open, look at and stop the desktops (VNC sessions) of BOX.

    Without a COMMAND it lists them.

    DISPLAY names a desktop, such as :1; the default is your own. A desktop that is started here
    listens on a socket that only you can open, and is reached through the ssh link: it has no port.
    """


@desktop.on_box("list", short_help="Print the desktops that run.")
@as_json
async def list_(box: Box, as_json: bool) -> None:
    """Print the desktops that run on the box, those of other users too."""
    found = await retry(box, desktops_of(box).list)
    if as_json:
        print_json(box.name, desktops=[to_json(one) for one in found])
    else:
        click.echo("\n".join(_rows(found)) if found else "No desktop runs there.")


def _size(_ctx: object, _option: object, text: str) -> str:
    width, _, height = text.partition("x")
    if text and not (width.isdecimal() and height.isdecimal() and 100 <= int(width) <= 32767 >= int(height)):
        raise ConfigError(f"--geometry {text} is not a size", "Expected width and height, such as 1600x900")
    return text


@desktop.on_box(short_help="Start a desktop.")
@click.option("--geometry", metavar="WxH", default="", callback=_size, help="Pixels, such as 1600x900.")
@click.option("--depth", type=click.Choice(["16", "24"]), help="Bits of a pixel.")
@click.option("--session", metavar="NAME", default="", help="auto, xfce4, openbox ... or a command.")
@click.option("--server", metavar="NAME", default="", help="VNC server: auto, or one such as tigervnc.")
@click.option("--display", metavar=":N", default="", help="X display; without it a free one.")
@as_json
async def start(
    box: Box,
    geometry: str,
    depth: str | None,
    session: str,
    server: str,
    display: str,
    as_json: bool,
) -> None:
    """Start a desktop and wait until its session has run for three seconds."""
    from gpubox.boxes.desktops import DesktopSpec

    spec = DesktopSpec(geometry, int(depth or 0), session, server, display)
    desktops = desktops_of(box)
    started = await desktops.start(spec)
    await retry(box, lambda: desktops.settled(started))
    if as_json:
        print_json(box.name, desktops=[to_json(started)])
    else:
        click.echo(clean(f"{started.name} runs {started.session}"))
    if desktops.ends_at_logout:
        click.echo("The box ends it when you log out; there: loginctl enable-linger", err=True)


@desktop.on_box(short_help="End a desktop.")
@which
async def stop(box: Box, display: str) -> None:
    """End a desktop and the helpers that its session leaves behind."""
    desktops = desktops_of(box)
    chosen = _chosen(await retry(box, desktops.list), display)
    click.echo(clean(await desktops.stop(chosen)))


@desktop.on_box(short_help="End a desktop and start it again.")
@which
async def restart(box: Box, display: str) -> None:
    """End a desktop that was started here, and start it again with the same session and size."""
    desktops = desktops_of(box)
    chosen = _chosen(await retry(box, desktops.list), display)
    again = await desktops.restart(chosen)
    await retry(box, lambda: desktops.settled(again))
    click.echo(clean(f"{again.name} runs {again.session}"))


@desktop.on_box("open", short_help="Show a desktop in a viewer.")
@which
async def open_(box: Box, display: str) -> None:
    """Show a desktop in a viewer of this machine; start one when none runs. It stays until the viewer ends.

    Without a viewer the address is printed, and the way to the box stays open until Ctrl-C.
    """
    from gpubox.boxes.desktops import DesktopSpec

    # A retry finds the desktop that was started before the link dropped.
    desktops = desktops_of(box)
    session = await retry(box, lambda: desktops.ready(DesktopSpec(display=display)))
    async with await desktops.open(session) as viewing:
        by = f"in {viewing.viewer.name}" if viewing.viewer else "to any VNC viewer"
        click.echo(f"{session.name} {by}: {viewing.address}")
        if viewing.page:
            click.echo(f"in a browser: {viewing.page}")
        elif viewing.viewer is None:
            click.echo("in a browser, where the box has noVNC: --set desktop.viewer=browser")
        if viewing.password:
            click.echo(f"password, for this time only: {viewing.password}")
        await viewing.wait()
    await retry(box, lambda: desktops.check(session))


@desktop.command(short_help="Save a picture of a desktop.")
@click.argument("display", required=False, metavar="[DISPLAY]")
@click.argument("file", required=False, metavar="FILE.png")
@common_options
@click.pass_context
def shot(ctx: click.Context, display: str | None, file: str | None) -> int:
    """Write what a desktop shows now to FILE.png, or to stdout when FILE is `-`."""
    if display is None:
        raise click.UsageError("Missing argument 'FILE.png'.", ctx)
    path = display if file is None else file
    display = "" if file is None else display

    async def work(box: Box) -> int:
        from gpubox.rfb.png import png

        desktops = desktops_of(box)
        chosen = _chosen(await retry(box, desktops.list), display)
        picture = await retry(box, lambda: desktops.shot(chosen))
        _save(path, png(picture.width, picture.height, picture.rgb))
        if path != "-":
            click.echo(f"{path}: {chosen.name}, {picture.width} x {picture.height}")
        return 0

    return on_box(ctx, work)


def _save(path: str, data: bytes) -> None:
    if path == "-":
        sys.stdout.buffer.write(data)
        return
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise ConfigError("The picture cannot be written", f"{path}: {error.strerror}") from error


def _chosen(found: Sequence[DesktopSession], display: str) -> DesktopSession:
    """Return the desktop of a display; raises RemoteError when none matches, or several do."""
    from gpubox.boxes.desktops.session import own_sessions

    number = display.lstrip(":")
    mine = own_sessions(found)
    ours = [one for one in mine if one.ours]
    named = [one for one in found if one.display == f":{number}"] if number else ours or mine
    if len(named) == 1:
        return named[0]
    running = ", ".join(f"{one.display or one.server} of {one.user}" for one in found) or "none"
    if not named:
        what = f"There is no desktop :{number}" if number else "You have no desktop there"
        raise RemoteError(what, f"These run: {running}", "Start one with `desktop BOX start`")
    raise RemoteError("Several desktops", f"These run: {running}", "Name the display, such as :1")


def _rows(found: Sequence[DesktopSession]) -> list[str]:
    rows = [("DISPLAY", "SERVER", "USER", "SIZE", "SESSION", "REACHED BY")]
    for one in found:
        way = "socket" if one.path else f"port {one.port}"
        rows.append((one.display or "–", one.server, one.user, one.geometry or "–", one.session or "–", way))
    return aligned(rows)


def to_json(session: DesktopSession) -> dict[str, object]:
    """Return the JSON form of a desktop."""
    return {
        "display": session.display,
        "server": session.server,
        "pid": session.pid,
        "user": session.user,
        "mine": session.mine,
        "ours": session.ours,
        "started": session.started,
        "geometry": session.geometry,
        "depth": session.depth,
        "title": session.title,
        "session": session.session,
        "path": session.path,
        "port": session.port,
        "security": session.security,
        "physical": session.physical,
    }
