"""Small real data and networks for the tests of workers.transfer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.workers.transfer.parts import parts_of
from workers.transfer.data import Column, Data, Rows, Signature, from_table

MIXED = (
    Column("age", "number"),
    Column("member", "boolean"),
    Column("city", "category"),
    Column("joined", "date"),
)


@pytest.fixture
def options() -> dict[str, Any]:
    """A small network with dropout, so that random states count."""
    return {
        "kind": "mlp",
        "hidden_units": [8, 8],
        "activation": "relu",
        "dropout": 0.2,
        "preprocessing": True,
        "max_categories": 256,
    }


@pytest.fixture
def plain_options(options: dict[str, Any]) -> dict[str, Any]:
    """The network of a plain Keras script: dense layers on a matrix."""
    return {**options, "preprocessing": False, "dropout": 0.0}


@pytest.fixture(scope="session")
def numbers() -> Callable[..., Data]:
    """Rows of number columns x0, x1, … with a label of any task that follows from them."""

    def make(rows: int = 100, task: Any = "binary", seed: int = 0, classes: tuple[str, ...] = ()) -> Data:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(rows, 4)).astype(np.float32)
        score = x[:, 0] - 2 * x[:, 1] + 0.3 * rng.normal(size=rows)
        names = classes or {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": ()}[task]
        if task == "binary":
            targets = (score > 0).astype(np.float32).reshape(-1, 1)
        elif task == "multiclass":
            targets = np.digitize(score, np.quantile(score, np.arange(1, len(names)) / len(names)))
        else:
            targets = (1000 + 50 * score).astype(np.float32).reshape(-1, 1)
        inputs = {f"x{number}": x[:, number] for number in range(4)}
        columns = tuple(Column(name, "number") for name in inputs)
        parts = [slice(0, rows * 6 // 10), slice(rows * 6 // 10, rows * 8 // 10), slice(rows * 8 // 10, rows)]
        all_rows = Rows(inputs, targets, np.arange(rows))
        split = [all_rows.take(part) for part in parts]
        return Data(Signature(columns, "y", task, names), *split)

    return make


@pytest.fixture
def mixed_table() -> pa.Table:
    """All column types, each with missing values, and a label that follows from the first."""
    rng = np.random.default_rng(1)
    rows = 120
    age = [None if rng.random() < 0.1 else float(value) for value in rng.normal(50, 10, rows)]
    days = np.datetime64("2019-11-20") + rng.integers(0, 500, rows)
    times = [f"{day}T{hour:02}:30:00" for day, hour in zip(days, rng.integers(0, 24, rows), strict=True)]
    return pa.table(
        {
            "age": pa.array(age, pa.float64()),
            "member": pa.array([None if draw < 0.1 else bool(draw > 0.5) for draw in rng.random(rows)]),
            "city": pa.array([None if n == 0 else f"c{n}" for n in rng.integers(0, 5, rows)], pa.string()),
            "joined": pa.array([None if n % 9 == 0 else time for n, time in enumerate(times)], pa.string()),
            "y": pa.array(["yes" if (value or 50) > 50 else "no" for value in age]),
        }
    )


@pytest.fixture
def mixed(mixed_table: pa.Table) -> Data:
    """`mixed_table` split into train, validation and test rows."""
    signature = Signature(MIXED, "y", "binary", ("no", "yes"))
    return from_table(mixed_table, signature, parts_of(mixed_table.num_rows, seed=3))
