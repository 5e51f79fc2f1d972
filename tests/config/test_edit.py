"""Writing the user's settings file."""

import os
import tomllib
from pathlib import Path

import pytest

from gpubox.config import edit
from gpubox.config.files import load
from gpubox.config.settings import BoxEntry, Overrides, Settings, UiSettings
from gpubox.core.errors import ConfigError


def test_init_makes_the_folders_on_the_way(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "gpubox.toml"
    edit.init(file)
    assert file.read_text() == edit.template()
    assert [path.name for path in file.parent.iterdir()] == ["gpubox.toml"]


def test_init_leaves_an_existing_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "gpubox.toml"
    file.write_text("# mine\n")
    with pytest.raises(ConfigError, match="there already"):
        edit.init(file)
    assert file.read_text() == "# mine\n"


def test_adding_a_box_keeps_what_was_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gpubox.toml"
    before = '# mine\n[probe]\ninterval   = 2.0 # slow box\n\n[[box]]\nname = "attic" # up\n'
    file.write_text(before)
    file.chmod(0o640)
    edit.add_box(file, BoxEntry(name="lab", host="10.0.0.7", port=2222))
    text = file.read_text()
    assert text.startswith(before)
    assert tomllib.loads(text)["box"][1] == {"name": "lab", "host": "10.0.0.7", "port": 2222}
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_box_is_added_with_its_own_settings(tmp_path: Path) -> None:
    file = tmp_path / "gpubox.toml"
    box = BoxEntry(name="lab", port=22, tags=("a", "b"), jobs={"gpus": 2}, probe={"interval": 5.0})
    edit.add_box(file, box)
    loaded = load(file, environment={})
    assert (loaded.settings.box, loaded.problems) == ((box,), ())


def test_boxes_can_be_added_one_after_the_other_to_a_file_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "gpubox.toml"
    boxes = tuple(BoxEntry(name=name) for name in ("a", "b", "c"))
    for box in boxes:
        edit.add_box(file, box)
    loaded = load(file, environment={})
    assert (loaded.settings.box, loaded.problems) == (boxes, ())
    assert file.read_text().startswith(edit.template().rstrip())


def test_a_name_is_given_once(tmp_path: Path) -> None:
    file = tmp_path / "gpubox.toml"
    edit.add_box(file, BoxEntry(name="a"))
    with pytest.raises(ConfigError, match="such a box already"):
        edit.add_box(file, BoxEntry(name="a"))


@pytest.mark.parametrize("text", ["[[box", "box = 3", "\xff"])
def test_a_broken_file_is_not_written_to(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gpubox.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match="cannot be"):
        edit.add_box(file, BoxEntry(name="a"))
    assert file.read_bytes() == text.encode("latin-1")


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.toml", tmp_path / "gpubox.toml"
    real.write_text("")
    link.symlink_to(real)
    edit.add_box(link, BoxEntry(name="a"))
    assert link.is_symlink()
    assert "a" in real.read_text()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "gpubox.toml"
    file.write_text("# mine\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ConfigError, match="No space left"):
        edit.add_box(file, BoxEntry(name="a"))
    assert [path.name for path in tmp_path.iterdir()] == ["gpubox.toml"]
    assert file.read_text() == "# mine\n"


def test_dumped_settings_read_back_the_same(tmp_path: Path) -> None:
    box = BoxEntry(name="a", port=22, tags=("lab",), jobs={"exclude": ("0",)})
    tag = {"lab": Overrides(thresholds={"disk": (70.0, 80.0)})}
    settings = Settings(box=(box,), tag=tag, keys={"app.quit": "x"})
    file = tmp_path / "gpubox.toml"
    file.write_text(edit.dump(settings))
    loaded = load(file, environment={})
    assert (loaded.settings, loaded.problems) == (settings, ())


def test_a_theme_is_set_and_the_rest_stays(tmp_path: Path) -> None:
    file = tmp_path / "gpubox.toml"
    edit.set_theme(file, "nord")
    edit.set_theme(file, "dracula")
    loaded = load(file, environment={})
    assert (loaded.settings, loaded.problems) == (Settings(ui=UiSettings(theme="dracula")), ())
    file.write_text("[probe]\ninterval = 2.0 # slow\n")
    edit.set_theme(file, "nord")
    assert file.read_text().startswith("[probe]\ninterval = 2.0 # slow\n")
    assert load(file, environment={}).settings.ui.theme == "nord"
    file.write_text("ui = 3\n")
    with pytest.raises(ConfigError, match="cannot be changed"):
        edit.set_theme(file, "nord")
