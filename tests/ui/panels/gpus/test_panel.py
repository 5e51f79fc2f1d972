"""What the panel of GPUs says, in every state a GPU can be in."""

from __future__ import annotations

import itertools

import pytest
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion
from textual.geometry import Offset

from gpubox.config.settings import Settings, UiSettings
from gpubox.core.sample import Driver, Fault, Sample
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import length
from gpubox.ui.panels.gpus import card
from gpubox.ui.panels.gpus.panel import Gpus, arrange
from gpubox.ui.widgets.details import Details
from tests import samples
from tests.parts import gtx_1070, rtx_4090
from tests.ui.conftest import SIZES
from tests.ui.fakes import Clock, until
from tests.ui.stage import Stage, on_stage, same_picture

pytestmark = pytest.mark.usefixtures("clock")

AS_TABLE, AS_CARDS = (Settings(ui=UiSettings(cards_up_to=most)) for most in (0, 8))
FAHRENHEIT = Settings(ui=UiSettings(temperature_unit="fahrenheit"))


async def text_of(sample: Sample, size: tuple[int, int] = (100, 20), settings: Settings | None = None) -> str:
    async with on_stage(Gpus, sample, size, settings=settings) as (stage, _):
        return stage.text


async def details_of(sample: Sample, *keys: str) -> str:
    async with on_stage(Gpus, sample, (120, 50)) as (stage, pilot):
        await pilot.press(*keys, "enter")
        await until(pilot, lambda: stage.window)
        return stage.window


async def test_a_card_reports_load_memory_heat_power_and_fan() -> None:
    text = await text_of(samples.training_box())
    for said in ("GeForce GTX 1070", "97%", "7.1G/8.0G", "79/92°C", "148/151W", "64%", "P2", "1835/1987MHz"):
        assert said in text
    assert "power cap" in text
    assert "SIMULATED" not in text


async def test_simulated_cards_say_so() -> None:
    text = await text_of(samples.training_box(simulated=True))
    assert text.count("SIMULATED") == 3  # once a card, and in the border
    table = await text_of(samples.training_box(simulated=True), settings=AS_TABLE)
    assert table.count("SIMULATED") == 3


async def test_heat_and_a_full_memory_are_named_by_sign_and_word_too() -> None:
    text = await text_of(samples.hot_and_throttled())
    assert "93/92°C!!" in text
    assert "7.9G/8.0G!!" in text
    assert "!! hot" in text
    assert "!! power brake" in text
    assert "!! 2 ECC errors" in text


async def test_the_cards_own_slowdown_threshold_lowers_the_alarm() -> None:
    calm = replace(samples.training_box(), gpus=(gtx_1070(temperature=79, temperature_slowdown=92),))
    own = replace(samples.training_box(), gpus=(gtx_1070(temperature=79, temperature_slowdown=78),))
    assert "!" not in await text_of(calm)
    assert "!! too hot" in await text_of(own)


async def test_temperatures_come_in_the_unit_that_is_expected() -> None:
    text = await text_of(samples.training_box(), settings=FAHRENHEIT)
    assert "174/198°F" in text
    assert "°C" not in text


async def test_a_lost_gpu_keeps_its_row_with_the_time_and_what_to_do() -> None:
    text = await text_of(samples.lost_gpu())
    assert "!! LOST 12:33:23 · Xid 79" in text
    assert "GPU is lost: the card no longer answers" in text
    assert "Reboot the box" in text
    assert "97%" in text  # the other one works on
    table = await text_of(samples.lost_gpu(), settings=AS_TABLE)
    assert "!! LOST 12:33:23" in table


async def test_a_lost_gpu_is_drawn_as_an_alarm() -> None:
    async with on_stage(Gpus, samples.lost_gpu()) as (stage, _):
        lines = stage.query_one("#cards", LineView).shown_lines
        assert any(span.tone == "alarm" and "LOST" in span.text for line in lines for span in line)


async def test_a_mismatch_names_both_versions_and_the_way_out() -> None:
    text = await text_of(samples.mismatch())
    assert "550.120" in text
    assert "550.144.03" in text
    assert "Reboot" in text


async def test_a_box_without_gpus_is_no_alarm() -> None:
    async with on_stage(Gpus, samples.no_device(), (100, 20)) as (stage, pilot):
        ((only,),) = (cards := stage.query_one("#cards", LineView)).shown_lines
        assert (only.text, only.tone) == ("No NVIDIA GPU here", "faint")
        await pilot.hover(cards, offset=(3, 0))
        await until(pilot, lambda: cards.tooltip)
        assert "/sys/bus/pci/devices" in str(cards.tooltip)


LOST_DRIVER = replace(samples.no_device(), driver=Driver(version="550.120"))


@pytest.mark.parametrize(
    "sample", [samples.no_driver(), LOST_DRIVER], ids=["no driver", "driver without GPUs"]
)
async def test_without_gpus_the_panel_says_what_was_looked_for(sample: Sample) -> None:
    text = await text_of(sample)
    assert "!! No NVIDIA" in text
    assert sample.faults[0].looked[0] in text


async def test_a_fault_beside_working_gpus_stands_above_them() -> None:
    sample = replace(samples.training_box(), faults=(Fault(code="permission", detail="denied"),))
    text = await text_of(sample)
    assert text.startswith("!! ")
    assert "GeForce GTX 1070" in text


async def test_a_missing_value_is_a_dash_and_the_pointer_finds_the_reason() -> None:
    async with on_stage(Gpus, samples.sparse(), (60, 9)) as (stage, pilot):
        lines = (cards := stage.query_one("#cards", LineView)).plain.splitlines()
        y = next(y for y, line in enumerate(lines) if " util" in line)
        assert "0%" not in lines[y]
        x = lines[y].index("–")
        await pilot.hover(cards, offset=(x, y))
        await until(pilot, lambda: cards.tooltip)
        assert str(cards.tooltip) == "N/A"
        await pilot.hover(cards, offset=(3, 0))
        await until(pilot, lambda: not cards.tooltip)


async def test_details_have_every_field_and_the_reason_of_each_that_is_missing() -> None:
    text = await details_of(samples.training_box())
    for label in ("Memory temperature", "Energy since load", "ECC corrected", "Remapped rows", "MIG"):
        assert any(line for line in text.splitlines() if label in line and "– Not Supported" in line), label
    assert "GPU-1d3f6c0e-1070-4a7b-9a51-2f0c7d1e8b10" in text
    assert "measured while this is open" in text


async def test_details_are_about_the_gpu_that_was_chosen_with_the_keys() -> None:
    assert samples.UUID_4090 in await details_of(samples.training_box(), "down")


async def test_details_report_reasons_in_whole_sentences() -> None:
    text = await details_of(samples.hot_and_throttled())
    assert "!! hot: above its target temperature: the driver lowers the clock" in text


async def test_details_list_the_mig_instances() -> None:
    text = await details_of(samples.mig_box())
    assert "MIG 3g.40gb" in text
    assert "27.1G of  39.5G" in text


async def test_pcie_rates_are_read_only_while_details_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []
    async with on_stage(Gpus, samples.training_box()) as (stage, pilot):
        monkeypatch.setattr(stage.panel.box, "watch_pcie", asked.append)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(stage.screen, Details))
        assert asked == [1]
        fresh = replace(samples.training_box(), gpus=(gtx_1070(), rtx_4090(pcie_rx=3.2e9, pcie_tx=1.1e9)))
        stage.panel.box.sample.put(fresh)
        await until(pilot, lambda: "3.0G/s" in stage.window)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(stage.screen, Details))
        assert asked == [1, None]


async def test_a_click_chooses_a_card_and_a_second_one_opens_it() -> None:
    async with on_stage(Gpus, samples.training_box(), (80, 12)) as (stage, pilot):
        await pilot.click("#cards", offset=Offset(20, 6))
        chosen = stage.panel.chosen
        assert chosen is not None
        assert chosen.index == 1
        await pilot.click("#cards", offset=Offset(20, 1), times=2)
        await until(pilot, lambda: samples.UUID_1070 in stage.window)


async def test_unified_memory_says_so() -> None:
    assert "unified" in await text_of(samples.unified())
    assert "GPU and CPU share it" in await details_of(samples.unified())


async def test_mig_instances_have_meters_of_their_own() -> None:
    text = await text_of(samples.mig_box())
    assert "1 3g.40gb" in text
    assert "27.1G/39.5G" in text
    assert "MIG 3" in text


async def test_many_gpus_come_as_a_table_and_a_key_switches() -> None:
    async with on_stage(Gpus, samples.eight_gpus(), (120, 20)) as (stage, pilot):
        assert stage.panel.tabular
        assert "RECENT" in stage.text
        assert "78.6G/79.6G!!" in stage.text
        await pilot.press("c")
        assert not stage.panel.tabular
        assert "RECENT" not in stage.text
        assert stage.query_one("#cards").has_focus
        await pilot.press("c")
        assert stage.panel.tabular


async def test_the_limit_for_cards_is_a_setting() -> None:
    async with on_stage(Gpus, samples.eight_gpus(), settings=AS_CARDS) as (stage, _):
        assert not stage.panel.tabular


async def test_arrow_keys_bring_a_card_into_sight() -> None:
    async with on_stage(Gpus, samples.eight_gpus(), (80, 11), settings=AS_CARDS) as (stage, pilot):
        cards = stage.query_one("#cards", LineView)
        await pilot.press(*["down"] * 7)
        await pilot.pause()
        top = cards.scroll_offset.y
        shown = cards.plain.splitlines()[top : top + cards.size.height]
        assert any(line.startswith("▌7 H100") for line in shown)


@pytest.mark.parametrize("name", samples.BUILDERS)
def test_a_card_takes_exactly_its_room(name: str, clock: Clock) -> None:
    sample = samples.BUILDERS[name]()
    history = samples.filled(sample, seconds=60)
    for gpu, width, height in itertools.product(sample.gpus, (38, 60, 80, 118, 198), range(1, 15)):
        limits = Settings().limits.for_gpu(gpu)
        lines = card.card(card.Card(gpu, limits, history, clock.time(), 300), width, height)
        assert [length(line) for line in lines] == [width] * height, (width, height)


@pytest.mark.parametrize(
    ("count", "width", "height", "expected"),
    [
        (2, 76, 8, (1, 4)),
        (2, 116, 15, (1, 7)),
        (2, 196, 12, (2, 10)),
        (4, 116, 14, (2, 6)),
        (3, 116, 16, (1, 5)),
        (3, 196, 20, (3, 10)),
        (3, 76, 9, (1, 3)),
        (5, 116, 16, (2, 5)),
        (1, 76, 40, (1, card.MOST)),
        (7, 76, 9, (1, card.LEAST)),
    ],
)
def test_cards_share_the_room(count: int, width: int, height: int, expected: tuple[int, int]) -> None:
    assert arrange(count, width, height) == expected


async def test_before_the_first_reading_nothing_can_be_done() -> None:
    async with on_stage(Gpus, None) as (stage, pilot):
        assert "No reading yet" in stage.text
        await pilot.press("enter", "c", "down")
        assert not isinstance(stage.screen, Details)


async def test_old_data_is_dimmed() -> None:
    async with on_stage(Gpus, samples.training_box()) as (stage, _):
        stage.panel.stale = True
        assert stage.panel.has_class("-stale")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_picture_of_two_cards(size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    rows = {80: 11, 120: 17, 200: 14}[size[0]]
    async with on_stage(Gpus, samples.training_box(simulated=True), (size[0], rows)) as (stage, _):
        assert "GeForce RTX 4090" in stage.text
        same_picture(stage, snapshot)


async def test_the_picture_of_eight_gpus(snapshot: SnapshotAssertion) -> None:
    async with on_stage(Gpus, samples.eight_gpus(), (120, 11)) as (stage, _):
        same_picture(stage, snapshot)


async def test_the_picture_of_sick_cards(snapshot: SnapshotAssertion) -> None:
    sick = samples.hot_and_throttled()
    sample = replace(sick, gpus=(*sick.gpus, replace(samples.lost_gpu().gpus[1], index=2)))
    async with on_stage(Gpus, sample, (100, 20)) as (stage, _):
        same_picture(stage, snapshot)


async def test_the_picture_of_details(snapshot: SnapshotAssertion) -> None:
    async with on_stage(Gpus, samples.training_box(), (120, 40)) as (stage, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: stage.window)
        picture: Stage[Gpus] = stage
        same_picture(picture, snapshot)
