"""What transfer gains on texts, images and biological sequences, at the defaults.

`--data FOLDER` holds the data as it is published; each function below names the files it reads.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Case, Upload

Array = np.ndarray[Any, Any]
SENTENCES = {"amazon": "amazon_cells", "yelp": "yelp", "imdb": "imdb"}
PROBE = {"kind": "parameter", "strategy": "linear_probe"}


def cases() -> list[Case]:
    """The settings, written down: what is not said is the default. The quick ones come first."""
    return [*_sequences(), *_sentences(), *_small_images(), *_pneumonia(), *_flowers()]


def _sequences() -> list[Case]:
    def case(name: str, model: str, source: str, target: str) -> Case:
        return Case(name, "-", {"model": model, "source": {"dataset": source}, "target": {"dataset": target}})

    return [
        case("promoters, mouse to Arabidopsis, 100 labels", "promoters", "mouse", "arabidopsis-100"),
        case("splice sites from mouse promoters, 200 labels", "splice", "mouse", "splice-200"),
        case("antimicrobial peptides, UniProt to TM", "peptides", "peptides-uniprot", "peptides-tm"),
    ]


def _sentences() -> list[Case]:
    references = {("amazon", 50): "MiniLM .85 (tf-idf .68)"}
    own, probes = [], []
    for name in SENTENCES:
        for labels in (50, 400):
            target = {"dataset": f"{name}-{labels}"}
            job = {"model": f"{name}-own", "source": {"dataset": "movie"}, "target": target}
            own.append(Case(f"movie to {name} sentences, {labels} labels, own convolutions", "-", job))
            job = {
                "model": f"{name}-minilm",
                "source": {"preset": "minilm_l6_v2"},
                "target": target,
                "method": PROBE,
            }
            known = references.get((name, labels), "-")
            probes.append(Case(f"MiniLM to {name} sentences, {labels} labels", known, job))
    return [*probes, *own]


def _small_images() -> list[Case]:
    return [
        Case(
            f"{source} to {target}, 10 a class",
            "-",
            {
                "model": "small-images",
                "source": {"dataset": source},
                "target": {"dataset": f"{target}-10"},
            },
        )
        for source, target in (("mnist", "fashion"), ("fashion", "mnist"))
    ]


def _pneumonia() -> list[Case]:
    # Nine in ten train images are of one class, six in ten test images.
    common: dict[str, Any] = {
        "model": "pneumonia",
        "target": {"dataset": "pneumonia"},
        "evaluation": {"metric": "auc"},
        "training": {"class_weights": "balanced"},
    }
    return [
        Case(
            "pneumonia from MNIST",
            "-",
            {**common, "source": {"dataset": "mnist", "training": {}}},
            is_long=True,
        ),
        Case(
            "pneumonia from ImageNet",
            "-",
            {
                **common,
                "source": {"preset": "efficientnet_lite0"},
                "network": {"kind": "pretrained", "preset": "efficientnet_lite0", "image_size": [64, 64]},
                "method": PROBE,
            },
            is_long=True,
        ),
    ]


def _flowers() -> list[Case]:
    probe = {"source": {"preset": "efficientnet_lite0"}, "method": PROBE, "model": "flowers"}
    few, everything = ({**probe, "target": {"dataset": f"flowers-{name}"}} for name in ("5", "all"))
    return [
        Case("flowers, 5 a class, from ImageNet", ".87 (pixels .40)", few, is_long=True),
        Case("flowers, all, from ImageNet", ".975 (pixels .60)", everything, is_long=True),
    ]


def write(folder: Path, data: Path) -> list[Upload]:
    """The files to upload."""
    return [
        *_write_flowers(folder, data / "flowers12"),
        *_write_small_images(folder, data),
        Upload(data / "pneumoniamnist" / "pneumoniamnist.npz", {"name": "pneumonia", "task": "binary"}),
        *_write_texts(folder, data),
        *_write_sequences(folder, data),
    ]


def _write_flowers(folder: Path, data: Path) -> list[Upload]:
    """`train.zip` and `test.zip`: split/class/file."""
    made = []
    for name, most in (("flowers-5", 5), ("flowers-all", None)):
        path = folder / f"{name}.zip"
        with zipfile.ZipFile(path, "w") as out:
            for split in ("train", "test"):
                counts: dict[str, int] = {}
                with zipfile.ZipFile(data / f"{split}.zip") as archive:
                    for file in sorted(file for file in archive.namelist() if file.endswith(".jpg")):
                        label = file.split("/")[-2]
                        counts[label] = counts.get(label, 0) + 1
                        if split == "test" or most is None or counts[label] <= most:
                            out.writestr(f"{split}/{label}/{file.rsplit('/', 1)[-1]}", archive.read(file))
        made.append(Upload(path, {"name": name}))
    return made


def _write_small_images(folder: Path, data: Path) -> list[Upload]:
    """`mnist_t10k` and `fashion_mnist_t10k`: IDX files of 10,000 images; 7,000 train, 2,000 test."""
    made = []
    for name in ("mnist", "fashion"):
        source = data / ("mnist_t10k" if name == "mnist" else "fashion_mnist_t10k")
        with gzip.open(source / "t10k-images-idx3-ubyte.gz") as file:
            x = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
        with gzip.open(source / "t10k-labels-idx1-ubyte.gz") as file:
            y = np.frombuffer(file.read(), np.uint8, offset=8)
        # Other classes than the other's digits, so that no head is carried by its name.
        labels = np.array([f"{name} {label}" for label in y])
        few = np.concatenate([np.flatnonzero(y[:7000] == label)[:10] for label in range(10)])
        for suffix, train in (("", np.arange(7000)), ("-10", few)):
            path = folder / f"{name}{suffix}.npz"
            parts = {"train": train, "val": np.arange(7000, 7500), "test": np.arange(8000, 10_000)}
            arrays = {f"{part}_images": x[rows] for part, rows in parts.items()}
            arrays |= {f"{part}_labels": labels[rows] for part, rows in parts.items()}
            np.savez_compressed(path, allow_pickle=False, **arrays)
            made.append(Upload(path, {"name": f"{name}{suffix}"}))
    return made


def _write_texts(folder: Path, data: Path) -> list[Upload]:
    """`rt_polarity/rt_polarity.tsv`, label and text; `uci_sentiment_sentences/*_labelled.txt`."""
    lines = (data / "rt_polarity" / "rt_polarity.tsv").read_text(encoding="utf-8").splitlines()
    movie = [line.split("\t", 1)[::-1] for line in lines]
    made = [_table(folder, "movie", ["text", "label"], movie)]
    for name, file in SENTENCES.items():
        text = (data / "uci_sentiment_sentences" / f"{file}_labelled.txt").read_text(encoding="utf-8")
        rows = [line.rsplit("\t", 1) for line in text.split("\n") if "\t" in line]
        for labels in (50, 400):
            made.append(_few(folder, f"{name}-{labels}", ["text", "label"], rows, labels))
    return [Upload(upload.path, {**upload.declared, "kind": "text"}) for upload in made]


def _write_sequences(folder: Path, data: Path) -> list[Upload]:
    """`promoters/*.fa.gz`, `splice60/splice.csv`, `peptides/AMPvs*.csv`."""
    made = []
    for name, (promoter, other) in {
        "mouse": ("Mouse_tata", "Mouse_nonprom"),
        "arabidopsis": ("Arabidopsis_tata", "Arabidopsis_non_prom"),
    }.items():
        rows = []
        for label, file in (("promoter", promoter), ("other", other)):
            text = gzip.decompress((data / "promoters" / f"{file}.fa.gz").read_bytes()).decode()
            rows += [["".join(part.split("\n")[1:]), label] for part in text.split(">")[1:]]
        header = ["sequence", "label"]
        if name == "mouse":
            made.append(_table(folder, name, header, rows))
        else:
            made.append(_few(folder, f"{name}-100", header, rows, 100))
    splice = list(csv.reader(io.StringIO((data / "splice60" / "splice.csv").read_text())))[1:]
    made.append(_few(folder, "splice-200", ["label", "sequence"], splice, 200))
    for name, file in (("peptides-uniprot", "AMPvsUniProt"), ("peptides-tm", "AMPvsTMset")):
        rows = list(csv.reader(io.StringIO((data / "peptides" / f"{file}.csv").read_text())))[1:]
        rows = [[sequence.strip(), label.strip()] for sequence, label in rows]
        made.append(_table(folder, name, ["sequence", "label"], rows, test_fraction="0.4"))
    return [Upload(upload.path, {**upload.declared, "kind": "sequence"}) for upload in made]


def _few(folder: Path, name: str, header: list[str], rows: Sequence[list[str]], labels: int) -> Upload:
    """So many rows train, as many of each class, and all others test."""
    order = np.random.default_rng(0).permutation(len(rows))
    place = header.index("label")
    classes = sorted({row[place] for row in rows})
    left = dict.fromkeys(classes, labels // len(classes))
    split = {}
    for row in order:
        label = rows[row][place]
        split[row] = "train" if left[label] > 0 else "test"
        left[label] -= 1
    marked = ([*rows[row], split[row]] for row in order)
    return _table(folder, name, [*header, "split"], marked)


def _table(
    folder: Path, name: str, header: list[str], rows: Iterable[Sequence[str]], **declared: str
) -> Upload:
    path = folder / f"{name}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return Upload(
        path, {"name": name, "task": "multiclass" if name.startswith("splice") else "binary", **declared}
    )
