"""The result files of a job: fetches them to this machine, and shows pictures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from gpubox.boxes.box import Box
from gpubox.boxes.jobs import results, wording
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.common import units
from gpubox.core.errors import GpuBoxError
from gpubox.core.record import Record
from gpubox.core.sanitize import clean
from gpubox.rfb.image import Picture
from gpubox.rfb.image_files import LARGEST, SUFFIXES, read
from gpubox.ui.draw.spans import Line, Span
from gpubox.ui.draw.table import Column, Table
from gpubox.ui.draw.thumbnail import Thumbnail
from gpubox.ui.error_boundary import guarded
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.titles import set_caption, set_title


class ResultFile:
    """A result file of a job."""

    def __init__(self, path: str) -> None:
        self.path = path
        """Its path on the box."""
        self.name = PurePosixPath(path).name
        self.local: Path | None = None
        """Its local path, once it was fetched."""

    @property
    def picture(self) -> bool:
        """Whether it is a picture that can be shown."""
        return self.name.lower().endswith(SUFFIXES)


def _here(result: ResultFile) -> Line:
    if result.local is None:
        return (Span("on the box", "muted"),)
    return (Span(units.size(result.local.stat().st_size) if result.local.exists() else "gone", "util"),)


_COLUMNS: Sequence[Column[ResultFile]] = (
    Column("name", 24, lambda one: clean(one.name, 100), lambda one: one.name, "FILE", left=True,
        tone="title"),
    Column("here", 10, _here, lambda one: one.local is not None),
    Column("path", 20, lambda one: clean(one.path, 300), lambda one: one.path, "ON THE BOX", left=True,
        tone="muted", grows=True),
)  # fmt: skip


class JobResults(ModalScreen[None]):
    """Lists the files of one job until it is closed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g,enter", "fetch", "Fetch", id="results.fetch", tooltip="Fetch the files to this machine"),
        Binding("escape,q", "dismiss(None)", "Close", id="results.close", tooltip="Go back"),
    ]

    def __init__(self, box: Box, record: Record) -> None:
        super().__init__()
        self._box = box
        self._record = record
        self._results = [ResultFile(path) for path in record.results]
        self._list: Table[ResultFile] = Table(
            _COLUMNS, lambda one: one.path, sort="name", empty="No file fits, so far", id="files"
        )
        self._picture = Thumbnail(id="picture")
        self._shown = ""

    def compose(self) -> ComposeResult:
        """Compose the list, and the area of the picture."""
        with Vertical(id="results") as frame:
            set_title(frame, f"Results of {wording.name(self._record)}")
            yield self._list
            yield self._picture
        yield KeyFooter()

    def on_mount(self) -> None:
        """Show the list."""
        self._list.show(self._results)
        self._list.focus()
        self._look()

    def on_table_chosen(self) -> None:
        """Show the picture under the cursor."""
        self._look()

    def on_table_opened(self) -> None:
        """Fetch the results."""
        self.action_fetch()

    def action_fetch(self) -> None:
        """Fetch all files, and show the chosen one."""
        self.run_worker(guarded(self, self._fetch()), exclusive=True, exit_on_error=False)

    async def _fetch(self) -> None:
        frame = self.query_one("#results")
        set_caption(frame, "fetching …")
        try:
            folder = await self._box.use(Jobs).fetch(self._record)
        except GpuBoxError:
            set_caption(frame, "")
            raise
        places = results.places(folder, self._record)
        for result in self._results:
            result.local = places.get(result.path)
        set_caption(frame, clean(str(folder), 200))
        self._list.show(self._results)
        self._look()

    def _look(self) -> None:
        result = self._list.chosen
        if result is None or result.path == self._shown:
            return
        if not result.picture:
            self._picture.show(None, "")
        elif result.local is None:
            self._picture.show(None, "g fetches it, and shows it here")
        else:
            self._shown = result.path
            work = self._show(result.local)
            self.run_worker(guarded(self, work), group="picture", exclusive=True, exit_on_error=False)
            return
        self._shown = ""

    async def _show(self, path: Path) -> None:
        self._picture.show(None, "reading …")
        try:
            picture = await asyncio.to_thread(_read, path)
        except GpuBoxError as error:
            self._picture.show(None, str(error))
        else:
            self._picture.show(picture)


def _read(path: Path) -> Picture:
    """Return the picture in a file of this machine; raises GpuBoxError."""
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise GpuBoxError("Too large", f"{units.size(size)} is too much to be shown here", "")
        return read(path.read_bytes())
    except OSError as error:
        raise GpuBoxError("Not read", f"{path.name}: {error.strerror}", "") from error
