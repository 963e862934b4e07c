"""The report of real predictions, as JSON and as a page."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.reports.words import ARMS
from tests.app.conftest import Publish
from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.proof import evaluation
from workers.transfer.proof.evaluation import Outcome

RECEIPT: dict[str, Any] = {
    "layers": [
        {
            "part": "backbone",
            "layer": "dense_1",
            "kind": "Dense",
            "origin": "partly copied",
            "training": "trained",
            "why": "columns <match> by name",
            "weights": [
                {
                    "name": "kernel",
                    "shape": [3, 2],
                    "parameters": 6,
                    "origin": "partly copied",
                    "training": "trained",
                    "moved": 0.25,
                    "distance": 0.5,
                    "copied": ["a", "b"],
                    "new": ["<c>"],
                    "share": 2 / 3,
                },
                {
                    "name": "bias",
                    "shape": [2],
                    "parameters": 2,
                    "origin": "new",
                    "training": "frozen",
                    "moved": None,
                    "distance": 0.0125,
                },
            ],
        }
    ],
    "totals": {
        "parameters": 8,
        "copied": 0,
        "partly copied": 6,
        "new": 2,
        "reinitialised": 0,
        "trained": 6,
        "frozen": 2,
        "adapted": 0,
        "coverage": 0.5,
    },
}


class Page(HTMLParser):
    """What a browser would load, and the tags that were not closed."""

    VOID = ("meta", "line", "circle", "path", "br", "link", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [str(value) for name, value in attrs if name in ("src", "href", "action", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def proved(classes: int, *, control: bool = True, seeds: int = 1, seen: int = 0) -> dict[str, Any]:
    """The proof of made-up predictions, `seen` of 200 rows left out; without classes, of a regression."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, 200) if classes else rng.normal(size=200)

    def outcome(seed: int, skill: float) -> Outcome:
        if not classes:
            p = skill * y.reshape(-1, 1) + rng.normal(size=(200, 1))
        else:
            z = rng.normal(size=(200, classes)) + skill * np.eye(classes)[y]
            p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        return Outcome(seed, p, p, [0.5 + epoch * skill / 10 for epoch in range(4)])

    arms = {"transfer": [outcome(seed, 2.0) for seed in range(seeds)]}
    if control:
        arms["control"] = [outcome(seed, 1.0) for seed in range(seeds)]
    signature = Signature(
        (Column("a", "number"),),
        "y",
        "multiclass" if classes else "regression",
        tuple(f"class {number}" for number in range(classes)),
    )
    rows = Rows({}, y, np.arange(200))
    return evaluation.evaluate_arms(
        arms,
        Data(signature, rows, rows, rows),
        evaluation.Rules(metric=None, confidence=0.95, draws=200, seed=0),
        seen=np.arange(200) < seen,
    )


SEEN = {
    "test": 7,
    "test_rows": 200,
    "validation": 5,
    "validation_rows": 100,
    "datasets": [
        {
            "dataset": "old<1>@1",
            "rows": 80,
            "test": 7,
            "validation": 5,
            "near": 2,
            "overlap_not_tellable": True,
        }
    ],
    "unknown": ["mini_lm"],
}

STRENGTH = {
    "transfer": {
        "learning_rate": 0.003,
        "regulariser_strength": 0.3,
        "by": "validation",
        "tried": [
            {"learning_rate": 0.003, "regulariser_strength": 0.3, "loss": 0.25, "accuracy": 0.875},
            {"learning_rate": 0.003, "regulariser_strength": 3.0, "loss": None, "accuracy": None},
        ],
    },
    "control": {"learning_rate": 0.01, "regulariser_strength": None, "by": "given", "tried": []},
}

FEW_SHOT = {
    "points": [
        {"per_class": 5, "rows": 15, "transfer": 0.7, "control": 0.5, "gain": None},
        {
            "per_class": None,
            "rows": 300,
            "transfer": 0.8,
            "control": 0.7,
            "gain": {"value": 0.1, "low": 0.05, "high": 0.2, "p_value": 0.001, "comparisons": 1},
        },
    ],
    "labels_saved": 285,
    "comparisons": 2,
    "note": "The control knows more.",
}

CHOSEN = {
    "choices": {
        "transfer": {
            "learning_rate": 0.003,
            "regulariser_strength": None,
            "by": "cross-validation",
            "tried": [
                {"learning_rate": 0.003, "regulariser_strength": None, "loss": 0.25, "accuracy": 0.875},
                {"learning_rate": 0.03, "regulariser_strength": None, "loss": None, "accuracy": None},
            ],
        },
        "control": {"learning_rate": 0.01, "regulariser_strength": None, "by": "given", "tried": []},
    },
    "control": {
        "chosen": "random_weights",
        "by": "validation",
        "candidates": [
            {"name": "from_scratch", "loss": None, "accuracy": None, "metrics": None},
            {
                "name": "random_weights",
                "loss": 0.375,
                "accuracy": 0.75,
                "metrics": proved(3)["metrics"]["control"],
            },
        ],
    },
}

TRIALS = {"trials": [{"number": 1, "score": 0.5, "epochs": 3, "options": {"hidden_units": [4]}}]}

COST = {
    "source": {"updates": 0, "cpu_seconds": 0.0, "reused": True},
    "transfer": {"updates": 1350, "cpu_seconds": 3.108},
    "control": {"updates": 2100, "cpu_seconds": 1234.56},
    "random_frozen": {"updates": 1, "cpu_seconds": 0.034},
    "few_shot": {"updates": 900, "cpu_seconds": 2.0},
    "total": {"updates": 4351, "cpu_seconds": 1239.702},
    "saved": {
        "updates": 640,
        "cpu_seconds": 16.782,
        "why": [
            "The same source stage was run by job <old>-1 before: 640 updates, 4.5 CPU seconds.",
            "Features of 416 rows were found in the cache: 12.3 CPU seconds.",
        ],
    },
}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "three classes": (proved(3), {}),
    "many classes": (proved(50), {}),
    "a regression": (proved(0), {}),
    "no control": (proved(3, control=False), {}),
    "several seeds": (proved(3, seeds=3), {}),
    "a few-shot curve": ({**proved(3), "few_shot": FEW_SHOT}, {}),
    "no validation rows": ({**proved(3), "curves": None}, {}),
    "a search": (proved(3), TRIALS),
    "a chosen control": ({**proved(3), **CHOSEN}, {}),
    "a chosen strength": ({**proved(3), **CHOSEN, "choices": STRENGTH}, {}),
    "costs": ({**proved(3), "cost": COST}, {}),
    "rows seen": ({**proved(3, seen=7), "rows_seen": SEEN}, {}),
    "all rows of a regression seen": ({**proved(0, seen=200), "rows_seen": SEEN}, {}),
    "all rows of classes seen": ({**proved(3, seen=200), "rows_seen": SEEN}, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_page_stands_alone_and_tells_the_verdict(client: TestClient, publish: Publish, case: str) -> None:
    evaluated, findings = CASES[case]
    job = publish(evaluated["verdict"], RECEIPT, evaluated, findings)
    answer = client.get(f"/v1/jobs/{job['id']}/report", params={"format": "html"})
    assert answer.status_code == 200
    page = Page(answer.text)
    assert page.open == []
    assert page.loads == []
    assert "script" not in page.tags
    assert not re.search(r"url\(|@import|https?:", answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert evaluated["reason"].replace("`", "") in answer.text.replace("&#39;", "'")
    assert "None" not in re.sub("<style>.*?</style>", "", answer.text, flags=re.S)


def test_a_browser_gets_the_page_and_a_program_the_json(client: TestClient, publish: Publish) -> None:
    evaluated, _ = CASES["three classes"]
    url = f"/v1/jobs/{publish('helped', RECEIPT, evaluated)['id']}/report"
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert client.get(url, headers={"Accept": browser}).headers["content-type"].startswith("text/html")
    for accept in ("*/*", "application/json"):
        answer = client.get(url, headers={"Accept": accept})
        assert answer.json()["evaluation"] == evaluated
        assert answer.headers["vary"] == "Accept"
    assert (
        client.get(url, params={"format": "json"}, headers={"Accept": browser}).json()["receipt"] == RECEIPT
    )
    assert client.get(url, params={"format": "pdf"}).status_code == 422


def test_what_users_named_is_text_on_the_page_and_no_markup(client: TestClient, publish: Publish) -> None:
    evaluated, _ = CASES["three classes"]
    evaluated = {**evaluated, "reason": "<script>alert(1)</script>"}
    job = publish("helped", RECEIPT, evaluated)
    page = client.get(f"/v1/jobs/{job['id']}/report?format=html").text
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "columns &lt;match&gt; by name" in page
    assert "new: &lt;c&gt;" in page


def test_rows_seen_before_stand_on_the_page_with_what_nobody_knows(
    client: TestClient, publish: Publish
) -> None:
    evaluated, _ = CASES["rows seen"]
    job = publish("helped", RECEIPT, evaluated)
    page = client.get(f"/v1/jobs/{job['id']}/report?format=html").text
    assert "are in no comparison: 7 of 200. Such validation rows chose nothing: 5 of 100." in page
    assert '<td data-label="trained or validated on">old&lt;1&gt;@1</td>' in page
    assert "equal rows may be equal by chance, and were not counted" in page
    assert "What mini_lm was trained on is not known" in page
    assert client.get(f"/v1/jobs/{job['id']}").json()["result"]["rows_seen"] == SEEN
    other = publish("helped", RECEIPT, CASES["three classes"][0])
    assert "Rows seen before" not in client.get(f"/v1/jobs/{other['id']}/report?format=html").text


def test_both_candidates_of_the_control_and_each_arms_rate_stand_on_the_page(
    client: TestClient, publish: Publish
) -> None:
    evaluated, _ = CASES["a chosen control"]
    job = publish("helped", RECEIPT, evaluated)
    page = client.get(f"/v1/jobs/{job['id']}/report?format=html").text
    assert "The control is the same procedure from random weights: the best on the validation rows" in page
    assert 'from scratch</td><td data-label="loss on held-out rows" class="figure">–</td>' in page
    assert "<strong>the same procedure from random weights</strong></td>" in page
    assert 'class="figure">0.375</td>' in page
    assert "the best on train rows held out in folds</td>" in page
    assert ">0.003: 0.25, 0.875<br>0.03: –</td>" in page
    result = client.get(f"/v1/jobs/{job['id']}").json()["result"]
    assert {name: result[name] for name in CHOSEN} == CHOSEN
    plain = publish("helped", RECEIPT, CASES["three classes"][0])
    other = client.get(f"/v1/jobs/{plain['id']}/report?format=html").text
    assert "compared with" not in other
    assert "Learning rates" not in other


def test_a_chosen_strength_stands_on_the_page_beside_the_rate(client: TestClient, publish: Publish) -> None:
    evaluated, _ = CASES["a chosen strength"]
    page = client.get(f"/v1/jobs/{publish('helped', RECEIPT, evaluated)['id']}/report?format=html").text
    assert "Learning rates and strengths of the regulariser" in page
    assert 'class="figure">0.003</td><td data-label="strength" class="figure">0.3</td>' in page
    assert "0.003, strength 0.3: 0.25, 0.875<br>" in page
    assert 'class="figure">0.01</td><td data-label="strength" class="figure">–</td>' in page
    plain = publish("helped", RECEIPT, CASES["a chosen control"][0])
    other = client.get(f"/v1/jobs/{plain['id']}/report?format=html").text
    assert "Learning rates" in other
    assert "strengths of the regulariser" not in other
    assert ", strength" not in other


def test_what_trainings_took_and_reuse_saved_stands_on_the_page_and_in_the_result(
    client: TestClient, publish: Publish
) -> None:
    job = publish("helped", RECEIPT, CASES["costs"][0])
    page = client.get(f"/v1/jobs/{job['id']}/report?format=html").text
    table = page[page.index("<h2>Cost</h2>") :]
    cells = re.findall("<t[dh][^>]*>(.*?)</t[dh]>", table[: table.index("</table>")])
    words = [re.sub("<.*?>", "", cell) for cell in cells]
    assert [words[place : place + 3] for place in range(0, len(words), 3)] == [
        ["trainings of", "updates", "CPU seconds"],
        ["source (taken from before)", "0", "0"],
        ["transfer", "1,350", "3.1"],
        [ARMS["control"], "2,100", "1,235"],
        ["random features", "1", "0.03"],
        ["few-shot points", "900", "2.0"],
        ["all", "4,351", "1,240"],
        ["saved", "640", "16.8"],
    ]
    assert "run by job &lt;old&gt;-1 before: 640 updates, 4.5 CPU seconds. Features of 416 rows were" in table
    assert client.get(f"/v1/jobs/{job['id']}").json()["result"]["cost"] == COST


def test_a_result_that_has_no_costs_is_answered_without(client: TestClient, publish: Publish) -> None:
    job = publish("helped", RECEIPT, CASES["three classes"][0])
    assert client.get(f"/v1/jobs/{job['id']}").json()["result"]["cost"] is None
    assert "<h2>Cost</h2>" not in client.get(f"/v1/jobs/{job['id']}/report?format=html").text


def test_of_many_classes_the_frequent_confusions_and_the_worst_classes_are_listed(
    client: TestClient, publish: Publish
) -> None:
    evaluated, _ = CASES["many classes"]
    job = publish("helped", RECEIPT, evaluated)
    page = client.get(f"/v1/jobs/{job['id']}/report?format=html").text
    assert 'class="matrix' not in page
    assert "most frequent confusions" in page
    assert "The 40 of 50 classes that are found worst" in page


@pytest.mark.parametrize(
    "asked",
    [
        {"method": {"kind": "combined", "strategy": "adapter"}, "evaluation": {"seeds": 2}},
        {"source": {"dataset": "source", "training": {"epochs": 3}}, "champion": "never"},
        {"method": {"kind": "distillation"}, "network": {"hidden_units": [4]}},
        {"method": {"kind": "structure", "trials": 3}, "evaluation": {"control": False}},
    ],
    ids=lambda asked: str(next(iter(asked.values()))),
)
def test_the_request_in_the_report_makes_the_same_job(
    client: TestClient, publish: Publish, asked: dict[str, Any]
) -> None:
    job = publish("helped", RECEIPT, CASES["three classes"][0], **asked)
    request = client.get(f"/v1/jobs/{job['id']}/report").json()["request"]
    again = client.post("/v1/jobs", json=request)
    assert again.status_code == 202, again.text
    same = ("model", "source", "target", "method", "network", "training", "evaluation")
    assert {name: again.json()[name] for name in same} == {name: job[name] for name in same}
    second = client.get(f"/v1/jobs/{publish('helped', RECEIPT, {}, **request)['id']}/report").json()
    assert second["request"] == request


@pytest.mark.usefixtures("datasets")
def test_a_job_that_has_not_succeeded_has_no_report(client: TestClient) -> None:
    request = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
    job = client.post("/v1/jobs", json=request).json()
    answer = client.get(f"/v1/jobs/{job['id']}/report")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_state")


HOSTILE = ['<img src=x onerror="alert(1)">', '"><script>alert(1)</script>', "{{ 7 * 7 }}", "a'b&amp;</pre>"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("case", ["three classes", "many classes"])
def test_a_class_of_any_name_is_text_wherever_it_stands(
    client: TestClient, publish: Publish, name: str, case: str
) -> None:
    evaluated, _ = CASES[case]
    named = json.loads(json.dumps(evaluated).replace('"class 1"', json.dumps(name)))
    trials = {"trials": [{"number": 1, "score": 0.5, "epochs": 3, "options": {name: [name]}}]}
    receipt = json.loads(json.dumps(RECEIPT).replace('"kernel"', json.dumps(name)))
    job = publish("helped", receipt, named, {**trials, name: {name: name}}, metadata={"a": name})
    text = client.get(f"/v1/jobs/{job['id']}/report?format=html").text
    page = Page(text)
    assert page.open == []
    assert page.loads == []
    assert not {"script", "img"} & page.tags
    assert text.count(html.escape(name, quote=False).replace('"', "&#34;").replace("'", "&#39;")) >= 4
