"""Groups of commands that follow a box, each command written as one coroutine function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from gpubox.commands.common import common_options

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.config.settings import Settings

Work = Callable[..., Awaitable[int | None]]


class OfBox(click.Group):
    """A group of commands that follow a box; `default` is run where none is named."""

    def __init__(self, *args: Any, default: str = "list", **attributes: Any) -> None:
        super().__init__(*args, **attributes, invoke_without_command=True, no_args_is_help=True)
        self.subcommand_metavar = "[COMMAND]"
        self._default = default

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; returns the exit status."""
        done = super().invoke(ctx)
        return done if ctx.invoked_subcommand else ctx.invoke(self.commands[self._default])

    def on_box(self, name: str | None = None, **attributes: Any) -> Callable[[Work], click.Command]:
        """Turn a coroutine function into a command; it gets the connected box and the command's options.

        It returns the exit status, or None for 0.
        """

        def made(work: Work) -> click.Command:
            @click.pass_context
            @wraps(work)
            def run(ctx: click.Context, **options: object) -> int:
                return on_box(ctx, lambda box: work(box, **options))

            command = self.command(name, **attributes)(common_options(run))
            command.params.sort(key=lambda option: not option.expose_value)  # its own before the shared ones
            return command

        return made


def name_of_box(ctx: click.Context) -> str:
    """Return the name of the box that a command of an OfBox is about."""
    assert ctx.parent
    return ctx.parent.params["box"]


def on_box(ctx: click.Context, work: Callable[[Box], Awaitable[int | None]]) -> int:
    """Run the work of an OfBox's command on the connected box; return the exit status."""
    from gpubox.commands.session import with_box

    async def done(box: Box, _: Settings) -> int:
        return await work(box) or 0

    return with_box(ctx, name_of_box(ctx), done)
