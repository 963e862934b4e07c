from __future__ import annotations

from pathlib import Path

from workers.transfer.networks.presets import manifests
from workers.transfer.networks.presets.lookup import write_package_manifests


def test_a_machine_leaves_word_of_the_packages_it_has(tmp_path: Path) -> None:
    write_package_manifests(tmp_path)
    manifest = manifests.read(manifests.path_of(tmp_path, "minilm_l6_v2"))
    assert manifest["bytes"] > 80_000_000
    assert manifests.read(tmp_path / manifests.LIBRARY)["version"]


def test_the_names_that_a_fetch_learnt_stay_while_the_library_does(tmp_path: Path) -> None:
    write_package_manifests(tmp_path)
    here = manifests.read(tmp_path / manifests.LIBRARY)
    manifests.write(tmp_path / manifests.LIBRARY, {**here, "names": ["bert_tiny_en_uncased"]})
    write_package_manifests(tmp_path)
    assert manifests.read(tmp_path / manifests.LIBRARY)["names"]
    manifests.write(tmp_path / manifests.LIBRARY, {"version": "0.1.0", "names": ["old"]})
    write_package_manifests(tmp_path)
    assert manifests.read(tmp_path / manifests.LIBRARY) == here
