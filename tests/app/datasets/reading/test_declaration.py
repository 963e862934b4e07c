import subprocess
import sys

import pytest
from pydantic import ValidationError

from app.datasets.reading.declaration import Declaration


def test_fractions_that_could_leave_no_row_to_train_on_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"at most 0\.6, received 0\.8"):
        Declaration(validation_fraction=0.4, test_fraction=0.4)
    Declaration(validation_fraction=0.2, test_fraction=0.4)  # in floats their sum is 0.6000000000000001


def test_one_column_cannot_split_in_two_ways() -> None:
    with pytest.raises(ValidationError, match="different columns as `split`, `time` and `group`"):
        Declaration(group="day", time="day")


def test_an_unknown_field_of_a_declaration_is_refused() -> None:
    with pytest.raises(ValidationError, match="lable"):
        Declaration.model_validate({"lable": "y"})


def test_the_api_side_imports_no_pyarrow() -> None:
    imports = "import sys, app.datasets.reading.profile, app.datasets.child_process"
    program = f"{imports}; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
