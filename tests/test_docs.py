"""The pages under `docs/` say what the code does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from app.jobs.states import MEANING, MOVES, TERMINAL, Stage, State
from app.main import create_app
from app.settings import Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_diagram_of_states_has_each_move_with_its_sentence_and_no_other() -> None:
    drawn = re.findall(r"^ +(\w+) --> (\w+): (.+)$", read("job-states.md"), re.MULTILINE)
    assert {(State(a), State(b)): sentence for a, b, sentence in drawn} == MOVES
    assert len(drawn) == len(MOVES)


def test_the_diagram_of_states_begins_with_queued_and_ends_with_the_terminal_states() -> None:
    page = read("job-states.md")
    assert re.findall(r"\[\*\] --> (\w+)", page) == [State.QUEUED]
    assert set(re.findall(r"(\w+) --> \[\*\]", page)) == TERMINAL


def test_each_state_and_each_stage_is_explained() -> None:
    page = read("job-states.md")
    for state in State:
        assert f"| `{state}` | {MEANING[state]} |" in page
    for stage in Stage:
        assert f"| `{stage}` | " in page


def modules() -> list[str]:
    """Each module of `app` and `workers` that holds code, as its path."""
    files = [path for room in ("app", "workers") for path in (ROOT / room).rglob("*.py")]
    return sorted(str(path.relative_to(ROOT)) for path in files if path.name != "__init__.py")


def described() -> list[str]:
    """The paths that the tables of architecture.md describe: a heading's folder and a row's file."""
    folder, paths = "", []
    for line in read("architecture.md").splitlines():
        if heading := re.match(r"#+ `((?:app|workers)/[\w/]*)`", line):
            folder = heading[1]
        elif line.startswith("#"):
            folder = ""
        elif folder and (row := re.match(r"\| `([\w/]+\.py)` \|", line)):
            paths.append(folder + row[1])
    return sorted(paths)


def test_architecture_describes_each_module_once_and_no_module_that_is_not_there() -> None:
    assert described() == modules()


def test_architecture_names_each_folder_of_the_repository() -> None:
    page = read("architecture.md")
    named = set(re.findall(r"^\| `(\w+)/` \|", page, re.MULTILINE)) | {"app", "workers"}
    assert all((ROOT / name).is_dir() for name in named)
    assert named >= {path.parent.name for path in ROOT.glob("*/__init__.py")}


def calls(*names: str) -> Iterator[ast.Call]:
    """The calls of these functions in `app/datasets`."""
    for path in (ROOT / "app" / "datasets").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield node


def texts(values: Iterable[ast.expr]) -> set[str]:
    """Those of the values that are written out as text, or chosen from such."""
    found: set[str] = set()
    for value in values:
        if isinstance(value, ast.IfExp):
            found |= texts([value.body, value.orelse])
        elif isinstance(value, ast.Constant) and isinstance(value.value, str):
            found.add(value.value)
    return found


def listed(section: str) -> set[str]:
    """The codes in the first column of a section of data-sets.md."""
    body = read("data-sets.md").split(f"\n## {section}\n")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| (.+?) \|", body, re.MULTILINE)
    return {code for cell in first_cells for code in re.findall(r"`(\w+)`", cell)}


def test_each_refusal_of_a_data_set_is_listed() -> None:
    raised = calls("DatasetError", "ServiceError", "RefusedExample", "BadImage", "_refuse", "_refused")
    known = {text for call in raised for text in texts(call.args) if re.fullmatch(r"[a-z]+(_[a-z]+)+", text)}
    assert {"ragged_row", "one_class", "mixed_types", "too_large"} <= known
    elsewhere = {"dataset_not_found", "dataset_in_use", "missing_columns"}
    assert listed("Refusals") == (known - elsewhere) | {"invalid_request", "quota_full"}


def test_each_warning_about_a_data_set_is_listed() -> None:
    known = {
        code for call in calls("Notice") for code in texts(k.value for k in call.keywords if k.arg == "code")
    }
    assert {"duplicate_rows", "gives_label_away"} <= known
    assert listed("Warnings") == known | {"no_validation_rows", "no_test_rows"}


def test_the_guide_shows_each_route(tmp_path: Path) -> None:
    page = read("api.md")
    for path, operations in create_app(Settings(data_dir=tmp_path)).openapi()["paths"].items():
        for method in operations:
            assert f"`{method.upper()} {path}`" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_of_a_page_leads_to_a_file_that_is_there(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target


def test_the_guide_to_the_api_lists_every_route() -> None:
    document = create_app(Settings(public_url="http://localhost:8000")).openapi()
    routes = {
        f"`{method.upper()} {path}`"
        for path, operations in document["paths"].items()
        for method in operations
    }
    rows = re.findall(r"^\| (`[A-Z]+ /.*?`) \|", read("api.md"), re.MULTILINE)
    assert {one for row in rows for one in row.split(", ")} == routes
