from __future__ import annotations

import pytest

from app.datasets.inspection.advice import as_sent, fields


@pytest.mark.parametrize("name", ["@id", "<b", '"q"', "a;b", " x"])
def test_what_curl_would_take_for_something_else_is_sent_as_a_string(name: str) -> None:
    assert as_sent(fields(ignore=name)).startswith("`--form-string ")


def test_a_column_that_looks_like_a_list_is_sent_as_one() -> None:
    assert fields(ignore="[0]") == {"ignore": '["[0]"]'}
    assert as_sent(fields(ignore="Customer ID")) == "`-F 'ignore=Customer ID'`"
