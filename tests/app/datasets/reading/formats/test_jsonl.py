from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]
OTHERS = '{"a": 3, "y": "p"}\n{"a": 4, "y": "q"}\n'
GOOD = '{"a": 1, "y": "p"}\n{"a": 2.5, "y": "q"}\n'


def test_absent_keys_and_null_and_empty_text_are_missing(inspect_text: Inspect) -> None:
    late = '{"y": "p", "late": "NA"}\n\n{"a": null, "y": "q", "late": ""}\n'
    inspection = inspect_text(GOOD + OTHERS + late, "d.jsonl")
    a, y, said = inspection.profile.columns
    assert (a.missing, y.missing, said.missing) == (2, 0, 5)
    assert said.top[0].value == "NA"


def test_a_byte_order_mark_and_gzip_are_understood(inspect_text: Inspect) -> None:
    content = gzip.compress(b"\xef\xbb\xbf" + GOOD.encode() + b'{"a": 3, "y": "p"}\n{"a": 4, "y": "p"}\n')
    assert inspect_text(content, "d.jsonl.gz").description.rows == 4


def test_text_is_no_number_but_may_be_a_date_or_a_boolean(inspect_text: Inspect) -> None:
    line = '{{"zip": "0{0}", "day": "2024-01-0{0}", "ok": "yes", "flag": true, "y": "{1}"}}\n'
    inspection = inspect_text("".join(line.format(n, "pq"[n % 2]) for n in range(1, 9)), "d.jsonl")
    types = {column.name: column.type for column in inspection.description.columns}
    assert types == {"zip": "category", "day": "date", "ok": "boolean", "flag": "boolean", "y": "category"}


@pytest.mark.parametrize(
    ("line", "code", "expected", "received"),
    [
        ('{"a": [1], "y": "p"}', "nested_value", "a number, text, a boolean or null", "[1]"),
        ('{"a": {"b": 1}, "y": "p"}', "nested_value", "a number, text, a boolean or null", '{"b": 1}'),
        ('{"a": "x", "y": "p"}', "mixed_types", "a number, as in the rows before", '"x"'),
        ('{"a": true, "y": "p"}', "mixed_types", "a number, as in the rows before", "true"),
        ('{"a": 1e999, "y": "p"}', "infinite_number", "a finite number", "Infinity"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_row_and_key(
    refuse_text: Refuse, line: str, code: str, expected: str, received: str
) -> None:
    error = refuse_text(f"{GOOD}\n{line}\n", "d.jsonl")
    assert error.code == code
    assert error.errors == [{"row": 3, "line": 4, "column": "a", "expected": expected, "received": received}]
    assert f"Expected {expected}. Received: {received} in row 3, column a." in error.message


def test_a_nested_value_in_the_first_row_is_refused(refuse_text: Refuse) -> None:
    assert refuse_text('{"a": [1], "y": 2}\n', "d.jsonl").code == "nested_value"


@pytest.mark.parametrize("line", ['{"a": 1', "[1]", '{"a": NaN}', '{"a": 1} {"a": 2}', "word"])
def test_a_line_that_is_no_object_is_refused_with_its_number(refuse_text: Refuse, line: str) -> None:
    error = refuse_text(f"{GOOD}{line}\n", "d.jsonl")
    assert (error.code, error.errors[0]["line"]) == ("not_json_lines", 3)
    assert f"Received: {line} in line 3" in error.message


@pytest.mark.parametrize("line", ['{"a": 1, "a": 2, "y": "p"}', '{"a": 1, "y": "\\ud800"}'])
def test_what_only_arrow_refuses_is_refused_too(refuse_text: Refuse, line: str) -> None:
    assert refuse_text(f"{GOOD}{line}\n", "d.jsonl").code == "not_json_lines"


def test_json_lines_in_another_encoding_are_refused(refuse_text: Refuse) -> None:
    error = refuse_text(GOOD.encode("utf-16"), "d.jsonl")
    assert (error.code, "Received: utf-16" in error.message) == ("not_text", True)


def test_integers_beyond_64_bits_are_numbers(inspect_text: Inspect) -> None:
    inspection = inspect_text(
        GOOD + '{"a": 3, "y": "p"}\n{"a": 123456789012345678901234, "y": "p"}\n', "d.jsonl"
    )
    assert inspection.profile.columns[0].maximum == 123456789012345678901234.0


def test_an_integer_beyond_all_floats_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text(GOOD + f'{{"a": 1{"0" * 400}, "y": "p"}}\n', "d.jsonl")
    assert (error.code, error.errors[0]["row"]) == ("infinite_number", 3)
