"""What the cases of the benchmark of rankings come to."""

from typing import Any

from benchmarks.ranking_summary import summary


def case(answer: str, gain: float, truths: tuple[float, ...], scores: tuple[float, ...]) -> dict[str, Any]:
    candidates = {
        f"source {place}": {
            "score": score,
            "cross_validated_accuracy": score,
            "scores": {"logme": -score, "leep": None},
            "cpu_seconds": 0.2,
            "truth": truth,
            "source_rows": 100,
            "source_accuracy": 0.5,
            "parameters": 10,
            "is_preset": False,
        }
        for place, (truth, score) in enumerate(zip(truths, scores, strict=True))
    }
    best = max(candidates, key=lambda name: candidates[name]["score"])
    return {
        "group": "wine",
        "target": "red",
        "rows": 200,
        "candidates": candidates,
        "best": best,
        "answer": answer,
        "gain": [0.1, 0.05],
        "baseline_truth": candidates[best]["truth"] - gain,
        "baselines_cpu_seconds": 1.0,
        "fine_tune_cpu_seconds": 5.0,
    }


def test_orders_answers_and_costs_are_summed_up() -> None:
    cases = [
        case("use", 0.1, (0.5, 0.6, 0.7), (0.1, 0.2, 0.3)),
        case("use", -0.1, (0.5, 0.6, 0.7), (0.1, 0.3, 0.2)),
        case("no", 0.1, (0.5, 0.6, 0.7), (0.1, 0.2, 0.3)),
        case("undecided", -0.1, (0.5, 0.6, 0.7), (0.1, 0.2, 0.3)),
    ]
    lines = summary(cases)
    assert lines[0] == "4 cases of 1 targets in 1 groups, 3 to 3 candidates each."
    score = next(line for line in lines if line.startswith("| cross-validated log-likelihood"))
    assert "| 0.0250 | 4 |" in score  # the second of three is chosen once: a tenth lost in one case of four
    assert not any("leep" in line for line in lines)
    answers = next(line for line in lines if line.startswith("| the ranking's answer"))
    assert answers == "| the ranking's answer | 2 | 1 | 1 | 0.25 | 0.25 | 0.25 | 0.0500 |"
    assert "| wine, 200 rows | 0.20 s | 2.0 s | 1.0 s | 5.0 s |" in lines


def test_nothing_is_summed_up_before_a_case_is_measured() -> None:
    assert summary([]) == ["No case is measured yet."]
