"""Which cases have a known answer at the defaults, on which rows, and what has to be reached?

The splits are declared, so the number of labels is exact. With fewer than 30 validation rows the learning
rates are chosen by cross-validation of the train rows; with fewer than 100 no weights from before update 300
are the best, but for those of the short training of a table. So each case says how many it has.
"""

from __future__ import annotations

import csv
import gzip
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Upload

Array = np.ndarray[Any, Any]
PROBE = {"kind": "parameter", "strategy": "linear_probe"}
FEW_TEST_ROWS = 650


@dataclass(frozen=True)
class Known:
    """A case: its job without a `training`, and what writes the files of a draw.

    aim: what has to be reached, in words; transfer_at_least and updates_at_most say it in numbers.
    is_long: whether it runs only if it is named, since it takes an hour or more.
    """

    name: str
    rows: str
    aim: str
    job: dict[str, Any]
    write: Callable[[Path, Path, int], list[Upload]]
    draws: int = 1
    files: tuple[str, ...] = ()
    transfer_at_least: float | None = None
    updates_at_most: int | None = None
    is_long: bool = False


def cases() -> list[Known]:
    """All cases, the quick ones first."""
    return [*_tables(), *_texts(), *_images(), *_presets()]


def _tables() -> list[Known]:
    def case(name: str, rows: int, validation: int, aim: str, least: float | None, **more: Any) -> Known:
        job = {
            "model": name,
            "source": {"dataset": f"{name}-source"},
            "target": {"dataset": f"{name}-target"},
        }
        shuffled = bool(more.pop("shuffled", False))

        def write(folder: Path, data: Path, draw: int) -> list[Upload]:
            return write_tables(folder, name, (rows, validation, FEW_TEST_ROWS), draw, shuffled=shuffled)

        shown = f"{rows}, {validation}, {FEW_TEST_ROWS}"
        return Known(name, shown, aim, {**job, **more}, write, 10, transfer_at_least=least)

    return [
        case("tables-40", 40, 10, "transfer .75", 0.75),
        case("tables-100", 100, 25, "transfer .80", 0.80),
        case("tables-validated-100", 100, 100, "transfer .80", 0.80),
        case("tables-shuffled-100", 100, 25, "never `helped`", None, shuffled=True),
    ]


def _texts() -> list[Known]:
    def write(folder: Path, data: Path, draw: int) -> list[Upload]:
        return [_movie(folder, data), _amazon(folder, data, draw)]

    files = ("rt_polarity", "uci_sentiment_sentences")
    job = {"model": "reviews", "source": {"dataset": "movie"}, "target": {"dataset": "amazon-50"}}
    return [Known("reviews", "50, 0, 950", "not `hurt`", job, write, 3, files)]


def _images() -> list[Known]:
    def digits(folder: Path, data: Path, draw: int) -> list[Upload]:
        x, y = _idx(data / "mnist_t10k")
        low = np.flatnonzero(y < 5)
        source = _npz(folder, "digits-0-to-4", x, y.astype(str), *_cut(low, (0.8, 0.1)))
        return [source, _few_images(folder, "digits-5-to-9", x, y, np.flatnonzero(y >= 5), draw)]

    def clothes(folder: Path, data: Path, draw: int) -> list[Upload]:
        x, y = _idx(data / "fashion_mnist_t10k")
        words = np.array([f"article {label}" for label in y])
        source = _npz(folder, "clothes", x, words, *_cut(np.arange(len(y)), (0.8, 0.1)))
        x, y = _idx(data / "mnist_t10k")
        return [source, _few_images(folder, "digits", x, y, np.arange(len(y)), draw)]

    seeds = {"evaluation": {"seeds": 3}}
    few = {"source": {"dataset": "digits-0-to-4"}, "target": {"dataset": "digits-5-to-9"}}
    other = {"source": {"dataset": "clothes"}, "target": {"dataset": "digits"}}
    return [
        Known(
            "digits",
            "50, 50, 1000",
            "transfer .85 in 15,000 updates, 3 seeds",
            {"model": "digits", **few, **seeds},
            digits,
            draws=3,
            files=("mnist_t10k",),
            transfer_at_least=0.85,
            updates_at_most=15_000,
        ),
        Known(
            "clothes-to-digits",
            "100, 100, 2000",
            "not `hurt`",
            {"model": "clothes-to-digits", **other, **seeds},
            clothes,
            files=("mnist_t10k", "fashion_mnist_t10k"),
        ),
    ]


def _presets() -> list[Known]:
    def sentences(folder: Path, data: Path, draw: int) -> list[Upload]:
        return [_amazon(folder, data, draw)]

    def flowers(folder: Path, data: Path, draw: int) -> list[Upload]:
        return [_flowers(folder, data / "flowers12")]

    minilm = {"source": {"preset": "minilm_l6_v2"}, "target": {"dataset": "amazon-50"}, "model": "sentences"}
    lite0 = {
        "source": {"preset": "efficientnet_lite0"},
        "target": {"dataset": "flowers-5"},
        "model": "flowers",
    }
    texts, images = ("uci_sentiment_sentences",), ("flowers12",)
    return [
        Known(
            "minilm-probe",
            "50, 0, 950",
            "transfer .80",
            {**minilm, "method": PROBE},
            sentences,
            files=texts,
            transfer_at_least=0.80,
        ),
        Known(
            "lite0-probe",
            "60, 0, 240",
            "transfer .87",
            {**lite0, "method": PROBE, "evaluation": {"control": False}},
            flowers,
            files=images,
            transfer_at_least=0.87,
        ),
        Known(
            "with-control-lite0",
            "60, 0, 240",
            "-",
            {**lite0, "method": PROBE},
            flowers,
            files=images,
            is_long=True,
        ),
        Known("fine-tuned-minilm", "50, 0, 950", "-", minilm, sentences, files=texts, is_long=True),
        Known("fine-tuned-lite0", "60, 0, 240", "-", lite0, flowers, files=images, is_long=True),
    ]


def shared_features(
    rows: int, draw: int, *, shuffled: bool = False
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Inputs (n, 30) and classes (n,) of a source of 6,000 rows and a target of so many.

    Both know the same 4 hidden features h = tanh(2 (x W + b)), x ~ N(0, 1) in 30 columns,
    W ~ N(0, 1.5² / 30), b ~ N(0, 1/4). The class is argmax(h A), A ~ N(0, 1), of 12 classes in the source and
    of 5 in the target, whose first rows are two of each class. The seed is 100 plus the draw. Shuffled: the
    source's classes are in no order.
    """
    random = np.random.default_rng(100 + draw)
    weights = random.normal(size=(30, 4)) * 1.5 / np.sqrt(30)
    bias = random.normal(size=4) * 0.5
    heads = random.normal(size=(4, 12)), random.normal(size=(4, 5))
    made = []
    for count, head in zip((6000, rows), heads, strict=True):
        x = random.normal(size=(count, 30)).astype(np.float32)
        made.append((x, (np.tanh(2 * (x @ weights + bias)) @ head).argmax(axis=1)))
    (x, y), (xs, ys) = made
    first = np.concatenate([np.flatnonzero(ys == label)[:2] for label in range(5)])
    order = np.concatenate([first, np.setdiff1d(np.arange(rows), first)])
    return (x, random.permutation(y) if shuffled else y), (xs[order], ys[order])


def write_tables(
    folder: Path, name: str, rows: tuple[int, int, int], draw: int, *, shuffled: bool
) -> list[Upload]:
    """The files of `shared_features`; rows of the target that train, validate and test."""
    source, target = shared_features(sum(rows), draw, shuffled=shuffled)
    header = [f"x{number}" for number in range(30)]
    parts = np.repeat(["train", "validation", "test"], rows)
    lines = [
        [*map(float, x), f"{kind} {y}"]
        for kind, (xs, ys) in (("s", source), ("t", target))
        for x, y in zip(xs, ys, strict=True)
    ]
    made = _table(folder, f"{name}-source", [*header, "label"], lines[: len(source[1])], "multiclass")
    marked = [[*line, part] for line, part in zip(lines[len(source[1]) :], parts, strict=True)]
    return [made, _table(folder, f"{name}-target", [*header, "label", "split"], marked, "multiclass")]


def _movie(folder: Path, data: Path) -> Upload:
    """`rt_polarity/rt_polarity.tsv`: label and text."""
    lines = (data / "rt_polarity" / "rt_polarity.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t", 1)[::-1] for line in lines]
    return _table(folder, "movie", ["text", "label"], rows, "binary", kind="text")


def _amazon(folder: Path, data: Path, draw: int) -> Upload:
    """`uci_sentiment_sentences/amazon_cells_labelled.txt`: text and label; 25 rows of each class train."""
    file = data / "uci_sentiment_sentences" / "amazon_cells_labelled.txt"
    rows = [line.rsplit("\t", 1) for line in file.read_text(encoding="utf-8").split("\n") if "\t" in line]
    order = np.random.default_rng(draw).permutation(len(rows))
    train = {row for label in "01" for row in [row for row in order if rows[row][1].strip() == label][:25]}
    marked = [[*rows[row], "train" if row in train else "test"] for row in order]
    return _table(folder, "amazon-50", ["text", "label", "split"], marked, "binary", kind="text")


def _flowers(folder: Path, data: Path) -> Upload:
    """`train.zip` and `test.zip`: split/class/file; the first 5 train pictures of each class."""
    path = folder / "flowers-5.zip"
    with zipfile.ZipFile(path, "w") as out:
        for split in ("train", "test"):
            counts: dict[str, int] = {}
            with zipfile.ZipFile(data / f"{split}.zip") as archive:
                for file in sorted(file for file in archive.namelist() if file.endswith(".jpg")):
                    label = file.split("/")[-2]
                    counts[label] = counts.get(label, 0) + 1
                    if split == "test" or counts[label] <= 5:
                        out.writestr(f"{split}/{label}/{file.rsplit('/', 1)[-1]}", archive.read(file))
    return Upload(path, {"name": "flowers-5"})


def _idx(folder: Path) -> tuple[Array, Array]:
    """Pictures (n, 28, 28) and classes (n,), from the IDX files (16 and 8 bytes of header)."""
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file:
        x = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as file:
        return x, np.frombuffer(file.read(), np.uint8, offset=8)


def _few_images(folder: Path, name: str, x: Array, y: Array, rows: Array, draw: int) -> Upload:
    """10 of each class train, 10 validate, 200 test."""
    order = np.random.default_rng(draw).permutation(rows)
    of_class = [order[y[order] == label] for label in np.unique(y[rows])]
    places = ((0, 10), (10, 20), (20, 220))
    parts = [np.concatenate([members[start:end] for members in of_class]) for start, end in places]
    return _npz(folder, name, x, y.astype(str), *parts)


def _cut(rows: Array, shares: tuple[float, float]) -> list[Array]:
    rows = np.random.default_rng(0).permutation(rows)
    return np.split(rows, [int(shares[0] * len(rows)), int(sum(shares) * len(rows))])


def _npz(
    folder: Path, name: str, x: Array, labels: Array, train: Array, validation: Array, test: Array
) -> Upload:
    arrays: dict[str, Array] = {}
    for part, rows in (("train", train), ("val", validation), ("test", test)):
        arrays |= {f"{part}_images": x[rows], f"{part}_labels": labels[rows]}
    path = folder / f"{name}.npz"
    np.savez_compressed(path, allow_pickle=False, **arrays)
    return Upload(path, {"name": name})


def _table(
    folder: Path, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]], task: str, **declared: str
) -> Upload:
    path = folder / f"{name}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return Upload(path, {"name": name, "task": task, **declared})
