"""What lies beside model files under any JSON, and any metadata: read, or refused with a sentence, and small enough to be shown."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.models.library.told import MOST_NOTE_CHARS, BadNotes, read_civitai, read_notes
from app.models.library.training import other_lines, spec_lines, tag_counts, training_lines

EXAMPLES = int(os.environ.get("DARKROOM_FUZZ", "300"))
MAX_SECONDS = 5.0
KEYS = (
    "description", "notes", "sd version", "activation text", "negative text", "preferred weight", "id", "modelId", "name", "baseModel",
    "trainedWords", "model", "files", "hashes", "SHA256", "tags",
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["<p>", "a, b", "x" * 5000])
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner), max_leaves=30)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notes") / "a.json"


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KEYS), VALUES) | VALUES)
def test_any_json_is_read_or_refused(path: Path, told: Any) -> None:
    path.write_text(json.dumps(told), encoding="utf-8")
    for read in (read_notes, read_civitai):
        try:
            found = read(path)
        except BadNotes as error:
            assert str(error).count("\n") == 0
            continue
        json.dumps([getattr(found, name) for name in found.__dataclass_fields__], ensure_ascii=False).encode()
        assert all(len(value) <= MOST_NOTE_CHARS for value in vars(found).values() if isinstance(value, str))


@pytest.mark.parametrize("text", ["<" * 100_000, "<br" * 30_000, "&" * 100_000, "<a href='" + "x" * 90_000])
def test_a_description_that_is_no_page_costs_nothing(path: Path, text: str) -> None:
    path.write_text(json.dumps({"description": text}), encoding="utf-8")
    began = time.process_time()
    read_civitai(path)
    assert time.process_time() - began < MAX_SECONDS


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.dictionaries(st.sampled_from(["ss_tag_frequency", "ss_network_dim", "ss_training_started_at", "modelspec.title"]), st.text()))
def test_any_metadata_is_put_into_lines(metadata: dict[str, str]) -> None:
    lines = [*training_lines(metadata), *spec_lines(metadata), *other_lines(metadata)]
    assert all(line.name for line in lines) and isinstance(tag_counts(metadata.get("ss_tag_frequency", "")), dict)
