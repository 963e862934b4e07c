"""Each candidate of every kind answers what a pipeline of scikit-learn does, and its file what it does."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from threadpoolctl import threadpool_limits

from tests.plain_python import PlainPython
from tests.workers.transfer import examples
from tests.workers.transfer.baselines.test_images import _plain_hog
from workers.transfer.baselines import bundled_model, features, linear, sequences, tables
from workers.transfer.baselines.bundled_model import FEATURES, LINEAR, TREES
from workers.transfer.baselines.choosing import Baseline, choose, readings_of
from workers.transfer.baselines.files import as_file, ask, read_zip, write_zip
from workers.transfer.data import Array, Column, Data, Rows, Signature
from workers.transfer.networks.inputs.pictures import decode
from workers.transfer.networks.network import Network, build
from workers.transfer.tasks import LabelUnit
from workers.transfer.training.options import Training

SEED = 3
TRAINING = Training(epochs=1, batch_size=8, learning_rate=0.001, seed=SEED)
C = 1.0

TASKS = {
    "table": ["binary", "multiclass", "multilabel", "regression"],
    "text": ["multiclass", "regression"],
    "nucleotide": ["binary"],
    "protein": ["multilabel"],
    "image": ["multiclass"],
    "preset": ["binary"],
}
"""What is learnt of each kind of data; from scores on, all linear models are alike, and so are all trees."""

OF_KIND = {
    "table": ["linear", "extra_trees", "gradient_boosting"],
    "text": ["tfidf_words", "tfidf_characters"],
    "nucleotide": ["kmers", "one_hot"],
    "protein": ["kmers", "kmers_gradient_boosting"],
    "image": ["hog", "pixels"],
    "preset": ["preset_features"],
}
FORMS = {
    "tfidf_words": LINEAR,
    "tfidf_characters": LINEAR,
    "extra_trees": TREES,
    "gradient_boosting": TREES,
    "kmers_gradient_boosting": TREES,
}
"""The file of a candidate that is no Keras network."""

CANDIDATES = [(kind, task, name) for kind, tasks in TASKS.items() for task in tasks for name in OF_KIND[kind]]
CANDIDATES += [
    (kind, TASKS[kind][-1], f"pooled_{name}")
    for kind in ("table", "text", "nucleotide", "image")
    for name in OF_KIND[kind]
] + [("protein", "multilabel", "pooled_kmers")]


def table(task: Any, seed: int = 0, rows: int = 100) -> Data:
    """All types of columns, with gaps, one of large numbers, one that never varies, one that hardly does."""
    like = examples.make("text", task, seed, rows)
    level = np.array(
        [next((n for n, word in enumerate(("bad", "fair")) if word in text), 2) for text in _all(like)]
    )
    rng = np.random.default_rng(seed)
    days = [str(day) for day in np.datetime64("2024-03-01") + rng.integers(0, 60, rows)]
    inputs: dict[str, Array] = {
        "x": level + rng.normal(size=rows),
        "large": 1e6 + 20 * level + rng.normal(size=rows),
        "tiny": 1e-9 * rng.normal(size=rows),
        "rare": (np.arange(rows) == 4) * 50.0,
        "still": np.full(rows, 3.0),
        "member": rng.integers(0, 2, rows),
        "city": np.array([f"c{n}" if n else "" for n in rng.integers(0, 5, rows)], object),
        "day": np.array([f"{day}T{n % 24:02}:30:07" if n % 3 else day for n, day in enumerate(days)], object),
    }
    types: dict[str, Any] = {"member": "boolean", "city": "category", "day": "date"}
    inputs |= {
        name: x.astype(np.float32)
        for name, x in inputs.items()
        if types.get(name) not in ("category", "date")
    }
    inputs["x"][::9] = inputs["member"][::7] = np.nan
    inputs["day"][::11] = ""
    columns = tuple(Column(name, types.get(name, "number")) for name in inputs)
    return _split(inputs, like, columns)


def _split(inputs: dict[str, Array], like: Data, columns: tuple[Column, ...]) -> Data:
    rows = len(next(iter(inputs.values())))
    whole = Rows(inputs, np.concatenate([part.targets for part in _parts(like)]), np.arange(rows))
    cuts = np.split(np.arange(rows), [rows * 6 // 10, rows * 8 // 10])
    return Data(
        Signature(columns, "y", like.signature.task, like.signature.classes), *(whole.take(c) for c in cuts)
    )


def _parts(data: Data) -> list[Rows]:
    assert data.validation is not None
    assert data.test is not None
    return [data.train, data.validation, data.test]


def _all(data: Data) -> list[Any]:
    return [value for part in _parts(data) for value in part.inputs["text"].tolist()]


def make(kind: str, task: Any, seed: int = 0) -> Data:
    if kind == "table":
        return table(task, seed)
    if kind in ("image", "preset"):
        return examples.make("image", task, seed, mode="RGB" if kind == "image" else "L", size=18)
    data = examples.make("text" if kind == "text" else "sequence", task, seed)
    if kind == "protein":
        return replace(data, signature=replace(data.signature, columns=(Column("sequence", "protein"),)))
    return data


@dataclass(frozen=True)
class Made:
    data: Data
    source: Data
    baseline: Baseline
    path: Path
    """Of its file, or of the folder with its files."""

    def answers(self) -> Array:
        return self.baseline.answers(self.data.test.inputs)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str, str], Made]]:
    """Each candidate, fitted at one C, and its file."""
    folder = tmp_path_factory.mktemp("baselines")
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1):
        patch.setattr(linear, "STRENGTHS", (C,))
        patch.setattr(linear, "TOLERANCE", 1e-9)
        patch.setattr(tables, "BOOSTED_ROWS", 10)
        patch.setattr(sequences, "BOOSTED_ROWS", 10)
        found = {}
        for number, (kind, task, name) in enumerate(CANDIDATES):
            data, source = make(kind, task), make(kind, task, seed=1)
            chosen = choose(
                [_reading(kind, data, source, name)], data, TRAINING, folds=np.full(len(data.train), -1)
            )
            path = _written(as_file(chosen, data.signature), folder / str(number))
            found[kind, task, name] = Made(data, source, chosen, path)
        yield found


def _reading(kind: str, data: Data, source: Data, name: str) -> Any:
    if kind == "preset":
        return features.reading(build(examples.NETWORKS["image"][0], data, 0))
    reading = next(one for one in readings_of(data, source) if name in one.learners)
    return replace(reading, learners={name: reading.learners[name]})


def _written(file: Network | dict[str, bytes], path: Path) -> Path:
    if isinstance(file, Network):
        file.save(path.with_suffix(".keras"))
        return path.with_suffix(".keras")
    write_zip(file, path.with_suffix(".zip"))
    path.mkdir()
    for name, content in read_zip(path.with_suffix(".zip")).items():
        (path / name).write_bytes(content)
    return path


@pytest.mark.parametrize(("kind", "task", "name"), CANDIDATES)
def test_the_file_is_of_the_form_that_is_documented_and_answers_what_the_candidate_does(
    made: dict[Any, Made], kind: str, task: str, name: str
) -> None:
    one = made[kind, task, name]
    form = FORMS.get(name.removeprefix("pooled_"))
    if form is None:
        again = ask(keras.saving.load_model(one.path), one.data.signature, one.data.test.inputs)
    else:
        assert {file.name for file in one.path.iterdir()} == {FEATURES, form}
        if form == TREES:
            onnx.checker.check_model(one.path / TREES)
        again = bundled_model.Baseline(one.path).predict(_keyed(one.data), batch_size=7)
    assert again.dtype == one.answers().dtype
    np.testing.assert_allclose(again, one.answers(), rtol=1e-5, atol=1e-5)


def _keyed(data: Data) -> dict[str, Array]:
    return {data.signature.keys[name]: values for name, values in data.test.inputs.items()}


@pytest.mark.parametrize(("kind", "task", "name"), CANDIDATES)
def test_the_candidate_answers_what_a_whole_pipeline_of_scikit_learn_does(
    made: dict[Any, Made], kind: str, task: str, name: str
) -> None:
    one = made[kind, task, name]
    plain, is_pooled = name.removeprefix("pooled_"), name.startswith("pooled_")
    y, own = one.data.train.targets, one.data.train.targets
    raw, test = (_raw(rows, 1.0 if is_pooled else None) for rows in (one.data.train, one.data.test))
    if is_pooled:
        raw = np.concatenate([raw, _raw(one.source.train, 0.0)])
        y = np.concatenate([y, one.source.train.targets])
    # To the last bit, since equally good splits of a tree are told apart by rounding.
    unit = LabelUnit.of(own) if task == "regression" else LabelUnit()
    y = unit.standardised(y).ravel() if task == "regression" else y if task == "multilabel" else y.ravel()
    with threadpool_limits(1):
        pipeline = make_pipeline(*STEPS[kind, plain](), _model(plain, task))
        pipeline.fit(raw, y)
        if task == "regression":
            theirs = pipeline.predict(test)[:, None] * unit.deviation + unit.mean
        elif task == "multilabel":
            theirs = np.stack([p[:, 1] for p in pipeline.predict_proba(test)], axis=1)
        else:
            theirs = pipeline.predict_proba(test)[:, 1 if task == "binary" else 0 :]
    np.testing.assert_allclose(one.answers(), theirs, atol=1e-4 * unit.deviation)


def _raw(rows: Rows, domain: float | None) -> Array:
    """Rows as a pipeline takes them; of a table with the column of their domain."""
    if "text" in rows.inputs or "sequence" in rows.inputs:
        (values,) = rows.inputs.values()
        return values
    if "image" in rows.inputs:
        return np.stack([_picture(value) for value in rows.inputs["image"]])
    columns = [values.astype(object) for values in rows.inputs.values()]
    if domain is not None:
        columns.append(np.full(len(rows), domain, object))
    return np.stack(columns, axis=1)


def _picture(value: Any) -> Array:
    resized = keras.layers.Resizing(18, 18, antialias=True)(decode(value, 1).astype(np.float32)[None])
    return np.clip(np.round(np.asarray(resized)[0, ..., 0]), 0, 255)


def _model(name: str, task: str) -> Any:
    is_number = task == "regression"
    if name == "extra_trees":
        trees = ExtraTreesRegressor if is_number else ExtraTreesClassifier
        model = trees(200, min_samples_leaf=2, random_state=SEED)
    elif name.endswith("gradient_boosting"):
        boosting = HistGradientBoostingRegressor if is_number else HistGradientBoostingClassifier
        model = boosting(random_state=SEED, early_stopping=False)
    elif is_number:
        model = Ridge(1 / C, tol=1e-9)
    else:
        model = LogisticRegression(C=C, tol=1e-9, max_iter=5000)
    return MultiOutputClassifier(model) if task == "multilabel" else model


class Learnt(FunctionTransformer):
    """What is learnt of the train rows and done to any, by `learn`."""

    def __init__(self, learn: Callable[[Array], Callable[[Array], Array]]) -> None:
        self.learn = learn
        super().__init__()

    def fit(self, x: Array, y: Any = None) -> "Learnt":
        self.done_ = self.learn(x)
        return self

    def transform(self, x: Array) -> Array:
        return self.done_(x)


def _shorter(x: Array) -> Callable[[Array], Array]:
    """Divides by √d, d features that vary, so that a row's mean squared length is 1."""
    length = np.sqrt(max(1, (np.ptp(x, axis=0) > 0).sum()))
    return lambda x: x / length


def _columns(x: Array) -> Callable[[Array], Array]:
    """Each column's features, then whether it is missing, of these those that vary, as single numbers."""
    each = [_column(x[:, place]) for place in range(x.shape[1])]

    def all_of(x: Array) -> Array:
        return np.concatenate([of(x[:, place]) for place, of in enumerate(each)], axis=1)

    kept = np.ptp(all_of(x), axis=0) > 0
    return lambda x: all_of(x)[:, kept].astype(np.float32)


def _column(train: Array) -> Callable[[Array], Array]:
    if isinstance(train[0], str) and "c1" in train:
        names, counts = np.unique(train.astype(str), return_counts=True)
        ordered = names[np.lexsort([names, -counts])]
        return lambda x: (x[:, None].astype(str) == ordered).astype(float)
    if isinstance(train[0], str):
        scaler = StandardScaler().fit(_dates(train))
        return lambda x: _with_gaps(scaler.transform(_dates(x)))
    numbers = train[:, None].astype(np.float64)
    usual = np.nanmedian(numbers)
    if (numbers != usual).sum() <= 3:  # hardly a row differs: held within the largest difference
        reach = np.abs(numbers - usual).max() or 1.0
        return lambda x: _with_gaps(np.clip((x[:, None].astype(np.float64) - usual) / reach, -1, 1))
    scaler = StandardScaler().fit(numbers * 1e6)
    return lambda x: _with_gaps(scaler.transform(x[:, None].astype(np.float64) * 1e6))


def _with_gaps(x: Array) -> Array:
    return np.concatenate([np.nan_to_num(x, nan=0.0), np.isnan(x).any(axis=1, keepdims=True)], axis=1)


def _dates(x: Array) -> Array:
    """Years since 2000 of months of 31 days, month, day, hour."""
    rows = []
    for text in x.tolist():
        date, _, clock = text.partition("T")
        year, month, day = map(int, date.split("-")) if text else (2000, 1, 1)
        hours, minutes, seconds = map(int, clock.split(":")) if clock else (0, 0, 0)
        hour = hours + minutes / 60 + seconds / 3600
        share = ((month - 1) * 31 + day - 1 + hour / 24) / 372
        rows.append([year - 2000 + share, month, day, hour] if text else [np.nan] * 4)
    return np.array(rows, np.float32).astype(np.float64)


def _runs(letters: str, k: int) -> list[str]:
    return [run + letter for run in _runs(letters, k - 1) for letter in letters] if k else [""]


def _kmers(letters: str, longest: int, x: Array) -> Callable[[Array], Array]:
    counted = [
        make_pipeline(
            CountVectorizer(analyzer="char", ngram_range=(k, k), vocabulary=_runs(letters, k)),
            Normalizer("l1"),
        )
        for k in range(1, longest + 1)
    ]
    union = make_union(*counted).fit(x)
    return lambda x: union.transform(x).toarray().astype(np.float32)


def _places(x: Array) -> Array:
    """Four columns a letter: 1 for it, of N a quarter of each."""
    longest = 28
    rows = np.zeros((len(x), longest, 4))
    for row, text in enumerate(x.tolist()):
        for place, letter in enumerate(text.upper()[:longest]):
            rows[row, place] = 0.25 if letter == "N" else [letter == one for one in "ACGT"]
    return rows.reshape(len(x), -1)


def _of_network(pixels: Array) -> Array:
    network = build(examples.NETWORKS["image"][0], make("preset", "binary"), 0)
    return np.asarray(network.backbone(network.preprocessing(pixels[..., None])))


def _scaled(*steps: Any) -> list[Any]:
    return [*steps, StandardScaler(), Learnt(_shorter)]


DNA = partial(_kmers, "acgt", 4)
PROTEIN = partial(_kmers, "acdefghiklmnpqrstvwy", 2)
STEPS: dict[tuple[str, str], Callable[[], list[Any]]] = {
    ("table", "linear"): lambda: _scaled(Learnt(_columns)),
    ("table", "extra_trees"): lambda: [Learnt(_columns)],
    ("table", "gradient_boosting"): lambda: [Learnt(_columns)],
    ("text", "tfidf_words"): lambda: [
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\b\w+\b", sublinear_tf=True)
    ],
    ("text", "tfidf_characters"): lambda: [
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    ],
    ("nucleotide", "kmers"): lambda: _scaled(Learnt(DNA)),
    ("nucleotide", "one_hot"): lambda: _scaled(FunctionTransformer(_places)),
    ("protein", "kmers"): lambda: _scaled(Learnt(PROTEIN)),
    ("protein", "kmers_gradient_boosting"): lambda: [Learnt(PROTEIN)],
    ("image", "hog"): lambda: _scaled(
        FunctionTransformer(lambda x: np.stack([_plain_hog(one, 2) for one in x]).astype(np.float32))
    ),
    ("image", "pixels"): lambda: _scaled(
        FunctionTransformer(lambda x: np.repeat(x.reshape(len(x), -1), 3, axis=1) / 255)
    ),
    ("preset", "preset_features"): lambda: _scaled(FunctionTransformer(_of_network)),
}
"""What comes before the model."""


PROGRAM = """
import json, runpy, sys
import numpy as np
given = json.load(sys.stdin)
answers = []
for one in given:
    inputs = {name: np.array(x, dtype=dtype) for name, (dtype, x) in one["inputs"].items()}
    if one["path"].endswith(".keras"):
        import keras
        model = keras.saving.load_model(one["path"])
    else:
        model = runpy.run_path(one["program"])["Baseline"](__import__("pathlib").Path(one["path"]))
    answers.append(model.predict(inputs, batch_size=64, verbose=0).tolist())
print(json.dumps(answers))
"""


@pytest.mark.slow
def test_files_answer_the_same_in_a_python_that_knows_nothing_of_this_project(
    made: dict[Any, Made], plain: PlainPython, tmp_path: Path
) -> None:
    told = {(kind, name.removeprefix("pooled_")): one for (kind, _, name), one in made.items()}
    program = bundled_model.__file__
    given = [{"path": str(one.path), "program": program, "inputs": _plain(one.data)} for one in told.values()]
    ended = plain.run("-c", PROGRAM, cwd=tmp_path, input=json.dumps(given))
    answers = json.loads(ended.stdout.splitlines()[-1])
    assert len(answers) == 12
    for one, answer in zip(told.values(), answers, strict=True):
        np.testing.assert_allclose(np.array(answer), one.answers(), rtol=1e-5, atol=1e-5)


def _plain(data: Data) -> dict[str, tuple[str, Any]]:
    assert data.test is not None
    if data.signature.kind == "image":
        channels = 3 if len(data.signature.classes) == 3 else 1
        return {
            "image": ("float32", [decode(value, channels).tolist() for value in data.test.inputs["image"]])
        }
    return {
        name: ("object" if values.dtype.kind == "O" else "float32", values.tolist())
        for name, values in _keyed(data).items()
    }


UNUSUAL = {
    "x": [1e18, -1e18, np.nan, 0, 1e-30],
    "large": [1e6, np.nan, -1e18, 1e18, 0],
    "tiny": [1, np.nan, -1e18, 1e-9, 1e18],
    "rare": [50, -1e9, np.nan, 0, 25],
    "still": [3, 4, np.nan, 1e18, -5],
    "member": [0, 1, np.nan, 0, 1],
    "city": ["c1", "zz", "", "C1", "ünï"],
    "day": ["2024-03-05", "", "1900-01-01T00:00:00", "9999-12-31T23:59:59", "2024-02-29T12:00:01"],
}
TARGETS: dict[str, tuple[Any, Callable[[Array], Array]]] = {
    "one class of two": ("binary", np.ones_like),
    "two classes of three": ("multiclass", lambda y: np.where(y == 1, 0, y)),
    "one class of three": ("multiclass", np.zeros_like),
    "labels that all rows have or none": ("multilabel", lambda y: y * [0, 1, 0] + [1, 0, 0]),
    "one number": ("regression", lambda y: np.full_like(y, 7)),
    "numbers about 0": ("regression", lambda y: np.where(y > 100, 0, y - 110)),
}


@pytest.mark.parametrize("name", ["linear", "extra_trees", "gradient_boosting"])
@pytest.mark.parametrize("case", TARGETS)
def test_a_file_knows_classes_without_rows_and_rows_like_none_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, case: str, name: str
) -> None:
    monkeypatch.setattr(tables, "BOOSTED_ROWS", 10)
    task, changed = TARGETS[case]
    data = table(task)
    data = replace(data, train=replace(data.train, targets=changed(data.train.targets)))
    rows = {key: np.array(x, object if key in ("city", "day") else np.float32) for key, x in UNUSUAL.items()}
    made = choose([_reading("table", data, data, name)], data, TRAINING, folds=np.full(len(data.train), -1))
    path = _written(as_file(made, data.signature), tmp_path / "file")
    if path.is_dir():
        again = bundled_model.Baseline(path).predict(rows)
    else:
        again = ask(keras.saving.load_model(path), data.signature, rows)
    np.testing.assert_allclose(again, made.answers(rows), rtol=1e-5, atol=1e-5)


def test_texts_of_any_writing_are_read_as_scikit_learn_reads_them() -> None:
    texts = [
        "İstanbul STRASSE straße ΑΣ Σας",
        "a  b\u00a0c\u2003d",
        "日本語のテキスト",
        "🙂 x",
        "_ 9,,",
        "\n\t",
        "don't",
    ]
    for options in (
        {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
        {"analyzer": "char_wb", "ngram_range": (2, 5)},
    ):
        vectorizer = TfidfVectorizer(**options, sublinear_tf=True).fit(texts)
        about = {
            "analyzer": options["analyzer"],
            "ngrams": options["ngram_range"],
            "length": 5000,
            "terms": vectorizer.get_feature_names_out().tolist(),
            "idf": vectorizer.idf_.tolist(),
        }
        theirs = vectorizer.transform(texts).toarray()
        ours = np.zeros_like(theirs)
        for row, (places, values) in enumerate(bundled_model.tfidf(about, np.array(texts, object))):
            ours[row, places] = values
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
