"""Metrics of answers that are texts, worked out from statistics of each row that add up over rows.

So the metric of rows that are drawn again and again is that of `weights @ statistics`: paired bootstrap of
a corpus metric (Koehn 2004), exactly. All lie between 0 and 1, but for the log loss.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

METRICS: Mapping[Any, tuple[str, ...]] = {
    "seq2seq": ("chrf", "bleu", "exact_match", "log_loss"),
    "span": ("f1", "exact_match"),
}
"""Of each task whose answers are texts; the first is the usual one."""

BLEU_ORDER, CHRF_ORDER, CHRF_BETA = 4, 6, 2.0

_CHINESE = re.compile("[\u2e80-\u2fdf\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)


def statistics(
    task: str, references: Iterable[Any], answers: Sequence[str], losses: Array | None = None
) -> Array:
    """What each row adds to the metrics, (n, S) float64.

    Of a question the reference is its answers, tuples of start and text, of which the best counts.

    losses: (n, 2), the sum of -ln p over the row's tokens and their number, of what tells probabilities.
    """
    if task == "span":
        found = [_found(reference, answer) for reference, answer in zip(references, answers, strict=True)]
        return np.array(found, np.float64).reshape(len(found), 3)
    losses = np.zeros((len(answers), 2)) if losses is None else np.asarray(losses, np.float64)
    rows = [_row(reference, answer) for reference, answer in zip(references, answers, strict=True)]
    counted = np.array(rows, np.float64).reshape(len(rows), _WIDTH - 2)
    return np.concatenate([losses, counted], axis=1)


def metrics(task: str, sums: Array) -> dict[str, Array]:
    """Each metric of sums of statistics (..., S); NaN where it is not defined."""
    if task == "span":
        rows, same, shared = (sums[..., place] for place in range(3))
        return {"f1": _ratio(shared, rows, np.nan), "exact_match": _ratio(same, rows, np.nan)}
    losses, rows = sums[..., :2], sums[..., 2:4]
    bleu, chrf = sums[..., 4 : 4 + _BLEU], sums[..., 4 + _BLEU :]
    return {
        "chrf": _chrf(chrf),
        "bleu": _bleu(bleu),
        "exact_match": _ratio(rows[..., 1], rows[..., 0], np.nan),
        "log_loss": _ratio(losses[..., 0], losses[..., 1], np.nan),
    }


def values(task: str, sums: Array) -> dict[str, float | None]:
    """The metrics of one sum (S,); None where one is not defined."""
    found = {name: float(value) for name, value in metrics(task, sums).items()}
    return {name: value if np.isfinite(value) else None for name, value in found.items()}


def most_frequent(task: str, references: Iterable[Any]) -> str:
    """The answer that most of these rows have, of equal ones the first."""
    if task == "span":
        references = [answers[0][1] if answers else "" for answers in references]
    return str(Counter(references).most_common(1)[0][0])


def signatures(references: Iterable[str]) -> dict[str, str]:
    """How BLEU and chrF of translations into these sentences are made, as sacrebleu (Post 2018) tells it."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    cut = sorted({_tokenizer(reference) for reference in references}) or ["13a"]
    metrics = {"bleu": BLEU(tokenize=cut[0]), "chrf": CHRF()}
    for metric in metrics.values():
        metric.corpus_score([""], [[""]])
    told = {name: str(metric.get_signature()) for name, metric in metrics.items()}
    if len(cut) > 1:
        told["bleu"] = told["bleu"].replace("tok:13a", "tok:13a, of Chinese sentences zh")
    return told


_BLEU = 2 + 2 * BLEU_ORDER
_WIDTH = 4 + _BLEU + 3 * CHRF_ORDER


def _row(reference: str, answer: str) -> list[float]:
    same = float(answer.strip() == reference.strip())
    return [1.0, same, *_of_words(reference, answer), *_of_letters(reference, answer)]


def _of_words(reference: str, answer: str) -> list[float]:
    """Lengths of answer and reference; of 1 to 4 words the sequences that are right, and all."""
    cut = _tokenizer(reference)
    theirs, ours = _words(reference, cut), _words(answer, cut)
    right, all_of_them = [], []
    for order in range(1, BLEU_ORDER + 1):
        counts = _sequences(ours, order)
        right.append(float((counts & _sequences(theirs, order)).total()))
        all_of_them.append(float(counts.total()))
    return [len(ours), len(theirs), *right, *all_of_them]


def _bleu(sums: Array) -> Array:
    """Papineni et al. 2002, with exponential smoothing of orders without a match, as sacrebleu has it."""
    ours, theirs = sums[..., 0], sums[..., 1]
    right, total = sums[..., 2 : 2 + BLEU_ORDER], sums[..., 2 + BLEU_ORDER :]
    none = (right == 0) & (total > 0)
    smooth = 0.5 ** np.cumsum(none, axis=-1)
    precision = np.where(none, smooth, right) / np.maximum(total, 1)
    logs = np.log(np.maximum(precision, 1e-300)).mean(axis=-1)
    short = np.where(ours < theirs, 1 - theirs / np.maximum(ours, 1e-300), 0.0)
    found: Array = np.where((total > 0).all(axis=-1) & (right[..., 0] > 0), np.exp(logs + short), 0.0)
    return found


def _of_letters(reference: str, answer: str) -> list[float]:
    theirs, ours = "".join(reference.split()), "".join(answer.split())
    found: list[float] = []
    for order in range(1, CHRF_ORDER + 1):
        one, other = _sequences(ours, order), _sequences(theirs, order)
        # Where the reference has no sequence so long, those of the answer do not count either.
        found += [one.total() if other else 0, other.total(), (one & other).total()]
    return found


def _chrf(sums: Array) -> Array:
    """Popović 2015: F₂ of sequences of 1 to 6 letters, the mean over the orders that both have."""
    ours, theirs, right = (sums[..., start::3] for start in range(3))
    there = (ours > 0) & (theirs > 0)
    count = np.maximum(there.sum(axis=-1), 1)
    precision = np.where(there, right / np.maximum(ours, 1), 0).sum(axis=-1) / count
    recall = np.where(there, right / np.maximum(theirs, 1), 0).sum(axis=-1) / count
    factor = CHRF_BETA**2
    return _ratio((1 + factor) * precision * recall, factor * precision + recall, 0.0)


def _ratio(one: Array, other: Array, undefined: float) -> Array:
    there = np.asarray(other) > 0
    found: Array = np.where(there, one / np.where(there, other, 1), undefined)
    return found


def _tokenizer(reference: str) -> str:
    """sacrebleu's name of what cuts the sentence into words: of Chinese, its signs."""
    return "zh" if 2 * len(_CHINESE.findall(reference)) > len("".join(reference.split())) else "13a"


@lru_cache(1 << 16)
def _words(text: str, cut: str) -> tuple[str, ...]:
    words: str = _cut_by(cut)(text)
    return tuple(words.split())


@lru_cache
def _cut_by(name: str) -> Any:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

    made: Any = TokenizerZh if name == "zh" else Tokenizer13a
    return made()


def _found(reference: Sequence[tuple[int, str]], answer: str) -> tuple[float, float, float]:
    """1, whether the answer is right, and how much of it: Rajpurkar et al. 2016, by SQuAD's program."""
    texts = [text for _, text in reference] or [""]
    said = _plain(answer)
    meant = [_plain(text) for text in texts]
    return 1.0, float(said in meant), max(_overlap(of.split(), said.split()) for of in meant)


def _plain(text: str) -> str:
    """Small letters without punctuation, articles and blanks but single ones."""
    letters = "".join(sign for sign in text.lower() if sign not in string.punctuation)
    return " ".join(_ARTICLES.sub(" ", letters).split())


def _overlap(meant: Sequence[str], said: Sequence[str]) -> float:
    """F₁ of the words of both; of none, whether the other has none either."""
    if not meant or not said:
        return float(meant == said)
    same = (Counter(meant) & Counter(said)).total()
    return 2 * same / (len(meant) + len(said))


def _sequences(values: Sequence[str], order: int) -> Counter[Any]:
    return Counter(tuple(values[start : start + order]) for start in range(len(values) - order + 1))
