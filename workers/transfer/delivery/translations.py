"""Translations to show: the best, typical ones and the worst, beside what should have been answered."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workers.transfer import text_metrics
from workers.transfer.data import Rows

LISTED = 5
"""Sentences shown of each sort, at most a third of all."""

_LETTERS = 400


def shown_translations(rows: Rows, answers: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The rows by the chrF of the transfer's answer: the first, those about the median, the last.

    answers: by arm (n,) texts, those of the transfer among them. As plain JSON: `rows`, how many there are;
    `signatures`, how BLEU and chrF are made; `best`, `typical` and `worst`, each of them its own rows, with
    long texts cut.
    """
    statistics = text_metrics.statistics("seq2seq", rows.targets, answers["transfer"])
    scores = text_metrics.metrics("seq2seq", statistics)["chrf"]
    order = np.argsort(-scores, kind="stable").tolist()
    count = max(1, min(LISTED, len(order) // 3))
    begin = max(count, (len(order) - count) // 2)
    typical = order[begin : max(begin, min(begin + count, len(order) - count))]
    places = {"best": order[:count], "typical": typical, "worst": order[max(count, len(order) - count) :]}
    shown = {
        name: [
            {
                "row": int(rows.numbers[place]),
                "source": _short(rows.inputs["source"][place]),
                "target": _short(rows.targets[place]),
                "answers": {arm: _short(texts[place]) for arm, texts in answers.items()},
                "chrf": float(scores[place]),
            }
            for place in some
        ]
        for name, some in places.items()
    }
    return {"rows": len(order), "signatures": text_metrics.signatures(rows.targets.tolist()), **shown}


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
