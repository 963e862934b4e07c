"""Archives as other systems and other people pack them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.formats.listing import NO_LIMITS, list_archive, open_archive
from app.datasets.reading.profile import Inspection
from app.datasets.reading.splits_words import folder_split
from app.datasets.reading.table import read
from tests.app.datasets.inspection.kinds.conftest import packed, picture

Files = dict[str, bytes | str]


class Unflagged(zipfile.ZipInfo):
    """An entry whose name is UTF-8 and does not say so, as macOS and many libraries write it."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # as zipfile calls it
        return self.filename.encode("utf-8"), self.flag_bits & ~0x800


def pictures(form: str, labels: list[str], count: int = 6) -> Files:
    return {
        form.format(x=label, n=n): picture(7 * place + n, (12, 12))
        for place, label in enumerate(labels)
        for n in range(count)
    }


def inspected(folder: Path, data: bytes, name: str = "a.zip", **declared: object) -> Inspection:
    path = folder / name
    path.write_bytes(data)
    return inspect(path, Declaration.model_validate({"filename": name, **declared}))


def codes(inspection: Inspection) -> dict[str, str]:
    return {notice.code: notice.message for notice in inspection.warnings}


@pytest.mark.parametrize(
    "labels",
    [
        [str(number) for number in range(24)],
        ["01", "1", "1e2", "100"],
        ["2023-01-01", "2023-02-01"],
        ["None", "NA", "null"],
        ["true", "false"],
    ],
)
def test_folders_are_names_as_they_are_written(tmp_path: Path, labels: list[str]) -> None:
    inspection = inspected(tmp_path, packed(pictures("{x}/{n}.png", labels)))
    assert set(inspection.description.classes) == set(labels)
    assert inspection.description.labelled_rows == 6 * len(labels)
    table = read(tmp_path / "a.zip", inspection.description)
    assert set(table["label"].to_pylist()) == set(labels)


@pytest.mark.parametrize(
    "junk",
    [
        ".ipynb_checkpoints/0-checkpoint.png",
        "cat/.ipynb_checkpoints/0-checkpoint.png",
        "__MACOSX/cat/._0.png",
        "x/__MACOSX/._0.png",
        "cat/THUMBS.DB",
        "cat/desktop.ini",
        "cat/.DS_Store",
        "cat/@eaDir/0.png",
    ],
)
def test_what_systems_leave_in_folders_is_no_example(tmp_path: Path, junk: str) -> None:
    inspection = inspected(tmp_path, packed({**pictures("{x}/{n}.png", ["cat", "dog"]), junk: picture(3)}))
    assert (inspection.description.classes, inspection.description.rows) == (["cat", "dog"], 12)
    assert "files_ignored" not in codes(inspection)


def test_a_hidden_folder_of_nobody_knows_what_is_told(tmp_path: Path) -> None:
    inspection = inspected(
        tmp_path, packed({**pictures("{x}/{n}.png", ["cat", "dog"]), ".net/0.png": picture(3)})
    )
    assert ".net/0.png" in codes(inspection)["files_ignored"]


def test_backslashes_are_read_as_slashes(tmp_path: Path) -> None:
    inspection = inspected(tmp_path, packed(pictures("set\\{x}\\{n}.png", ["cat", "dog"])))
    assert inspection.description.classes == ["cat", "dog"]


def test_names_in_utf8_are_read_though_nothing_says_so_and_letters_are_composed(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, folder in enumerate(["a\u0308pfel", "\u00e4pfel", "birnen"]):
            for n in range(6):
                archive.writestr(Unflagged(f"{folder}/{number}{n}.png"), picture(n + 7 * number))
    data = out.getvalue()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert not any(info.flag_bits & 0x800 for info in archive.infolist())
    assert inspected(tmp_path, data).description.classes == ["birnen", "\u00e4pfel"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("Training", "train"),
        ("Testing", "test"),
        ("seg_train", "train"),
        ("test-images", "test"),
        ("val2017", "validation"),
        ("trainset", "train"),
        ("training_set", "train"),
        ("eval", "test"),
        ("dev", "validation"),
        ("cat", None),
        ("train_test", None),
        ("contest", None),
    ],
)
def test_a_folders_name_says_a_part_of_the_split(name: str, part: str | None) -> None:
    assert folder_split(name) == part


@pytest.mark.parametrize(
    "form", ["Training/{x}/{n}.png", "seg_train/seg_train/{x}/{n}.png", "data/train/{x}/{n}.png"]
)
def test_splits_are_found_in_folders_as_people_call_them(tmp_path: Path, form: str) -> None:
    files = pictures(form, ["a", "b"])
    tested = form.replace("Training", "Testing").replace("train", "test")
    files |= {name: picture(99 + n) for n, name in enumerate(pictures(tested, ["a", "b"], 3))}
    split = inspected(tmp_path, packed(files)).description.split
    assert (split.column, split.rows) == ("split", {"train": 12, "validation": 0, "test": 6})


@pytest.mark.parametrize(
    ("strange", "hint"),
    [
        ({"test/0.png": "", "test/1.png": ""}, "Put the files of test into folders of their classes"),
        ({"train/a/deep/0.png": ""}, "Leave these files out"),
        ({"set/train/a/0.png": ""}, "packed twice: leave set out"),
    ],
)
def test_files_that_do_not_fit_are_the_ones_that_are_shown(tmp_path: Path, strange: Files, hint: str) -> None:
    files = pictures("train/{x}/{n}.png", ["a", "b"]) | dict.fromkeys(strange, picture(9))
    with pytest.raises(DatasetError) as caught:
        inspected(tmp_path, packed(files))
    assert caught.value.code == "unknown_folders"
    received = caught.value.message.partition("Received otherwise: ")[2]
    assert received == ", ".join(strange) + "."
    assert hint in str(caught.value.hint)


def test_pictures_without_an_ending_or_with_a_rarer_one_are_read(tmp_path: Path) -> None:
    files = (
        pictures("{x}/{n}.jfif", ["cow"]) | pictures("{x}/{n}", ["cat"]) | pictures("{x}/{n}.png", ["dog"])
    )
    assert inspected(tmp_path, packed(files)).description.classes == ["cat", "cow", "dog"]


def test_texts_without_an_ending_are_read_where_nothing_else_is(tmp_path: Path) -> None:
    files: Files = {f"{x}/{n}": f"{x} number {n} é" for x in ("sci.space", "rec.autos") for n in range(6)}
    inspection = inspected(tmp_path, packed(files))
    assert (inspection.description.kind, inspection.description.rows) == ("text", 12)
    assert inspection.description.classes == ["rec.autos", "sci.space"]


def test_a_class_without_a_file_that_is_read_is_told_by_its_name(tmp_path: Path) -> None:
    files = pictures("{x}/{n}.png", ["cat", "dog"]) | {"fox/0.tif": b"II*\0", "owl/": b""}
    files[".small/0.png"] = b""  # hidden folders are no classes
    found = inspected(tmp_path, packed(files)).warnings
    told = {notice.code: notice.message for notice in found}
    assert [notice.code for notice in found].count("class_left_out") == 1
    assert "fox/0.tif" in told["class_left_out"]
    assert "owl" in told["empty_class"]


def test_two_classes_of_which_one_cannot_be_read_are_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="none of class fox") as caught:
        inspected(tmp_path, packed({**pictures("{x}/{n}.png", ["cat"]), "fox/0.tif": b"II*\0"}))
    assert caught.value.code == "unsupported_image"


def test_an_empty_fasta_file_is_told(tmp_path: Path) -> None:
    files: Files = {
        f"{x}.faa": "".join(f">p\nMKV{'LAGE'[n % 4] * (n + 3)}\n" for n in range(6)) for x in "ab"
    }
    inspection = inspected(tmp_path, packed({**files, "c.faa": ""}))
    assert "c.faa" in codes(inspection)["empty_class"]
    assert inspection.description.columns[0].type == "protein"


def test_a_class_without_test_rows_is_told(tmp_path: Path) -> None:
    files = pictures("train/{x}/{n}.png", ["neg", "pos", "unsup"]) | {
        f"test/{x}/{n}.png": picture(50 + n) for x in ("neg", "pos") for n in range(3)
    }
    assert "unsup" in codes(inspected(tmp_path, packed(files)))["class_without_test_rows"]


def metadata(rows: dict[str, str], delimiter: str = ",") -> str:
    lines = [f"file_name{delimiter}label", *(f"{name}{delimiter}{label}" for name, label in rows.items())]
    return "\n".join(lines) + "\n"


def test_metadata_of_each_part_is_read_and_its_folder_is_the_split(tmp_path: Path) -> None:
    files: Files = {
        f"{part}/{n}.png": picture(n + 31 * len(part)) for part in ("train", "test") for n in range(8)
    }
    for part in ("train", "test"):
        files[f"{part}/metadata.csv"] = metadata({f"{n}.png": "ab"[n % 2] for n in range(8)})
    inspection = inspected(tmp_path, packed(files))
    assert inspection.description.split.rows == {"train": 8, "validation": 0, "test": 8}


@pytest.mark.parametrize("path", ["img\\{n}.png", "./img/{n}.png", "/img/{n}.png", "img/{n}.png"])
def test_paths_in_metadata_may_be_written_as_elsewhere(tmp_path: Path, path: str) -> None:
    files: Files = {f"img/{n}.png": picture(n) for n in range(8)}
    files["metadata.csv"] = metadata({path.format(n=n): "ab"[n % 2] for n in range(8)}, ";")
    inspection = inspected(tmp_path, packed(files))
    assert inspection.description.rows == 8
    assert read(tmp_path / "a.zip", inspection.description).num_rows == 8


def test_images_in_no_row_or_several_rows_of_the_metadata_are_told(tmp_path: Path) -> None:
    files: Files = {f"img/{n}.png": picture(n) for n in range(10)}
    table = metadata({f"img/{n}.png": "ab"[n % 2] for n in range(8)}) + "img/0.png,a\n"
    told = codes(inspected(tmp_path, packed({**files, "metadata.csv": table})))
    assert told["files_not_listed"].startswith("2 images")
    assert "img/0.png" in told["files_listed_twice"]


def test_folders_of_a_split_within_those_of_classes_are_told_to_change_places(tmp_path: Path) -> None:
    files = pictures("{x}/train/{n}.png", ["cat", "dog"]) | pictures("{x}/test/{n}.png", ["cat", "dog"])
    with pytest.raises(DatasetError) as caught:
        inspected(tmp_path, packed(files))
    assert "train/cat/0.png" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["0.png", "/home/me/img/0.png", "IMG/0.PNG", "img/0", "0"])
def test_a_file_that_is_not_there_is_refused_with_one_that_is(tmp_path: Path, name: str) -> None:
    files: Files = {f"img/{n}.png": picture(n) for n in range(4)}
    with pytest.raises(DatasetError, match=rf"{name} in row 1") as caught:
        inspected(tmp_path, packed({**files, "metadata.csv": metadata({name: "a", "1.png": "b"})}))
    assert "Did you mean img/0.png?" in str(caught.value.hint)


def test_an_archive_lists_its_files_by_the_paths_that_were_meant(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(packed({"x\\a\\1.png": picture(1), "x/./b/2.png": picture(2)}))
    with open_archive(path) as archive:
        listing = list_archive(archive, NO_LIMITS)
    assert (listing.inside, list(listing.files)) == ("x/", ["a/1.png", "b/2.png"])
