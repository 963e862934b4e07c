import pytest

from app.datasets.reading.file_extensions import format_of, without_ending


@pytest.mark.parametrize(
    ("filename", "name", "file_format"),
    [
        ("sales.2023.csv", "sales.2023", "csv"),
        ("sales.2024.csv.gz", "sales.2024", "csv"),
        ("a.b.c.TSV", "a.b.c", "tsv"),
        ("report.txt", "report", None),
        ("v1.2", "v1.2", None),
        ("plain", "plain", None),
        (".csv", "", None),
        ("", "", None),
    ],
)
def test_only_what_says_a_format_is_an_ending(filename: str, name: str, file_format: str | None) -> None:
    assert (without_ending(filename), format_of(filename)) == (name, file_format)
