from app.datasets.reading.errors import DatasetError


def test_an_error_survives_its_way_through_json() -> None:
    error = DatasetError("ragged_row", "Expected 2. Received: 3.", "Mend it.", [{"row": 7, "column": None}])
    again = DatasetError.from_json(error.to_json())
    assert (again.code, again.message, again.hint, again.errors) == (
        error.code,
        error.message,
        error.hint,
        error.errors,
    )
