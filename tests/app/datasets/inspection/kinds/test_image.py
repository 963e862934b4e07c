from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from app.datasets.inspection.inspect_file import inspect
from app.datasets.partition.rows_file import RowFacts
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import Inspection
from app.datasets.reading.table import read
from tests.app.datasets.conftest import Inspect, Refuse
from tests.app.datasets.inspection.kinds.conftest import folders, packed, picture


def code_of(inspection: Inspection) -> set[str]:
    return {notice.code for notice in inspection.warnings}


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is large, and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def test_the_folders_of_a_zip_are_the_labels(inspect_text: Inspect) -> None:
    inspection = inspect_text(packed(folders()), "pets.zip")
    description = inspection.description
    assert (description.kind, description.format, description.classes) == ("image", "zip", ["cat", "dog"])
    assert [(column.name, column.type, column.role) for column in description.columns] == [
        ("image", "image", "feature"),
        ("label", "category", "label"),
        ("file", "category", "ignored"),
    ]
    assert description.split.column is None
    profile = inspection.profile.columns[0]
    assert profile.measures["width"].maximum == 8
    assert {value.value: value.count for value in profile.top} == {"PNG": 12, "RGB": 12}


def test_folders_of_splits_above_the_labels_are_the_split(inspect_text: Inspect) -> None:
    files = {
        **folders(4, "pets/train/"),
        **folders(2, "pets/test/"),
        "__MACOSX/pets/._x": b"",
        "pets/.DS_Store": b"",
    }
    inspection = inspect_text(packed(files), "pets.zip")
    assert inspection.description.split.rows == {"train": 8, "validation": 0, "test": 4}
    assert "near_duplicates" in code_of(inspection)
    message = next(notice.message for notice in inspection.warnings if notice.code == "near_duplicates")
    assert "4 of them stand in another part of the split" in message


def test_a_metadata_file_says_what_the_files_are(inspect_text: Inspect) -> None:
    files = {f"images/{number}.png": picture(number) for number in range(8)}
    rows = "".join(f"images/{number}.png,{number / 3},x\n" for number in range(8))
    inspection = inspect_text(
        packed({**files, "metadata.csv": f"file_name,age,note\n{rows}"}), "a.zip", label="age"
    )
    assert (inspection.description.task, inspection.description.rows) == ("regression", 8)
    assert {c.name: c.role for c in inspection.description.columns}["note"] == "ignored"


def test_parquet_with_the_bytes_of_images_is_a_data_set_of_images(inspect_text: Inspect) -> None:
    cells = [{"bytes": picture(number), "path": f"{number}.png"} for number in range(8)]
    out = io.BytesIO()
    pa.parquet.write_table(pa.table({"img": cells, "label": [0, 1] * 4}), out)
    inspection = inspect_text(out.getvalue(), "a.parquet")
    assert (inspection.description.kind, inspection.description.columns[0].type) == ("image", "image")


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((12, 6, 5), "uint8"), ((12, 6, 5, 1), "uint8"), ((12, 6, 5, 3), "uint8"), ((12, 6, 5), ">u2")],
)
def test_arrays_of_an_npz_come_back_as_they_were(shape, dtype, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**8 if dtype == "uint8" else 2**16, shape).astype(dtype)
    labels = np.array(["a", "b"] * 6)
    np.savez_compressed(
        tmp_path / "x.npz", x_train=pixels[:8], y_train=labels[:8], x_test=pixels[8:], y_test=labels[8:]
    )
    facts: list[RowFacts] = []
    inspection = inspect(tmp_path / "x.npz", Declaration(filename="x.npz"), on_facts=facts.append)
    assert inspection.description.split.rows == {"train": 8, "validation": 0, "test": 4}
    table = read(tmp_path / "x.npz", inspection.description, tmp_path)
    back = np.stack([np.asarray(Image.open(io.BytesIO(cell.as_py()))) for cell in table["image"]])
    np.testing.assert_array_equal(back.reshape(shape), pixels.astype(back.dtype))
    assert table["label"].to_pylist() == labels.tolist()
    assert facts[0].parts.tolist() == [0] * 8 + [2] * 4


def test_objects_in_an_npz_are_refused_and_nothing_of_them_is_run(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.array([{"a": 1}], dtype=object), labels=np.array([1]))
    with pytest.raises(DatasetError, match="plain arrays of numbers") as caught:
        inspect(tmp_path / "x.npz", Declaration(filename="x.npz"))
    assert caught.value.code == "broken_file"


def test_the_preview_shows_thumbnails(inspect_text: Inspect) -> None:
    inspection = inspect_text(packed({**folders(), "cat/wide.png": picture(9, (300, 100))}), "pets.zip")
    assert inspection.preview[0]["image"].startswith("data:image/png;base64,")
    assert inspection.preview[0]["label"] == "cat"


@pytest.mark.parametrize(
    ("file", "content", "code", "received"),
    [
        ("cat/cut.png", picture()[:60], "broken_image", "cannot be decoded"),
        ("cat/cut.jpg", picture(3, (64, 64), format="JPEG")[:700], "broken_image", "cannot be decoded"),
        ("cat/not.png", b"hello hello", "broken_image", "11 bytes that are none, beginning with b'hello he'"),
        ("cat/empty.png", b"", "no_image", "nothing"),
        ("cat/bomb.png", bomb(60_000, 60_000), "image_too_large", "60000 x 60000"),
        ("cat/dot.png", picture(0, (1, 8)), "image_too_small", "1 x 8"),
    ],
)
def test_a_picture_that_cannot_be_learnt_from_is_refused_with_its_name(
    refuse_text: Refuse, file: str, content: bytes, code: str, received: str
) -> None:
    error = refuse_text(packed({**folders(), file: content}), "pets.zip")
    assert (error.code, error.errors[0]["file"], error.errors[0]["row"]) == (code, file, 13)
    assert received in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("files", "attributes", "code"),
    [
        ({"../evil.png": picture()}, {}, "unsafe_archive"),
        ({"/etc/evil.png": picture()}, {}, "unsafe_archive"),
        ({"C:\\evil.png": picture()}, {}, "unsafe_archive"),
        ({"cat/link.png": "/etc/passwd"}, {"cat/link.png": stat.S_IFLNK | 0o777}, "unsafe_archive"),
        ({"cat/inner.zip": packed({"a.png": picture()})}, {}, "nested_archive"),
        ({"top.png": picture()}, {}, "unknown_folders"),
        ({"a/b/c/deep.png": picture()}, {}, "unknown_folders"),
    ],
)
def test_an_archive_that_is_not_what_it_should_be_is_refused(
    refuse_text: Refuse, files: dict[str, bytes | str], attributes: dict[str, int], code: str
) -> None:
    error = refuse_text(packed({**folders(), **files}, **attributes), "pets.zip")
    assert error.code == code
    assert error.hint


def test_an_archive_without_examples_is_refused(refuse_text: Refuse) -> None:
    assert refuse_text(packed({"notes/a.docx": b"x"}), "a.zip").code == "nothing_to_learn_from"


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(entries=11), "too_many_files"),
        (Limits(unpacked_bytes=1000), "archive_too_large"),
        (Limits(example_bytes=100), "example_too_large"),
        (Limits(pixels=63), "image_too_large"),
    ],
)
def test_what_is_beyond_a_limit_is_refused(tmp_path: Path, limits: Limits, code: str) -> None:
    path = tmp_path / "pets.zip"
    path.write_bytes(packed(folders()))
    with pytest.raises(DatasetError) as caught:
        inspect(path, Declaration(filename="pets.zip"), limits)
    assert caught.value.code == code


def test_a_count_of_files_beyond_the_limit_is_refused_before_they_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(70_000):
            archive.writestr(zipfile.ZipInfo(f"a/{number}.png"), b"")
    with pytest.raises(DatasetError, match=r"at most 65000 files in the archive\. Received: 70000"):
        inspect(path, Declaration(filename="many.zip"), Limits(entries=65_000))


def test_the_same_picture_in_another_file_is_told(inspect_text: Inspect) -> None:
    smooth = Image.linear_gradient("L").rotate(60)
    out = io.BytesIO()
    smooth.resize((120, 90)).save(out, "JPEG", quality=95)
    again = io.BytesIO()
    smooth.resize((120, 90)).save(again, "PNG")
    files = {**folders(), "cat/a.jpg": out.getvalue(), "dog/b.png": again.getvalue()}
    inspection = inspect_text(packed(files), "pets.zip")
    notice = next(notice for notice in inspection.warnings if notice.code == "near_duplicates")
    assert notice.rows == [14]


def test_files_that_are_no_examples_are_passed_over_and_told(inspect_text: Inspect) -> None:
    inspection = inspect_text(packed({**folders(), "README.md": "about"}), "pets.zip")
    notice = next(notice for notice in inspection.warnings if notice.code == "files_ignored")
    assert "README.md" in notice.message
