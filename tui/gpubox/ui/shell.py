"""Runs a shell of the box in the panel's terminal; the panel keeps working meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from textual.app import App, SuspendNotSupported
from textual.binding import Binding

from gpubox.boxes.box import Box
from gpubox.core.errors import Dropped, GpuBoxError, RemoteError
from gpubox.core.retry import connected
from gpubox.core.sanitize import clean
from gpubox.ui.error_boundary import guarded

T = TypeVar("T")
AT_ONCE = 1.0
"""Seconds within which a failing shell is reported, because its message disappears too fast to read."""


BINDING = Binding("s", "app.shell", "Shell", id="box.shell", tooltip="Log in: a shell over the open link")


def visit(app: App[None], box: Box) -> None:
    """Open a shell of the box, and return when it ends; errors are shown."""
    app.run_worker(guarded(app, _shell(app, box)), group="shell", exclusive=True, exit_on_error=False)


async def _shell(app: App[None], box: Box) -> None:
    from gpubox.local.tty import hand_over, terminal_spec

    channels = connected(box.channels, box.name)
    command, where = await _in_env(box)
    greeting = f"{clean(box.name, 60)}: a shell over the open link{where}; Enter ~ . comes back at once"
    async with channels.terminal(command, terminal_spec()) as terminal:
        ended = await give_way(app, lambda: hand_over(terminal, greeting))
    if ended.status and ended.seconds < AT_ONCE and not (ended.typed or ended.left):
        raise RemoteError(
            "The shell ended at once",
            ended.last or f"{box.name}: it ended with status {ended.status}",
            "Look at the login shell there",
            status=ended.status,
        )


async def _in_env(box: Box) -> tuple[str | None, str]:
    """Return the command that opens a shell in the selected environment, and a note.

    If the environment is unusable, the shell opens without it, and says so: it may be needed for the repair.
    """
    from gpubox.boxes.envs.envs import Environments

    envs = box.use(Environments)
    try:
        env = await envs.restore()
        if env is not None:
            return await envs.shell_command(), f", {clean(env.name, 60)} active"
        trouble = envs.trouble.value
    except Dropped:
        raise
    except GpuBoxError as error:
        trouble = error
    return None, f", without its environment ({clean(trouble.text, 80)})" if trouble is not None else ""


async def give_way(app: App[None], work: Callable[[], Awaitable[T]]) -> T:
    """Hand the terminal to `work`, and redraw when it is done; raises what it raises.

    No exception may leave the suspended block, or Textual would stay suspended, which is right only when the
    program ends. And nothing may be drawn in it: Textual's writer has stopped, and its queue of 30 would
    fill and block the program.
    """
    done: list[T] = []
    failed: BaseException | None = None
    try:
        with app.suspend(), app.batch_update():
            try:
                done.append(await work())
            except BaseException as error:  # a cancelled one too
                failed = error
                if not app.is_running:
                    raise
    except SuspendNotSupported as error:
        raise GpuBoxError("No terminal here", "Only a panel in a terminal can give way to a shell") from error
    if failed is not None:
        raise failed
    return done[0]
