from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from tests.workers.transfer.traces import TRACED, shared_fit
from workers.transfer.data import Unlabelled
from workers.transfer.methods.distillation import decoupled, distillation, divergence
from workers.transfer.methods.parts.teacher_answers import teacher_outputs
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.network import build
from workers.transfer.training.features import predict
from workers.transfer.training.fitting import Fit
from workers.transfer.training.objective import Seen
from workers.transfer.training.options import Cost, Hooks, Training

FIT = shared_fit(Training(epochs=3, batch_size=16, learning_rate=0.01, seed=3))
STUDENT = {"hidden_units": [6]}


def _teacher(options, data, seed: int = 3):
    return scratch({**options, "hidden_units": [16, 16]}, data, FIT.named("", seed=seed)).network


def _distil(teacher, options, data, fit: Fit = FIT, **asked):
    return distillation(teacher, {**options, **STUDENT}, data, fit.named(""), **asked)


def _kl(z_t, z_s):
    return np.sum(softmax(z_t, axis=1) * (log_softmax(z_t, axis=1) - log_softmax(z_s, axis=1)), axis=1)


def _logits():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 7, 4)).astype(np.float32), rng.integers(0, 4, 7)


def test_the_divergence_is_scipys():
    (z_t, z_s), _ = _logits()
    np.testing.assert_allclose(divergence(z_t, z_s), _kl(z_t, z_s), atol=1e-5)


def test_the_decoupled_parts_are_those_of_the_paper():
    (z_t, z_s), true = _logits()
    rows, p_t, p_s = np.arange(7), softmax(z_t, axis=1), softmax(z_s, axis=1)
    t, s = p_t[rows, true], p_s[rows, true]
    of_true = t * np.log(t / s) + (1 - t) * np.log((1 - t) / (1 - s))
    rest_t, rest_s = (
        np.delete(p, k, axis=None).reshape(1, -1) for p, k in ((p_t[:1], true[0]), (p_s[:1], true[0]))
    )
    among = np.sum(rest_t / rest_t.sum() * np.log((rest_t / rest_t.sum()) / (rest_s / rest_s.sum())))
    ours = decoupled(tf.constant(z_t), tf.constant(z_s), tf.constant(true), 8.0).numpy()
    assert ours[0] == pytest.approx(of_true[0] + 8.0 * among, rel=1e-4)
    # With (1 - p_true) for β the two parts are the whole divergence (equation 5).
    parts = [decoupled(tf.constant(z_t), tf.constant(z_s), tf.constant(true), b).numpy() for b in (0.0, 1.0)]
    np.testing.assert_allclose(parts[0], of_true, atol=1e-5)
    np.testing.assert_allclose(parts[0] + (1 - t) * (parts[1] - parts[0]), _kl(z_t, z_s), atol=1e-5)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_with_the_labels_alone_it_is_plain_training(task, plain_options, numbers):
    data = numbers(task=task)
    student = _distil(_teacher(plain_options, data), plain_options, data, alpha=1.0).network
    plain = scratch({**plain_options, **STUDENT}, data, FIT.named("")).network
    for own, other in zip(student.model.get_weights(), plain.model.get_weights(), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-6)


@pytest.mark.parametrize(
    ("strategy", "task"),
    [
        *(
            (strategy, task)
            for strategy in ("logits", "hints")
            for task in ("binary", "multiclass", "regression")
        ),
        ("decoupled", "multiclass"),
    ],
)
def test_a_student_of_the_teacher_alone_comes_to_answer_like_it(strategy, task, plain_options, numbers):
    data = numbers(300, task=task)
    teacher = _teacher(plain_options, data)
    fit = shared_fit(replace(FIT.training, epochs=30))
    made = _distil(teacher, plain_options, data, fit, strategy=strategy, alpha=0.0)
    wrong = replace(data.train, targets=data.train.targets[::-1].copy())
    blind = _distil(teacher, plain_options, replace(data, train=wrong), fit, strategy="logits", alpha=0.0)
    p_teacher, p = predict(teacher, data.test.inputs), predict(made.network, data.test.inputs)
    assert np.corrcoef(p_teacher[:, 0], p[:, 0])[0, 1] > 0.9
    p_blind = predict(blind.network, data.test.inputs)  # with α = 0 the labels do not matter
    if strategy == "logits":
        np.testing.assert_array_equal(p_blind, p)
    assert made.findings["agreement"] is None or made.findings["agreement"] > 0.8
    assert {layer["origin"] for layer in made.receipt["layers"]} == {"new"}


def test_several_teachers_speak_by_the_mean_of_their_logits(plain_options, numbers):
    data = numbers(task="multiclass")
    teachers = [_teacher(plain_options, data, seed) for seed in (1, 2)]
    both, _ = teacher_outputs(teachers, data.signature, data.train.inputs, Hooks())
    each = [teacher_outputs([teacher], data.signature, data.train.inputs, Hooks())[0] for teacher in teachers]
    np.testing.assert_allclose(both, (each[0] + each[1]) / 2, atol=1e-6)
    np.testing.assert_allclose(softmax(each[0], axis=1), predict(teachers[0], data.train.inputs), atol=1e-5)
    assert _distil(teachers, plain_options, data).findings["teachers"] == 2


def test_a_teacher_of_more_classes_speaks_of_the_targets(plain_options, numbers):
    teacher = _teacher(plain_options, numbers(task="multiclass", classes=("a", "b", "c")))
    data = numbers(classes=("b", "c"))
    answers, _ = teacher_outputs([teacher], data.signature, data.train.inputs, Hooks())
    p = predict(teacher, data.train.inputs)
    np.testing.assert_allclose(answers[:, 0], np.log(p[:, 2] / p[:, 1]), atol=1e-4)


def test_what_teachers_say_is_kept_and_not_computed_again(plain_options, numbers, tmp_path):
    data, kept = numbers(), {}

    def keep(key, path):
        kept[key] = tmp_path / "kept.npz"
        kept[key].write_bytes(path.read_bytes())

    teacher, costs = _teacher(plain_options, data), [Cost(), Cost(), Cost()]
    asked = [teacher], data.signature, data.train.inputs
    first = teacher_outputs(*asked, Hooks("transfer/0", save_result=keep), costs[0])
    again = Hooks(
        "transfer/0", load_result=kept.get, save_result=lambda key, path: pytest.fail("computed again")
    )
    for one, other in zip(first, teacher_outputs(*asked, again, costs[1]), strict=True):
        np.testing.assert_array_equal(one, other)
    teacher_outputs(*asked, replace(again, run="transfer/1"), costs[2])
    assert costs[0] == costs[1]  # which goes on where the first was stopped
    assert costs[0].cpu_seconds > 0
    assert costs[2] == Cost()


def test_what_is_kept_of_one_teacher_is_not_taken_for_anothers_answers(plain_options, numbers, tmp_path):
    data, kept = numbers(), {}

    def keep(key, path):
        kept[key] = tmp_path / f"{len(kept)}.npz"
        kept[key].write_bytes(path.read_bytes())

    hooks = Hooks("control/untrained_teacher/0", save_result=keep, load_result=kept.get)
    for seed in (1, 2):  # they read the rows alike
        teacher = build(plain_options, data, seed)
        expected = teacher_outputs([teacher], data.signature, data.train.inputs, Hooks())
        found = teacher_outputs([teacher], data.signature, data.train.inputs, hooks)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("strategy", ["logits", "decoupled", "hints"])
def test_unlabelled_rows_teach_the_student_too(strategy, plain_options, numbers):
    whole = numbers(400, task="multiclass")
    teacher = _teacher(plain_options, whole)
    few = replace(
        whole,
        train=replace(
            whole.train,
            inputs={name: x[:12] for name, x in whole.train.inputs.items()},
            targets=whole.train.targets[:12],
        ),
    )
    more = replace(
        few,
        unlabelled=Unlabelled(
            {name: x[12:] for name, x in whole.train.inputs.items()}, whole.train.numbers[12:]
        ),
    )
    fit = shared_fit(replace(FIT.training, epochs=20))
    alone, helped = (_distil(teacher, plain_options, data, fit, strategy=strategy) for data in (few, more))
    assert helped.findings["unlabelled_rows"] == len(whole.train) - 12
    assert helped.findings["agreement"] > alone.findings["agreement"]


def test_columns_and_classes_the_teacher_does_not_know_are_refused(plain_options, numbers, mixed):
    teacher = _teacher(plain_options, numbers(task="multiclass", classes=("a", "b", "c")))
    with pytest.raises(ValueError, match="Expected teacher and target with the same columns"):
        _distil(teacher, plain_options, mixed)
    with pytest.raises(ValueError, match="Expected a teacher of the target's classes, no, yes"):
        _distil(teacher, plain_options, numbers())


def test_decoupling_two_classes_is_refused(plain_options, numbers):
    with pytest.raises(ValueError, match="Expected rows of one of at least 3 classes"):
        _distil(_teacher(plain_options, numbers()), plain_options, numbers(), strategy="decoupled")


class Remembering(Fit):
    """A fit that remembers the objective it was asked for."""

    def __call__(self, network, data, **asked):
        self.objective = asked["objective"]
        return super().__call__(network, data, **asked)


def test_a_labels_weight_does_not_depend_on_who_else_is_in_its_batch(plain_options, numbers):
    teacher = scratch(plain_options, numbers(), FIT.named("teacher")).network
    data = numbers(30)  # 18 labelled train rows
    more = {name: values[:54] for name, values in numbers(100, seed=5).train.inputs.items()}
    fit = Remembering(FIT.training, traced=TRACED)
    distillation(
        teacher, plain_options, replace(data, unlabelled=Unlabelled(more, np.arange(54))), fit, alpha=0.3
    )
    labels, extras = fit.objective.terms[0], fit.objective.extras
    y, p = np.ones((4, 1), np.float32), np.full((4, 1), 0.25, np.float32)
    for rows in ([0, 1, 2, 20], [0, 20, 30, 40], [0, 1, 2, 3]):
        batch = {name: tf.constant(values[rows]) for name, values in extras.items()}
        value = labels(Seen("binary", tf.constant(y), None, tf.constant(p), {}, batch, ()))
        labelled = sum(row < 18 for row in rows)
        # Over an epoch of 72 rows in batches of 4 these sum to 0.3 times the labelled rows' mean loss.
        assert float(value) * 4 / 72 == pytest.approx(0.3 * labelled * -np.log(0.25) / 18, rel=1e-5)
