from __future__ import annotations

from pathlib import Path

from workers.transfer.networks.presets import words
from workers.transfer.networks.presets.places import leave_word


def test_a_machine_leaves_word_of_the_packages_it_has(tmp_path: Path) -> None:
    leave_word(tmp_path)
    told = words.read(words.path_of(tmp_path, "minilm_l6_v2"))
    assert told["bytes"] > 80_000_000
    assert words.read(tmp_path / words.LIBRARY)["version"]


def test_the_names_that_a_fetch_learnt_stay_while_the_library_does(tmp_path: Path) -> None:
    leave_word(tmp_path)
    here = words.read(tmp_path / words.LIBRARY)
    words.leave(tmp_path / words.LIBRARY, {**here, "names": ["bert_tiny_en_uncased"]})
    leave_word(tmp_path)
    assert words.read(tmp_path / words.LIBRARY)["names"]
    words.leave(tmp_path / words.LIBRARY, {"version": "0.1.0", "names": ["old"]})
    leave_word(tmp_path)
    assert words.read(tmp_path / words.LIBRARY) == here
