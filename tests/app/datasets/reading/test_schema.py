import subprocess
import sys

import pytest
from pydantic import ValidationError

from app.datasets.reading.schema import DatasetError, Declaration


def test_an_error_survives_its_way_through_json() -> None:
    error = DatasetError("ragged_row", "Expected 2. Received: 3.", "Mend it.", [{"row": 7, "column": None}])
    again = DatasetError.from_json(error.to_json())
    assert (again.code, again.message, again.hint, again.errors) == (
        error.code,
        error.message,
        error.hint,
        error.errors,
    )


def test_fractions_that_could_leave_no_row_to_train_on_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"at most 0\.6, received 0\.8"):
        Declaration(validation_fraction=0.4, test_fraction=0.4)


def test_an_unknown_field_of_a_declaration_is_refused() -> None:
    with pytest.raises(ValidationError, match="lable"):
        Declaration.model_validate({"lable": "y"})


def test_the_api_side_imports_no_pyarrow() -> None:
    imports = "import sys, app.datasets.reading.schema, app.datasets.child_process"
    program = f"{imports}; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
