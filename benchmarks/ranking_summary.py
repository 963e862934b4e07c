"""What the cases of the benchmark of rankings come to, as tables in Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.stats import weightedtau

Case = dict[str, Any]
Candidate = dict[str, Any]

A_POINT = 0.01
MOST_REGRET, MOST_HARM = 0.020, 0.06
"""The aims, over all cases."""

OTHERS = ("logme", "h_score", "nearest_neighbours", "nearest_mean", "leep", "nce")


def rules() -> dict[str, Callable[[Candidate], float | None]]:
    """By which candidates are ordered: the scores, then rules that do not look at the target's labels."""

    def of(name: str) -> Callable[[Candidate], float | None]:
        return lambda candidate: candidate["scores"].get(name)

    return {
        "cross-validated log-likelihood": lambda candidate: candidate["score"],
        "cross-validated accuracy": lambda candidate: candidate["cross_validated_accuracy"],
        **{name.replace("_", " "): of(name) for name in OTHERS},
        "largest source": lambda candidate: candidate["source_rows"],
        "source accuracy": lambda candidate: candidate["source_accuracy"],
        "largest network": lambda candidate: candidate["parameters"],
    }


def summary(cases: Sequence[Case]) -> list[str]:
    """Three tables: orders, answers, costs."""
    if not cases:
        return ["No case is measured yet."]
    sources = [case for case in (_sources_alone(case) for case in cases) if len(case["candidates"]) > 2]
    return [
        *_sizes(cases),
        "",
        *_orders("Sources alone", sources),
        "",
        *_orders("With networks that were never trained, and presets", cases),
        "",
        *_answers(cases),
        "",
        *_costs(cases),
    ]


def _sources_alone(case: Case) -> Case:
    kept = {
        name: one for name, one in case["candidates"].items() if one["source_rows"] and not one["is_preset"]
    }
    return {**case, "candidates": kept}


def _sizes(cases: Sequence[Case]) -> list[str]:
    targets = {(case["group"], case["target"]) for case in cases}
    counts = [len(case["candidates"]) for case in cases]
    return [
        f"{len(cases)} cases of {len(targets)} targets in {len({case['group'] for case in cases})} groups, "
        f"{min(counts)} to {max(counts)} candidates each."
    ]


def _orders(title: str, cases: Sequence[Case]) -> list[str]:
    lines = [f"| {title} | Weighted τ | Regret at 1 | Cases |", "| --- | ---: | ---: | ---: |"]
    for name, rule in rules().items():
        found = list(_ordered(cases, rule))
        if found:
            taus, regrets = ([one[place] for one in found if not math.isnan(one[place])] for place in (0, 1))
            lines.append(f"| {name} | {_mean(taus, 2)} | {_mean(regrets, 4)} | {len(found)} |")
    blind = [regret for case in cases for regret in [_regret_of_chance(case)]]
    lines.append(f"| a candidate at random | 0 | {_mean(blind, 4)} | {len(blind)} |")
    return lines


def _ordered(
    cases: Sequence[Case], rule: Callable[[Candidate], float | None]
) -> Iterator[tuple[float, float]]:
    """Weighted tau and regret of each case whose candidates all have the score; NaN where all are equal."""
    for case in cases:
        candidates = list(case["candidates"].values())
        scores = [rule(one) for one in candidates]
        truths = np.array([one["truth"] for one in candidates])
        known = np.array([score for score in scores if score is not None], float)
        if len(known) < len(scores):
            continue
        is_flat = len(set(known.tolist())) < 2 or len(set(truths.tolist())) < 2
        tau = math.nan if is_flat else float(weightedtau(known, truths).statistic)
        best = known == known.max()
        yield tau, float(truths.max() - truths[best].mean())


def _regret_of_chance(case: Case) -> float:
    truths = [one["truth"] for one in case["candidates"].values()]
    return float(max(truths) - np.mean(truths))


def _answers(cases: Sequence[Case]) -> list[str]:
    """The three answers against what the test rows say, and two rules that always answer alike."""
    lines = [
        "| Who says it | Use | Undecided | No | Right | Missed | Harm over a point | Regret |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    said = {
        "the ranking's answer": [case["answer"] for case in cases],
        "the sign of the difference": [
            "use" if case["gain"] and case["gain"][0] > 0 else "no" for case in cases
        ],
        "always the best source": ["use"] * len(cases),
        "never a source": ["no"] * len(cases),
    }
    differences = [case["candidates"][case["best"]]["truth"] - case["baseline_truth"] for case in cases]
    n = len(cases)
    for name, answers in said.items():
        pairs = list(zip(answers, differences, strict=True))
        right = sum((said == "use") == (gain > 0) for said, gain in pairs if said != "undecided")
        missed = sum(said == "no" and gain > A_POINT for said, gain in pairs)
        harm = sum(said == "use" and gain < -A_POINT for said, gain in pairs)
        # Undecided, both are trained, and the better is kept.
        regret = np.mean(
            [max(-gain, 0) if said == "use" else max(gain, 0) * (said == "no") for said, gain in pairs]
        )
        counts = [answers.count(one) for one in ("use", "undecided", "no")]
        shares = [f"{count / n:.2f}" for count in (right, missed, harm)]
        lines.append(
            f"| {name} | {counts[0]} | {counts[1]} | {counts[2]} | {' | '.join(shares)} | {regret:.4f} |"
        )
    helped = sum(gain > 0 for gain in differences)
    lines += [
        "",
        f"The best source is better than the baseline in {helped} of {n} cases. Aims: regret at 1 of at "
        f"most {MOST_REGRET:.3f}, harm at most {MOST_HARM:.0%}.",
    ]
    return lines


def _costs(cases: Sequence[Case]) -> list[str]:
    lines = ["| Group | A candidate, features cached | Ten candidates | All baselines | One fine-tuning |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for group in dict.fromkeys(case["group"] for case in cases):
        some = [case for case in cases if case["group"] == group and case["fine_tune_cpu_seconds"]]
        if not some:
            continue
        one = float(np.mean([each["cpu_seconds"] for case in some for each in case["candidates"].values()]))
        baselines, tuned = (
            float(np.mean([case[name] for case in some]))
            for name in ("baselines_cpu_seconds", "fine_tune_cpu_seconds")
        )
        lines.append(
            f"| {group}, 200 rows | {one:.2f} s | {10 * one:.1f} s | {baselines:.1f} s | {tuned:.1f} s |"
        )
    return lines


def _mean(values: Sequence[float], digits: int) -> str:
    return f"{np.mean(values):.{digits}f}" if values else "-"
