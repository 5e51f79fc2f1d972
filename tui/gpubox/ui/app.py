"""The Textual app: opens boxes, keeps them open, and asks the user every question."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual._context import active_message_pump
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.screen import Screen
from textual.theme import Theme

from gpubox.boxes.box import Box
from gpubox.boxes.fleet import Fleet, Opener
from gpubox.config.reload import SettingsFile
from gpubox.config.settings import Settings
from gpubox.core import gc_tuning
from gpubox.core.errors import ConfigError, GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.prompts import Question
from gpubox.core.target import Target
from gpubox.store.store import Store
from gpubox.ui.error_boundary import UNEXPECTED, guarded, toast, where_to_look
from gpubox.ui.exit_signals import exit_on_signals
from gpubox.ui.failure_isolation import contain
from gpubox.ui.layout_events import announce_every_widget
from gpubox.ui.screens.box import BoxScreen
from gpubox.ui.screens.kinds import screen_of
from gpubox.ui.terminal_driver import TerminalDriver
from gpubox.ui.theme import GPUBOX, Themed
from gpubox.ui.widgets.line_input import LineInput

log = logging.getLogger("gpubox.ui")
announce_every_widget()


def _key_provider() -> type[Provider]:
    from gpubox.ui.keys import KeyProvider

    return KeyProvider


class GpuBoxApp(Themed):
    """The panel. It is an Asker: questions come up as modals, one after the other."""

    CSS_PATH = ["gpubox.tcss", "windows.tcss", "jobs.tcss"]  # noqa: RUF012
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium"), (160, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-short"), (30, "-tall")]  # noqa: RUF012
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_key_provider}
    HELP = "One program, one ssh login per box. `b` shows all boxes; those that were opened stay open."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "boxes", "Boxes", id="app.boxes", tooltip="Show all boxes; open ones stay open"),
        Binding("question_mark,f1", "help", "Help", id="app.help", tooltip="Explain what is here"),
        Binding("ctrl+p", "command_palette", "Palette", id="app.palette", tooltip="Find a command by name"),
        Binding("ctrl+t", "change_theme", "Theme", id="app.theme", tooltip="Choose other colors", show=False),
        Binding("q", "quit", "Quit", id="app.quit", tooltip="Close all boxes and leave; ctrl+q does it too"),
    ]

    def __init__(
        self,
        *,
        settings: Settings,
        targets: list[Target],
        first: Target | None,
        store: Store | None = None,
        opener: Opener | None = None,
        warnings: Sequence[GpuBoxError] = (),
        remember: Callable[[Target], object] = lambda _: None,
        trouble: Feed[GpuBoxError | None] | None = None,
        file: SettingsFile | None = None,
    ) -> None:
        """Set up the app from the command line.

        Args:
            settings: the user's settings.
            targets: all known boxes, last used first.
            first: the box to open, or None for the list of boxes.
            store: the database on this machine; None stores nothing.
            opener: makes the boxes instead of the settings; called once per box, after the first paint.
            warnings: faults of the settings; shown now and in the help.
            remember: called with each box that is opened; true when this machine sees it for the first time.
            trouble: errors of the history on this machine's disk; each is shown once.
            file: the source of the settings; read again when the list of boxes opens.
        """
        super().__init__()
        self.driver_class = TerminalDriver
        self.settings = settings
        self.targets = targets
        """All known boxes, last used first."""
        self.screens: dict[str, BoxScreen] = {}
        """The screens of the opened boxes, by name."""
        self._first = first
        self.fleet = Fleet(settings, self, store, opener)
        self._remember = remember
        self._notices = list(warnings)
        self._trouble = trouble
        self._file = file
        self._asking = asyncio.Lock()
        self._picking = False
        self.animation_level = "none"
        if settings.ui.theme != GPUBOX.name and settings.ui.theme in self.available_themes:
            self.theme = settings.ui.theme

    def on_mount(self) -> None:
        """Show the first box, or the list of boxes."""
        # From Python 3.12 on Textual lets tasks start inside create_task, with which asyncssh's logins hang.
        asyncio.get_running_loop().set_task_factory(None)
        exit_on_signals(self)
        self._theme_saved = self.theme
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        if self._first is not None:
            self.show_box(self._first)
        else:
            self.action_boxes()
        self.call_after_refresh(self._say_what_is_wrong)
        if gc_tuning.held():
            self.set_timer(gc_tuning.STARTED, gc_tuning.release)

    def _say_what_is_wrong(self) -> None:
        if self.settings.keys:
            from gpubox.ui.keymap import keymap

            usable, errors = keymap(self.settings.keys, GpuBoxApp)
            self.set_keymap(usable)
            self._notices += errors
        for notice in self._notices:
            toast(self, notice)
        if self._trouble is not None:
            self.run_worker(guarded(self, self._report(self._trouble)), exit_on_error=False)

    async def _report(self, feed: Feed[GpuBoxError | None]) -> None:
        async for trouble in feed.follow():
            if trouble is not None:
                self._notices.append(trouble)
                toast(self, trouble)

    def show_box(self, target: Target) -> None:
        """Show a box; opens it if needed."""
        screen = self.screens.get(target.name)
        if screen is None:
            screen = screen_of(target, self.fleet)
            self.screens[target.name] = screen
            # Installed screens survive when another one is shown.
            self.install_screen(screen, f"box {target.name}")  # pyright: ignore[reportUnknownMemberType]
        self.targets.sort(key=lambda other: other.name != target.name)
        screen.new = bool(self._remember(target)) or screen.new
        if isinstance(self.screen, BoxScreen):
            self.switch_screen(f"box {target.name}")  # pyright: ignore[reportUnknownMemberType]
        else:
            self.push_screen(screen)

    def _keep_theme(self, theme: Theme) -> None:
        """Save the chosen theme for the next start."""
        if self._file is not None and theme.name != self._theme_saved:
            self._theme_saved = theme.name
            try:
                self._file.set_theme(theme.name)
            except ConfigError as error:
                toast(self, error)

    def _read_boxes(self) -> None:
        """Reload the boxes of the settings."""
        from gpubox.boxes.targets import refreshed

        if self._file is None:
            return
        self.settings, problems = self._file.with_new_boxes(self.settings)
        self.fleet.settings = self.settings
        self.targets = refreshed(self.targets, self.settings, self.screens)
        for problem in problems:
            if all(str(problem) != str(notice) for notice in self._notices):
                self._notices.append(problem)
                toast(self, problem)

    def action_boxes(self) -> None:
        """Show all boxes."""
        from gpubox.boxes.targets import parse
        from gpubox.ui.screens.picker import PickerScreen

        self._read_boxes()
        picker = PickerScreen(
            self.targets,
            {name: screen.box for name, screen in self.screens.items()},
            lambda name: parse(name, self.settings),
            ui=self.settings.ui,
            first=not self.screens,
        )
        self._picking = True
        self.push_screen(picker, self._picked)

    def _picked(self, target: Target | None) -> None:
        self._picking = False
        if target is not None:
            if all(target.name != known.name for known in self.targets):
                self.targets.insert(0, target)
            self.show_box(target)

    def action_help(self) -> None:
        """Show the help."""
        from gpubox.ui.screens.help import help_of

        self.push_screen(help_of(self.screen, self.settings.keys, self._notices))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: shells need channels, the list must not be shown."""
        if action in ("shell", "windows"):
            return (box := self._shown()) is not None and box.channels.value is not None
        return action != "boxes" or not self._picking

    def _shown(self) -> Box | None:
        """Return the box that the screen shows."""
        return self.screen.box if isinstance(self.screen, BoxScreen) else None

    def action_shell(self) -> None:
        """Suspend the panel for a shell of the shown box."""
        from gpubox.ui.shell import visit

        if (box := self._shown()) is not None:
            visit(self, box)

    def action_windows(self) -> None:
        """Ask for a graphical program of the shown box, and run it."""
        from gpubox.ui.x11_actions import open_windows

        if (box := self._shown()) is not None:
            open_windows(self, box)

    async def action_quit(self) -> None:
        """Quit; ask first if something would end with the program."""
        from gpubox.ui.quit_confirmation import last_question
        from gpubox.ui.screens.ask import AskScreen

        if isinstance(self.screen, AskScreen):  # already asking: then quit at once
            self.exit()
            return
        question = last_question(self.fleet.boxes.values())
        if question is None:
            self.exit()
        else:
            self.run_worker(self._leave(question), exit_on_error=False)

    def action_help_quit(self) -> None:
        """Show how to quit: ctrl+c is pressed by habit, and copies selected text."""
        self.notify("q leaves gpubox-tui; in a window or a field, ctrl+q does", markup=False)

    async def _leave(self, question: Question) -> None:
        if await self.ask(question) == "yes":
            self.exit()

    async def ask(self, question: Question) -> str | None:
        """Put a question to the user as a modal; concurrent questions queue."""
        from gpubox.ui.screens.ask import AskScreen

        async with self._asking:
            answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
            screen = AskScreen(question)
            self.call_later(self._show_question, screen, answer)
            try:
                return await answer
            except asyncio.CancelledError:
                screen.withdrawn = True
                if screen.is_active:
                    screen.dismiss(None)
                raise

    def on_line_input_joined(self, event: LineInput.Joined) -> None:
        """Show how pasted lines were joined, unless a form shows it beside the field."""
        self.notify(event.words, markup=False)

    def _show_question(self, screen: Screen[str | None], answer: asyncio.Future[str | None]) -> None:
        def answered(value: str | None) -> None:
            if not answer.done():
                answer.set_result(value)

        if not answer.done():
            self.push_screen(screen, answered)

    def _handle_exception(self, error: Exception) -> None:
        """Mark the failed panel, or close the failed window; other failures end the program with a sentence.

        The traceback goes to the log.
        """
        if contain(active_message_pump.get(None), error):
            return
        log.critical("the program ends", exc_info=error)
        self._return_code = 1
        if self._exception is None:
            self._exception = error  # the pilot of the tests raises it again
            self._exception_event.set()  # pyright: ignore[reportUnknownMemberType]
        if not self._exit_renderables:  # failures during the exit would hide the cause
            text = Text.assemble((UNEXPECTED, "bold"), f": {type(error).__name__}. {where_to_look()}")
            self.panic(text)
