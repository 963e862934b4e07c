import re

import pytest

from workers.transfer.data import Signature
from workers.transfer.delivery.card import model_card

SIGNATURE = Signature.from_dict(
    {
        "columns": [{"name": "age", "type": "number"}, {"name": "city", "type": "category"}],
        "label": "y",
        "task": "binary",
        "classes": ["no", "yes"],
    }
)
WEIGHT = {"name": "kernel", "shape": [3, 2], "parameters": 6, "training": "trained"}


def _card(**card) -> str:
    return model_card(SIGNATURE, {"keras": "3"}, {"name": "m", **card})


def _receipt(**weight) -> dict:
    layer = {"part": "backbone", "layer": "dense_1", "kind": "Dense", "why": "by name"}
    plain = {**layer, "layer": "activation", "weights": []}
    return {"layers": [{**layer, "weights": [{**WEIGHT, **weight}]}, plain], "totals": {"coverage": 0.5}}


def test_the_card_says_what_goes_in_and_what_comes_out():
    card = _card()
    assert "| predicts | y (binary) |" in card
    assert "| classes | no, yes |" in card
    assert "| age | number |" in card
    assert '"city": np.array([""], dtype=object)' in card


def test_the_receipt_has_a_line_for_each_weight_with_its_new_rows_and_how_far_it_moved():
    partly = _card(receipt=_receipt(origin="partly copied", share=2 / 3, new=["height"], moved=0.125))
    line = "| backbone/dense_1 | kernel 3x2 | partly copied (67%; new: height) | trained | 12.5% | by name |"
    assert line in partly
    assert "activation" not in partly
    small = _card(receipt=_receipt(origin="new", moved=None, distance=0.0125))
    assert "| new | trained | by 0.0125 | by name |" in small
    absent = _card(receipt=_receipt(origin="new", moved=None, distance=None))
    assert "| new | trained | - | by name |" in absent


def test_what_the_method_found_is_told_with_each_trial_of_a_search():
    trial = {"number": 1, "score": 0.25, "epochs": 3, "options": {"hidden_units": [4, 8]}}
    card = _card(findings={"structure": {"hidden_units": [4, 8]}, "alpha": 0.625, "trials": [trial]})
    assert "| structure | hidden_units 4, 8 |" in card
    assert "| alpha | 0.625 |" in card
    assert "| 1 | 0.25 | 3 | hidden_units 4, 8 |" in card


def test_the_calibration_of_the_model_is_told_and_no_error_of_few_rows():
    before = {"calibration_error": 0.0312, "brier": 0.125, "nll": 0.5}
    after = {**before, "calibration_error": None}
    of_model = {"temperature": 1.5, "before": before, "after": after}
    card = _card(calibration={"transfer": of_model, "control": of_model})
    assert "| as it is | 0.0312 | 0.125 | 0.5 |" in card
    assert "| with the temperature 1.5 | - | 0.125 | 0.5 |" in card
    assert "It is not told of fewer than 100 test rows." in card
    assert "## Calibration" not in _card()


def test_what_folds_came_to_is_told_apart_from_this_networks_own_metrics():
    arms = {"transfer": {"accuracy": 0.875}, "control": {"accuracy": 0.75}}
    folds = {"folds": 5, "repeats": 2, "rows": 120}
    proof = {"kind": "cross-validation", **folds, "metrics": arms, "chosen": None}
    card = _card(proof=proof, metrics={"transfer": {"accuracy": 0.8125}})
    folds, own = card.split("## Metrics in the cross-validation")[1].split("## Metrics on the test rows")
    assert "In 5-fold cross-validation repeated 2 times on 120 rows every arm was trained anew" in folds
    assert "| accuracy | 0.875 | 0.75 |" in folds
    assert "| accuracy | 0.8125 |" in own
    assert "cross-validation" not in _card(proof={**proof, "kind": "test_rows"})


def test_the_verdict_stands_in_the_card_if_there_is_one():
    assert "transfer: **hurt**. It lies below 0." in _card(verdict="hurt", reason="It lies below 0.")
    assert "Did the transfer help" not in _card()


def test_the_control_of_folds_is_the_candidate_that_they_chose_and_not_the_versions_own():
    def against(**chosen) -> str:
        proof = {"kind": "cross-validation", "metrics": {}, "chosen": {"control": chosen}}
        own = {"chosen": "from_scratch"}
        card = _card(proof=proof, control=own, verdict="helped", reason="It lies above 0.")
        return card.split("Against ")[1].split(", transfer")[0]

    assert against(random_weights=4) == "the control (by the same procedure from random weights)"
    assert against(from_scratch=3, random_weights=1) == "the control (by the better candidate of each fold)"
    assert against() == "the control"


def test_what_to_use_is_a_sentence_of_the_card():
    assert "lies above 0. **Use the transfer.**" in _card(
        reason="lies above 0.", recommendation="Use the transfer."
    )
    assert "**" not in _card(reason="lies above 0.", recommendation=None).split("## Did")[1].split("##")[0]


def test_what_the_trainings_took_is_a_line_with_what_reuse_saved():
    spent = {"updates": 1350, "cpu_seconds": 3.108}
    source = {"updates": 0, "cpu_seconds": 0.0, "reused": True}
    why = ["The same source stage was run by job a*b before: 640 updates, 4.5 CPU seconds."]
    saved = {"updates": 640, "cpu_seconds": 4.5, "why": why}
    card = _card(cost={"source": source, "random_frozen": spent, "total": spent, "saved": saved})
    assert (
        "All trainings took 1,350 updates, 3.1 CPU seconds: source taken from before; "
        "random frozen 1,350 updates, 3.1 CPU seconds. The same source stage was run by job a\\*b before"
    ) in card
    assert "## Cost" not in _card()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a|b", "a\\|b"),
        ("a\\|b", "a\\\\\\|b"),
        ("`code`", "\\`code\\`"),
        ("**b** _i_ ~~s~~ a_b", "\\*\\*b\\*\\* \\_i\\_ \\~\\~s\\~\\~ a_b"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("AT&amp;T", "AT&amp;amp;T"),
        ("![x](http://e/x.png)", "!\\[x\\](http&#58;//e/x.png)"),
        ("see www.example.org", "see www&#46;example.org"),
        ("me@example.org", "me&#64;example.org"),
        ("y\n# A title", "y # A title"),
        ("\ud800\x1b[2J\u202e", "\ufffd\ufffd\\[2J\ufffd"),
    ],
)
def test_a_name_is_shown_as_it_is_and_is_no_markup_wherever_it_stands(name: str, shown: str) -> None:
    signature = Signature.from_dict(
        {
            "columns": [{"name": name, "type": "number"}],
            "label": name,
            "task": "multiclass",
            "classes": [name, "b"],
        }
    )
    facts = {"source": name, "dataset": name, "method": name, "reason": name, "verdict": "helped"}
    receipt = _receipt(origin="partly copied", share=0.5, new=[name], moved=None, distance=None)
    card = {"name": name, "findings": {name: [name]}, "metrics": {name: 0.5}, "receipt": receipt, **facts}
    told = model_card(signature, {"keras": "3"}, card)
    prose = re.sub(r"```.*?```", "", told, flags=re.DOTALL)
    assert f"# {shown}\n" in prose
    assert f"| {shown} | number |" in prose
    assert f"| predicts | {shown} (multiclass) |" in prose
    assert f"| classes | {shown}, b |" in prose
    assert f"| {shown.replace('_', ' ')} | {shown} |" in prose or "_" in name
    assert f"(50%; new: {shown})" in prose
    assert prose.count(shown) >= 10
    assert name not in prose
    told.encode()


def test_the_refs_of_versions_and_data_sets_are_left_readable() -> None:
    assert "| dataset | grades_2@1 |" in _card(dataset="grades_2@1")


@pytest.mark.parametrize(
    ("levels", "formula"),
    [
        ((1030, 1226), "round(255 * (x - 1030) / 196)"),
        ((0, 4095), "round(255 * x / 4095)"),
        (None, "255 * x / 65535"),
    ],
)
def test_the_card_says_how_sixteen_bits_become_eight(levels: tuple[int, int] | None, formula: str) -> None:
    columns = [{"name": "image", "type": "image"}]
    signature = Signature.from_dict({"columns": columns, "label": "y", "task": "regression", "classes": []})
    card = model_card(signature, {"keras": "3"}, {"name": "m"}, levels=levels)
    assert formula in card.replace("\\", "")


def test_rows_seen_before_stand_in_the_card_with_what_nobody_knows():
    of = {
        "dataset": "old|1@1",
        "rows": 80,
        "test": 3,
        "validation": 4,
        "near": 1,
        "overlap_not_tellable": True,
    }
    seen = {"test": 3, "test_rows": 20, "validation": 4, "validation_rows": 21, "datasets": [of]}
    card = _card(rows_seen={**seen, "unknown": ["mini_lm"]})
    assert "are in no comparison: 3 of 20. Such validation rows chose nothing: 4 of 21." in card
    assert "| old\\|1@1 | 80 | 3 | 4 | 1 | equal rows may be equal by chance, and were not counted |" in card
    assert "What mini_lm was trained on is not known" in card
    assert "Rows seen before" not in _card(rows_seen={**seen, "datasets": [], "unknown": []})


def test_a_reason_stands_in_the_card_without_a_verdict():
    card = _card(verdict=None, reason="Too few rows remain.")
    assert "## Did the transfer help?\n\nToo few rows remain." in card
    assert "**None**" not in card
