"""Distillation: ordinary training with a teacher's targets beside the labels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from workers.transfer import tasks
from workers.transfer.data import Array, Data, Rows
from workers.transfer.methods.parts.receipt import Origin, Transferred, weight_values, write_receipt
from workers.transfer.methods.parts.teacher_answers import check_teacher, teacher_outputs
from workers.transfer.networks.network import PARTS, Network, build
from workers.transfer.seeds import layer_seed
from workers.transfer.training.features import predict
from workers.transfer.training.fitting import Fit
from workers.transfer.training.objective import Objective, Seen, Term
from workers.transfer.training.sampling import row_weights


def distillation(
    source: Network | Sequence[Network],
    options: Mapping[str, Any],
    data: Data,
    fit: Fit,
    *,
    strategy: Literal["logits", "decoupled", "hints"] = "logits",
    temperature: float = 4.0,
    alpha: float = 0.5,
    beta: float = 8.0,
    hint_weight: float = 1.0,
) -> Transferred:
    """Train a new network of `options` on α · ℓ(y, p_S) + (1 - α) · what the teachers say.

    logits (Hinton et al. 2015): T² KL(p_T ‖ p_S) of predictions softened by the temperature T. decoupled
    (Zhao et al. 2022): T² (TCKD + β · NCKD), the true class against the rest, and the rest among itself.
    hints (Romero et al. 2015): logits, and `hint_weight` · ½ mean (r(h_S) - h_T)² of the representations, r a
    linear regressor trained along. Of a regression the teachers' part is the squared distance to their
    prediction, in units of the label's deviation. Several teachers speak by the mean of their logits, and the
    first gives the hints.

    Unlabelled rows count in the teachers' part alone; an epoch passes over both kinds of rows. What the
    labels say is a mean over the labelled rows, each of which has the same weight in whichever batch it is.

    Raises:
        ValueError: columns or classes that a teacher does not know, or `decoupled` of fewer than 3 classes
            or of several labels a row.
    """
    teachers = [source] if isinstance(source, Network) else list(source)
    for teacher in teachers:
        check_teacher(teacher.signature, data.signature)
    classes = len(data.signature.classes)
    if strategy == "decoupled" and (classes < 3 or data.signature.task == "multilabel"):
        raise ValueError(
            f"Expected rows of one of at least 3 classes for decoupled distillation, since nothing is left "
            f"beside the true one. Received: {classes}, {data.signature.task}. Use logits."
        )
    network = build(options, data, fit.training.seed)
    start = weight_values(network)
    union, weight, labelled = _union(data, fit)
    answers, features = teacher_outputs(teachers, data.signature, union.train.inputs, fit.hooks, fit.cost)
    unit = tasks.unit_of(network.head)  # that of the labelled rows
    answers = answers if classes else unit.standardised(answers)
    extras = {"answers": answers, "labelled": labelled, "label_weight": weight}
    term = _teaching(strategy, temperature, beta)
    name = f"distillation {strategy} {temperature} {alpha} {beta} {hint_weight}"
    taps = () if classes == 0 else ("head/output",)
    objective = Objective(name, (_labels(alpha), _scaled(term, 1 - alpha)), taps, extras)
    if strategy == "hints":
        objective = objective + _hints(network, features, hint_weight * (1 - alpha), fit.training.seed)
    history = fit(network, union, objective=objective)
    origin = Origin("new", "the student learns from the teacher's outputs, and copies no weight")
    receipt = write_receipt(network, start, dict.fromkeys(PARTS, origin))
    findings = {
        "teachers": len(teachers),
        "unlabelled_rows": len(union.train) - len(data.train),
        "agreement": _agreement(network, teachers, data),
    }
    return Transferred(network, receipt, history, findings, start)


def _union(data: Data, fit: Fit) -> tuple[Data, Array, Array]:
    """Labelled and unlabelled rows; the labels' weights and a mask of them, (n,), 0 for unlabelled rows.

    The weights are all rows over labelled ones: their mean over batches is one over the labelled rows.
    """
    weight = row_weights(fit.training, data)
    if data.unlabelled is None:
        return data, weight, np.ones(len(data.train), np.float32)
    train, more = data.train, len(data.unlabelled)
    inputs = {name: np.concatenate([x, data.unlabelled.inputs[name]]) for name, x in train.inputs.items()}
    blank = np.zeros((more, *train.targets.shape[1:]), train.targets.dtype)
    numbers = np.concatenate([train.numbers, data.unlabelled.numbers])
    rows = Rows(inputs, np.concatenate([train.targets, blank]), numbers)
    mask = np.concatenate([np.ones(len(train)), np.zeros(more)]).astype(np.float32)
    weight = weight * np.float32(len(mask) / len(train))
    return replace(data, train=rows), np.concatenate([weight, np.zeros(more, np.float32)]), mask


def _labels(alpha: float) -> Term:
    def term(seen: Seen) -> Any:
        return alpha * ops.mean(seen.extras["label_weight"] * tasks.row_losses(seen.task, seen.y, seen.p))

    return term


def _scaled(term: Term, factor: float) -> Term:
    return lambda seen: factor * term(seen)


def _teaching(strategy: str, temperature: float, beta: float) -> Term:
    """What the teachers say, a mean over the batch's rows."""

    def term(seen: Seen) -> Any:
        answers = seen.extras["answers"]
        if seen.task == "regression":
            return ops.mean((answers - seen.p) ** 2)
        z_t, z_s = answers / temperature, seen.taps["head/output"] / temperature
        if seen.task == "multilabel":
            return temperature**2 * ops.mean(binary_divergence(z_t, z_s))
        if seen.task == "binary":
            z_t, z_s = (ops.concatenate([ops.zeros_like(z), z], axis=1) for z in (z_t, z_s))
        if strategy == "decoupled":
            # Unlabelled rows have no true class: the teacher's takes its place.
            true = ops.where(
                seen.extras["labelled"] > 0, seen.y, ops.cast(ops.argmax(answers, axis=1), "int64")
            )
            return temperature**2 * ops.mean(decoupled(z_t, z_s, true, beta))
        return temperature**2 * ops.mean(divergence(z_t, z_s))

    return term


def divergence(z_t: Any, z_s: Any) -> Any:
    """KL(softmax z_t ‖ softmax z_s) of each row, (b, k) and (b, k) to (b,)."""
    log_t, log_s = ops.log_softmax(z_t, axis=1), ops.log_softmax(z_s, axis=1)
    return ops.sum(ops.exp(log_t) * (log_t - log_s), axis=1)


def binary_divergence(z_t: Any, z_s: Any) -> Any:
    """KL(Bernoulli σ(z_t) ‖ Bernoulli σ(z_s)), the mean over the labels of each row, (b, k) to (b,)."""
    yes = ops.sigmoid(z_t) * (ops.log_sigmoid(z_t) - ops.log_sigmoid(z_s))
    no = ops.sigmoid(-z_t) * (ops.log_sigmoid(-z_t) - ops.log_sigmoid(-z_s))
    return ops.mean(yes + no, axis=1)


def decoupled(z_t: Any, z_s: Any, true: Any, beta: float) -> Any:
    """TCKD + β · NCKD of each row (Zhao et al. 2022, equation 7), logits (b, k) and classes (b,) to (b,).

    TCKD is the divergence of (true class, all others), NCKD that of the others among themselves.
    """
    is_true = ops.one_hot(true, ops.shape(z_t)[1], dtype=z_t.dtype)
    others = [z - 1e9 * is_true for z in (z_t, z_s)]
    true_against_rest = [
        ops.stack([ops.sum(z * is_true, axis=1), ops.logsumexp(other, axis=1)], axis=1)
        for z, other in zip((z_t, z_s), others, strict=True)
    ]
    return divergence(*true_against_rest) + beta * _among(others, is_true)


def _among(others: Sequence[Any], is_true: Any) -> Any:
    log_t, log_s = (ops.log_softmax(z, axis=1) for z in others)
    return ops.sum((1 - is_true) * ops.exp(log_t) * (log_t - log_s), axis=1)


def _hints(network: Network, features: Array, weight: float, seed: int) -> Objective:
    width = int(np.prod(network.backbone.output_shape[1:]))
    initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, "regressor"))
    dense = keras.layers.Dense(features.shape[1], kernel_initializer=initializer, name="regressor")
    regressor = keras.Sequential([keras.Input((width,)), dense], name="hints")
    tap = f"backbone/{network.backbone.layers[-1].name}"

    def term(seen: Seen) -> Any:
        hidden = ops.reshape(seen.taps[tap], (-1, width))
        return weight * 0.5 * ops.mean((seen.helpers[0](hidden) - seen.extras["hints"]) ** 2)

    return Objective(f"hints {weight}", (term,), (tap,), {"hints": features}, (regressor,))


def _agreement(network: Network, teachers: Sequence[Network], data: Data) -> float | None:
    """The share of validation rows where the student decides like the first teacher."""
    rows = data.validation
    if rows is None or not data.signature.classes:
        return None
    decoded = []
    for one in (network, teachers[0]):
        p = predict(one, rows.inputs)
        decoded.append(tasks.decode(one.signature, p))
    return float(np.mean([own == other for own, other in zip(*decoded, strict=True)]))
