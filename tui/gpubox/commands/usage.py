"""`gpubox-tui usage`: who used the GPUs of a box, from the history that the service keeps there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from gpubox.commands.common import common_options, complete_box
from gpubox.commands.output import as_json, print_json

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.config.settings import Settings

By = Literal["user", "gpu"]


class TimeSpan(click.ParamType[float]):
    """A time such as 90m, 24h or 7d, in seconds."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds; fails for other texts."""
        from gpubox.core.bounds import whole

        units = {"m": 60, "h": 3600, "d": 86_400}
        number = whole(value[:-1]) if value[-1:] in units else None
        if not number or not 0 < number * units[value[-1]] <= 365 * 86_400:
            self.fail("a time is a number and m, h or d, such as 24h or 7d, up to 365d", param, ctx)
        return float(number * units[value[-1]])


@click.command()
@click.argument("box", shell_complete=complete_box)
@click.option(
    "--since", type=TimeSpan(), default="7d", metavar="TIME", help="How far back: 24h, 7d (default), 30d."
)
@click.option(
    "--by", type=click.Choice(["user", "gpu"]), default="user", help="A row for each user, or each GPU."
)
@as_json
@click.option("--csv", "as_csv", is_flag=True, help="Values separated by commas.")
@common_options
@click.pass_context
def usage(ctx: click.Context, box: str, since: float, by: By, as_json: bool, as_csv: bool) -> int:
    """Print who used the GPUs of BOX: GPU-hours held, busy and idle, and energy.

    The numbers are from the service that `monitor BOX install` puts there, in whole hours. Users of one GPU
    at the same time share its hours.

    Exit status: 0 fine, 1 no service ever watched the box, or the box failed, 2 usage error.
    """
    from gpubox.commands.session import with_box

    async def work(opened: Box, _settings: Settings) -> int:
        import time

        from gpubox.boxes.monitor import BoxHistory
        from gpubox.commands import usage_report
        from gpubox.commands.retry import retry
        from gpubox.core.errors import RemoteError

        end = time.time()
        answer = await retry(opened, lambda: opened.use(BoxHistory).usage(end - since, end + 1))
        if not answer.present or answer.usage is None:
            text = "No service watches this box, or it has not stored anything yet"
            hint = f"Install it: gpubox-tui monitor {opened.name} install"
            raise RemoteError("No use is known", text, hint)
        report = usage_report.report(answer.usage, since, by)
        if as_json:
            print_json(opened.name, gpu_usage=report.to_json())
        else:
            click.echo("\n".join(report.as_csv() if as_csv else report.lines(opened.name)))
        return 0

    return with_box(ctx, box, work)
