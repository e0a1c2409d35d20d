"""What the user reads of a file that is wrong; `python -m tests.topology.regenerate` writes the texts anew."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dualhome.errors import TopologyError
from dualhome.topology import load
from tests.topology.goldens import GENERATED, GOLDEN, messages, noise

SOURCES = sorted(GOLDEN.glob("*.yaml"))


def agree(text: str, golden: Path) -> None:
    if os.environ.get("REGENERATE"):
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")


@pytest.mark.parametrize("source", SOURCES, ids=[each.stem for each in SOURCES])
def test_golden_messages(source: Path) -> None:
    text = messages(source.read_bytes(), source.name)
    agree(text, source.with_suffix(".txt"))
    for jargon in ("given schemas", "additionalProperties", "oneOf", "Traceback", "propertyNames"):
        assert jargon not in text


@pytest.mark.parametrize("name", GENERATED)
def test_golden_messages_of_generated_files(name: str) -> None:
    began = time.monotonic()
    text = messages(GENERATED[name](), f"{name}.yaml")
    assert time.monotonic() - began < 30
    assert text.count("\n") == 1
    agree(text, GOLDEN / f"{name}.txt")


def test_a_file_of_noise_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "noise.yaml"
    path.write_bytes(noise())
    with pytest.raises(TopologyError, match="larger than 4 MiB"):
        load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match="cannot be read"):
        load(tmp_path / "none.yaml")
