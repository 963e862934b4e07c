from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from app.datasets.schemas import DatasetForm


def read(**given: list[str]) -> dict[str, Any]:
    return DatasetForm.model_validate(given).model_dump(exclude_defaults=True)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"ignore": ["Customer ID", "b"]}, {"ignore": ["Customer ID", "b"]}),
        ({"ignore": ['["a", "b"]', "c"]}, {"ignore": ["a", "b", "c"]}),
        ({"ignore": ["[x]"]}, {"ignore": ["[x]"]}),
        ({"missing": ["-", "?"]}, {"missing": ["-", "?"]}),
        ({"missing": ["[]"]}, {"missing": []}),
        ({"missing": ['{"a": "-"}']}, {"missing": {"a": ["-"]}}),
        ({"missing": ["[none]"]}, {"missing": ["[none]"]}),
        ({"missing": ['{"a": ["-"]}', '{"b": []}']}, {"missing": {"a": ["-"], "b": []}}),
        ({"decimal": [","]}, {"decimal": ","}),
        ({"decimal": ['{"a": ","}', '{"b": "."}']}, {"decimal": {"a": ",", "b": "."}}),
        ({"types": ['{"a": "ignore"}', '{"b": "date"}']}, {"types": {"a": "ignore", "b": "date"}}),
        ({"date_format": ["%d.%m.%Y"]}, {"date_format": "%d.%m.%Y"}),
    ],
)
def test_fields_that_come_several_times_add_up(given: dict[str, list[str]], expected: dict[str, Any]) -> None:
    assert read(**given) == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"decimal": [",", "."]}, "received 2 values"),
        ({"decimal": [";"]}, "'.' or ','"),
        ({"thousands": ["."]}, "declare `decimal` as ','"),
        ({"date_format": ["DD.MM.YYYY"]}, "no year"),
        ({"types": ["age"]}, "dictionary"),
        ({"missing": ['{"a": 1}']}, "list"),
        ({"missing": ['["-"']}, "a JSON list"),
        ({"types": ['{"a": "numeric"}']}, "'protein' or 'ignore'"),
    ],
)
def test_what_no_convention_is_says_what_is_expected(given: dict[str, list[str]], told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(**given)
    (error,) = refused.value.errors()
    assert told in error["msg"]


def test_columns_of_a_file_without_a_header_come_as_a_list_or_one_by_one() -> None:
    for given in (['["source", "target"]'], ["source", "target"]):
        form = DatasetForm.model_validate({"kind": "pairs", "columns": given})
        assert form.declaration().columns == ["source", "target"]
