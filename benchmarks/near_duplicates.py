"""What is found to be nearly equal: among rows of real data, and of copies of them that were changed.

`--data FOLDER` holds the data as it is published, as for `kinds`; `_TEXTS`, `_SEQUENCES` and `_IMAGES` name
what is read. Of each set the rows are different ones. Changes are drawn from a fixed seed.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageEnhance

from app.datasets.partition import near_duplicates as near
from app.datasets.partition.input_keys import upright
from app.datasets.partition.perceptual_hash import thumbnail
from app.datasets.partition.shingles import (
    Bytes,
    Letters,
    are_nucleic,
    as_written,
    of_letters,
    of_strands,
    plain,
)

CHANGED = 1000
"""Rows of each set of which changed copies are looked for."""

MANY = 100_000
_MARGIN = 0.1
_PAIRS = 10  # of a cluster, that are compared exactly
_BASES, _RESIDUES = "ACGT", "ACDEFGHIKLMNPQRSTVWY"
_COMPLEMENT = str.maketrans("ACGT", "TGCA")

Change = Callable[[Any, random.Random], Any]


class Kind(NamedTuple):
    """How rows of a kind are read, signed, changed, and two of them compared exactly."""

    sets: dict[str, Callable[[Path], list[Any]]]
    sign: Callable[[Sequence[Any]], Bytes]
    changes: dict[str, dict[str, Change]]
    alike: Callable[[Any, Any], float] | None
    least: float


def measure(data: Path) -> Iterator[str]:
    """Lines of text, as they are found."""
    for kind in (_TEXTS, _SEQUENCES, _IMAGES):
        for name, read in kind.sets.items():
            rows = read(data)
            yield _found(name, kind, rows)
            yield from _found_again(name, kind, rows)
    yield from _many(data)


def _found(name: str, kind: Kind, rows: list[Any]) -> str:
    begin = time.process_time()
    signatures = kind.sign(rows)
    signed = time.process_time()
    clusters = _clusters(signatures)
    done = time.process_time()
    _, which, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    line = (
        f"{name}: {len(rows)} different rows, {int(counts[counts > 1].sum())} of them in "
        f"{int((counts > 1).sum())} clusters, the largest of {counts.max()}; "
        f"{1e6 * (signed - begin) / len(rows):.1f} µs a signature, {done - signed:.2f} s to find them"
    )
    if kind.alike is None:
        return line
    groups = [np.flatnonzero(which == cluster) for cluster in np.flatnonzero(counts > 1)]
    pairs = [pair for group in groups for pair in list(combinations(group, 2))[:_PAIRS]]
    exact = np.array([kind.alike(rows[one], rows[other]) for one, other in pairs])
    close = int((exact >= kind.least - _MARGIN).sum())
    return f"{line}; {close} of {len(pairs)} pairs have a Jaccard index of {kind.least - _MARGIN:.2f} or more"


def _found_again(name: str, kind: Kind, rows: list[Any]) -> Iterator[str]:
    draw = random.Random(0)
    picked = draw.sample(rows, min(CHANGED, len(rows)))
    signatures = kind.sign(rows)
    for change, how in next(kind.changes[of] for of in kind.changes if name.startswith(of)).items():
        copies = kind.sign([how(row, draw) for row in picked])
        both = _clusters(np.concatenate([kind.sign(picked), copies]))
        pairs = float(np.mean(both[: len(picked)] == both[len(picked) :]))
        among = float(near.near(copies, signatures).mean())
        yield f"  {change}: {pairs:.3f} in one cluster, {among:.3f} near to a row of the whole set"


def _clusters(signatures: Bytes) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return near.clusters(signatures, np.arange(1, len(signatures) + 1, dtype=np.uint64))


def _many(data: Path) -> Iterator[str]:
    """The processor time of a hundred thousand rows, none twice, and of those that are all candidates."""
    draw = random.Random(0)
    sentences = _reviews(data) + _subjective(data)
    words = sorted({word for sentence in sentences for word in sentence.split()})

    def mixed() -> str:
        one, other = draw.choice(sentences).split(), draw.choice(sentences).split()
        return " ".join(one[: len(one) // 2] + draw.choices(words, k=4) + other[len(other) // 2 :])

    one_template = "Dear {}, your order {} was shipped today and will arrive at {} in a few days. Thank you"
    made: dict[str, tuple[Callable[[Sequence[Any]], Bytes], list[Any]]] = {
        "texts": (near.text_signatures, [mixed() for _ in range(MANY)]),
        "texts of one template": (
            near.text_signatures,
            [one_template.format(draw.choice(words), row, draw.choice(words)) for row in range(MANY)],
        ),
        "DNA of 60 bases": (
            near.sequence_signatures,
            ["".join(draw.choices(_BASES, k=60)) for _ in range(MANY)],
        ),
        "thumbnails": (near.image_signatures, [draw.randbytes(256) + b"\x80" for _ in range(MANY)]),
    }
    for name, (sign, rows) in made.items():
        begin = time.process_time()
        signatures = sign(rows)
        signed = time.process_time()
        clusters = _clusters(signatures)
        found = time.process_time()
        half = len(rows) // 2
        near.near(signatures[:half], signatures[half:])
        done = time.process_time()
        yield (
            f"{MANY:,} {name}: signatures {signed - begin:.2f} s, clusters {found - signed:.2f} s (largest "
            f"{np.unique(clusters, return_counts=True)[1].max()}), half against half {done - found:.2f} s"
        )


# Texts


def _reviews(data: Path) -> list[str]:
    return _of_lines(data / "rt_polarity" / "rt_polarity.tsv")


def _subjective(data: Path) -> list[str]:
    return _of_lines(data / "subjectivity" / "subjectivity.tsv")


def _of_lines(path: Path) -> list[str]:
    return _different(line.split("\t", 1)[1] for line in path.read_text(encoding="utf-8").splitlines())


def _sentences(data: Path) -> list[str]:
    files = sorted((data / "uci_sentiment_sentences").glob("*_labelled.txt"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").split("\n")]
    return _different(line.rsplit("\t", 1)[0].strip() for line in lines if "\t" in line)


def _french(data: Path) -> list[str]:
    with zipfile.ZipFile(data / "tatoeba_eng_fra" / "fra-eng.zip") as archive:
        lines = archive.read("fra.txt").decode().splitlines()
    return _different(line.split("\t")[1] for line in lines)[:MANY]


def _different(rows: Any) -> list[Any]:
    return list(dict.fromkeys(rows))


def _typed(text: str, draw: random.Random) -> str:
    place, letter = draw.randrange(len(text)), draw.choice("etaoinshr")
    return text[:place] + draw.choice(["", letter, letter + text[place]]) + text[place + 1 :]


def _reworded(text: str, draw: random.Random) -> str:
    words = text.split()
    words[draw.randrange(len(words))] = draw.choice(["another", "good", "something", "time", "of"])
    return " ".join(words)


_TEXTS = Kind(
    {
        "movie reviews": _reviews,
        "subjectivity": _subjective,
        "product reviews": _sentences,
        "French": _french,
    },
    near.text_signatures,
    {
        "": {
            "other case, punctuation and blanks": lambda text, draw: "  " + text.upper() + " …!",
            "one letter typed otherwise": _typed,
            "one word replaced": _reworded,
            "two words added": lambda text, draw: text + " read more",
        }
    },
    lambda one, other: _jaccard(*of_letters(plain([one, other]), near.SHINGLE)),
    near.ALIKE_TEXTS,
)


# Sequences


def _promoters(data: Path) -> list[str]:
    texts = [
        gzip.decompress(path.read_bytes()).decode() for path in sorted((data / "promoters").glob("*.gz"))
    ]
    return _different("".join(part.split("\n")[1:]).upper() for text in texts for part in text.split(">")[1:])


def _splice(data: Path) -> list[str]:
    return _of_column(data / "splice60" / "splice.csv", 1, 1)


def _peptides(data: Path) -> list[str]:
    return _of_column(data / "peptides" / "AMPvsUniProt.csv", 1, 0)


def _of_column(path: Path, header: int, column: int) -> list[str]:
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))[header:]
    return _different(row[column].strip() for row in rows)


def _mutated(share: float, letters: str) -> Change:
    def change(sequence: str, draw: random.Random) -> str:
        return "".join(
            draw.choice(letters.replace(letter, "")) if draw.random() < share else letter
            for letter in sequence
        )

    return change


def _other_strand(sequence: str, draw: random.Random) -> str:
    return sequence.translate(_COMPLEMENT)[::-1]


def _shorter(sequence: str, draw: random.Random) -> str:
    return sequence[len(sequence) // 10 :]


_OF_BASES = {
    "the other strand": _other_strand,
    "without the first tenth": _shorter,
    **{f"{share:.0%} of the bases others": _mutated(share, _BASES) for share in (0.01, 0.03, 0.05, 0.1)},
}
_OF_RESIDUES = {
    "without the first tenth": _shorter,
    **{f"{share:.0%} of the residues others": _mutated(share, _RESIDUES) for share in (0.05, 0.1, 0.2)},
}
_SEQUENCES = Kind(
    {"promoters": _promoters, "splice sites": _splice, "peptides": _peptides},
    near.sequence_signatures,
    {"promoters": _OF_BASES, "splice": _OF_BASES, "peptides": _OF_RESIDUES},
    lambda one, other: _jaccard_of_sequences(as_written([one, other])),
    near.ALIKE_SEQUENCES,
)


def _jaccard_of_sequences(pair: Letters) -> float:
    if are_nucleic(pair).all():
        return _jaccard(*of_strands(pair, near.BASES))
    return _jaccard(*of_letters(pair, near.RESIDUES))


def _jaccard(hashes: Any, starts: Any, ends: Any) -> float:
    one, other = (set(hashes[start:end].tolist()) for start, end in zip(starts, ends, strict=True))
    return len(one & other) / len(one | other)


# Images


def _idx(name: str) -> Callable[[Path], list[Image.Image]]:
    def read(data: Path) -> list[Image.Image]:
        with gzip.open(data / name / "t10k-images-idx3-ubyte.gz") as file:
            pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
        return _different_images(map(Image.fromarray, pixels))

    return read


def _x_rays(data: Path) -> list[Image.Image]:
    with np.load(data / "pneumoniamnist" / "pneumoniamnist.npz") as arrays:
        parts = [arrays[f"{part}_images"] for part in ("train", "val", "test")]
    return _different_images(map(Image.fromarray, np.concatenate(parts)))


def _zipped(folder: str) -> Callable[[Path], list[Image.Image]]:
    def read(data: Path) -> list[Image.Image]:
        found = []
        for path in sorted((data / folder).glob("*.zip")):
            with zipfile.ZipFile(path) as archive:
                names = sorted(name for name in archive.namelist() if name.endswith((".png", ".jpg")))
                found += [Image.open(io.BytesIO(archive.read(name))) for name in names]
        return _different_images(found)

    return read


def _different_images(images: Any) -> list[Image.Image]:
    grey = (image.convert("L") if image.mode == "1" else image for image in images)
    return list({(image.size, image.tobytes()): image for image in grey}.values())


def _as_jpeg(quality: int) -> Change:
    def change(image: Image.Image, draw: random.Random) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer)

    return change


def _scaled(factor: float) -> Change:
    return lambda image, draw: image.resize(
        (round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC
    )


def _signed(images: Sequence[Image.Image]) -> Bytes:
    return near.image_signatures([thumbnail(upright(image)) for image in images])


_IMAGES = Kind(
    {
        "digits": _idx("mnist_t10k"),
        "fashion": _idx("fashion_mnist_t10k"),
        "X-rays": _x_rays,
        "flowers": _zipped("flowers12"),
        "drawn characters": _zipped("omniglot_small"),
    },
    _signed,
    {
        "": {
            **{f"JPEG of quality {quality}": _as_jpeg(quality) for quality in (90, 75, 50)},
            "half as wide": _scaled(0.5),
            "half as wide again": _scaled(1.5),
            "10 % brighter": lambda image, draw: ImageEnhance.Brightness(image).enhance(1.1),
            "a palette of 256 colours": lambda image, draw: image.convert(
                "P", palette=Image.Palette.ADAPTIVE
            ),
        }
    },
    None,
    0,
)
