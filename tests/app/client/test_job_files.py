"""Which job is meant by a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer import Exit

from app.client.commands.job_files import job_of


@pytest.mark.parametrize(
    "text",
    [
        "model: a\ntarget: {dataset: t}\nmodel: b\n",
        "training: {seed: 1, seed: 1}\n",
        '{"model": "a", "target": [{"x": 1, "x": 2}]}',
    ],
)
def test_a_key_that_comes_twice_is_refused_with_its_place(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(Exit) as wrong:
        job_of(tmp_path / "job.yaml", {}, {}, [])
    assert wrong.value.exit_code == 2
    told = capsys.readouterr().err
    assert "a second time" in told
    assert "line " in told


def test_a_file_is_read_as_it_is_where_no_key_comes_twice(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(
        "base: &base {a: 1, b: 2}\nsource: {a: 1}\ntarget: {<<: *base, a: 3}\nwhen: [{a: 1}, {a: 2}]\n"
    )
    assert job_of(tmp_path / "job.yaml", {}, {}, []) == {
        "base": {"a": 1, "b": 2},
        "source": {"a": 1},
        "target": {"a": 3, "b": 2},
        "when": [{"a": 1}, {"a": 2}],
    }
