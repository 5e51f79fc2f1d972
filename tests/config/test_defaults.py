"""The shipped settings file, the defaults in the code and the schema say the same."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from gpubox.config.edit import template
from gpubox.config.files import SECTIONS, load
from gpubox.config.places import shipped
from gpubox.config.schema import descriptions, schema
from gpubox.config.settings import PER_BOX, BoxEntry, JobEntry, Section, Settings


def test_the_shipped_file_gives_exactly_the_defaults() -> None:
    loaded = load(shipped("gpubox.toml"), environment={})
    assert (loaded.settings, loaded.problems) == (Settings(), ())


def test_the_shipped_file_names_every_setting_in_order() -> None:
    table = tomllib.loads(shipped("gpubox.toml").read_text())
    for section, kind in SECTIONS.items():
        assert list(table[section]) == list(kind.__struct_fields__)
    assert set(table) == {*SECTIONS, "keys"}


def test_the_shipped_file_explains_settings_in_the_words_of_the_code() -> None:
    text = re.sub(r"\n# ", " ", shipped("gpubox.toml").read_text())
    for struct, sentences in descriptions().items():
        if struct not in ("Section", "Settings"):
            for field, sentence in sentences.items():
                if field or struct not in ("BoxEntry", "JobEntry"):
                    assert sentence in text, f"{struct}.{field}"


def test_every_setting_is_explained_in_the_code() -> None:
    reported = descriptions()
    for kind in (*SECTIONS.values(), BoxEntry, JobEntry):
        assert set(reported[kind.__name__]) == {"", *kind.__struct_fields__}


@pytest.mark.parametrize(("key", "kind"), [("box", BoxEntry), ("job", JobEntry)])
def test_the_examples_of_the_shipped_file_can_be_used(tmp_path: Path, key: str, kind: type[Section]) -> None:
    text = shipped("gpubox.toml").read_text()
    example = text[text.index(f"# [[{key}]]") :].partition("\n\n")[0].replace("\n# ", "\n").removeprefix("# ")
    file = tmp_path / "gpubox.toml"
    file.write_text(example)
    loaded = load(file, environment={})
    assert not loaded.problems
    assert [set(entry) for entry in tomllib.loads(example)[key]] == [set(kind.__struct_fields__)]


def test_the_template_changes_nothing_until_a_line_is_uncommented(tmp_path: Path) -> None:
    file = tmp_path / "gpubox.toml"
    file.write_text(template())
    assert load(file, environment={}).settings == Settings()
    assert not any(tomllib.loads(template()).values())
    file.write_text(re.sub(r"^#(?=[a-z_]+ = )", "", template(), flags=re.MULTILINE))
    assert file.read_text() == shipped("gpubox.toml").read_text()


def test_the_schema_knows_every_setting_its_default_and_its_bounds() -> None:
    parts = schema()["$defs"]
    assert isinstance(parts, dict)
    assert set(parts["Settings"]["properties"]) == set(Settings.__struct_fields__)
    for kind in (*SECTIONS.values(), BoxEntry, JobEntry):
        properties = parts[kind.__name__]["properties"]
        assert set(properties) == set(kind.__struct_fields__)
        assert all(about["description"] for about in properties.values())
        assert parts[kind.__name__]["additionalProperties"] is False
    for key in PER_BOX:
        whole = parts["Settings"]["properties"][key]["$ref"]
        assert all(parts[name]["properties"][key]["$ref"] == whole for name in ("BoxEntry", "Overrides"))
    interval = parts["ProbeSettings"]["properties"]["interval"]
    assert (interval["minimum"], interval["maximum"], interval["default"]) == (0.5, 60, 1.0)
    assert msgspec.json.encode(schema())
