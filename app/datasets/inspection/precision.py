"""Whether a network keeps a number column's digits apart: what is refused of a label, and told of a feature.

A network takes its inputs as float32: about 7 digits, up to ±1e18. A label is kept as float64, about 16
digits, and learnt in units of its deviation.
"""

from __future__ import annotations

import math

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection.columns import ColumnScan
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Notice
from app.datasets.reading.words import Task

LARGEST_FEATURE = 1e18
"""As the networks clip them."""
_LARGEST_LABEL, _LEAST_DEVIATION = 1e37, 1e-37
_FEW_STEPS, _FEW_STEPS_OF_LABEL = 32, 4
"""A deviation of fewer steps between neighbouring numbers than this loses digits that matter."""
_TIMES = (1e8, 1e14)
"""Sizes of seconds and milliseconds since 1970."""


def check_label(column: ColumnScan, task: Task) -> None:
    """Refuse a regression's label whose digits are lost, saying what to do to it.

    Raises:
        DatasetError: it is too large, varies by too little, or by less than float64 keeps at its size.
    """
    moments = column.moments
    if task != "regression" or not moments.count:
        return
    size = max(abs(moments.low), abs(moments.high))
    if size > _LARGEST_LABEL:
        expected, hint = f"labels between ±{_LARGEST_LABEL:g}", f"Divide the label by {_power(size):g}."
        raise _refused(column, expected, f"{size:g}", hint)
    deviation = moments.deviation
    if deviation < _LEAST_DEVIATION:
        factor = _power(1 / deviation) if deviation > 1e-300 else 1e300
        expected, hint = f"labels that vary by {_LEAST_DEVIATION:g} at least", f"Multiply it by {factor:g}."
        raise _refused(column, expected, f"a deviation of {deviation:.3g}", hint)
    step = math.ulp(size)
    if deviation < _FEW_STEPS_OF_LABEL * step:
        expected = f"labels that vary by more than rounding, which is {step:g} at {size:.4g}"
        hint = f"Subtract {_offset(moments.low, moments.high)} from the label before it is written."
        raise _refused(column, expected, f"a deviation of {deviation:.3g}", hint)


def notices(column: ColumnScan, sample: pa.Array) -> list[Notice]:
    """What float32 loses of a feature; `sample` holds the column's first values."""
    if column.type != "number" or not column.moments.count or column.tally.distinct < 2:
        return []
    return _clipped(column) or _rounded(column, sample)


def _clipped(column: ColumnScan) -> list[Notice]:
    size = max(abs(column.moments.low), abs(column.moments.high))
    if size <= LARGEST_FEATURE:
        return []
    message = (
        f"The column {column.name} holds numbers such as {size:.4g}; those beyond ±{LARGEST_FEATURE:g} are "
        f"read as that. Divide it by {_power(size):g}, in the rows to predict as well."
    )
    return [Notice(code="digits_lost", column=column.name, message=message)]


def _rounded(column: ColumnScan, sample: pa.Array) -> list[Notice]:
    low, high, spread, size = _spread(column, sample)
    step = _float32_step(size)
    if spread >= _FEW_STEPS * step:
        return []
    times = ", or write it as a date such as 2024-12-31T23:59:00, if it is one" if _is_time(column) else ""
    message = (
        f"The column {column.name} varies by about {spread:.3g} around {size:.6g}, where a network keeps "
        f"numbers {step:g} apart (float32): closer values are one to it. Subtract {_offset(low, high)} from "
        f"the column, in the rows to predict as well{times}."
    )
    return [Notice(code="digits_lost", column=column.name, message=message)]


def _spread(column: ColumnScan, sample: pa.Array) -> tuple[float, float, float, float]:
    """Lowest and highest value, spread and size: of the middle half of the sample where that is closer."""
    moments = column.moments
    size = max(abs(moments.low), abs(moments.high))
    whole = (moments.low, moments.high, moments.deviation, size)
    values = sample.drop_null()
    if not len(values):
        return whole
    low, high = pc.quantile(values, [0.25, 0.75]).to_pylist()
    size = max(abs(low), abs(high))
    middle = (low, high, (high - low) / 1.35, size)  # the deviation of normal values
    is_closer = high > low and middle[2] * whole[3] < whole[2] * size
    return middle if is_closer else whole


def _is_time(column: ColumnScan) -> bool:
    return column.moments.whole and _TIMES[0] < abs(column.moments.high) < _TIMES[1]


def _float32_step(size: float) -> float:
    return 2.0 ** (math.frexp(size)[1] - 24) if size else 0.0


def _offset(low: float, high: float) -> str:
    """A round number below the values and near them."""
    unit = _power(max(high - low, math.ulp(high)))
    offset = math.floor(low / unit) * unit
    return f"{int(offset)}" if abs(offset) >= 1 else f"{offset:.12g}"


def _power(size: float) -> float:
    return 10.0 ** math.floor(math.log10(size))


def _refused(column: ColumnScan, expected: str, received: str, hint: str) -> DatasetError:
    error = {"row": None, "column": column.name, "expected": expected, "received": received}
    message = f"Expected {expected}, in column {column.name}. Received: {received}."
    return DatasetError("label_loses_digits", message, hint, [error])
