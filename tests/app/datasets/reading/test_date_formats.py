import pytest

from app.datasets.reading.date_formats import problem_of


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%b %d %Y", "%Y-%m-%d %I:%M %p", "%Y%%%m"])
def test_a_form_with_a_year_and_known_parts_can_be_declared(form: str) -> None:
    assert problem_of(form) is None


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ("%Q %Y", "%Q, where"),
        ("%d.%m", "no year"),
        ("%Y %Y", "a part twice"),
        ("%Y %b %B", "a part twice"),
        ("%Y %I:%M", "without the other"),
        ("DD.MM.YYYY", "no year"),
        ("%Y %", "%, where"),
    ],
)
def test_what_is_wrong_with_another_form_is_said(form: str, problem: str) -> None:
    assert problem in str(problem_of(form))
