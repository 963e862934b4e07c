"""Tables are read as the networks read them, and their candidates are scikit-learn's."""

import numpy as np
import pytest
from keras import Input
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from workers.transfer.baselines import tables
from workers.transfer.baselines.learners import Problem
from workers.transfer.baselines.linear import _logistic, scaled
from workers.transfer.baselines.pooling import pooled_rows
from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.networks.dates import date_parts
from workers.transfer.networks.inputs import tabular
from workers.transfer.tasks import LabelUnit


def test_the_features_are_those_that_the_networks_read(mixed: Data) -> None:
    columns, train, test = mixed.signature.columns, mixed.train.inputs, mixed.test.inputs
    part = tabular.learnt(columns, train, 256)
    names = tabular.feature_names(part, columns)
    kept = [not name.endswith(tabular.NEVER_VARIED) for name in names]
    of_network = np.concatenate(list(tabular.blocks(part, [test[column.name] for column in columns])))
    ours = tables.learn(columns, train)(test)

    def ordered(x):
        return x[:, np.lexsort(np.round(x, 3)[::-1])]

    assert ours.shape[1] == sum(kept)
    np.testing.assert_allclose(ordered(ours), ordered(of_network[:, kept]), atol=1e-3)


def test_extra_trees_and_logistic_regression_are_those_of_a_pipeline_on_the_raw_columns() -> None:
    rng = np.random.default_rng(0)
    rows = 120
    age = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(50, 10, rows)).astype(np.float32)
    town = rng.choice(["a", "b", "c"], rows).astype(object)
    y = ((np.nan_to_num(age, nan=50) + 8 * (town == "a") + 3 * rng.normal(size=rows)) > 52).astype(np.float32)
    signature = Signature((Column("age", "number"), Column("town", "category")), "y", "binary", ("n", "p"))
    data = Data(signature, Rows({"age": age, "town": town}, y[:, None], np.arange(rows)), None, None)
    raw = np.stack([age.astype(object), town], axis=1)
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(with_std=True))
    columns = ColumnTransformer([("n", numbers, [0]), ("c", OneHotEncoder(), [1])])
    (reading,) = tables.readings(data)
    problem, ones = Problem("binary", 2, None, seed=5), np.ones(rows)
    x = reading.learn(data.train.inputs)(data.train.inputs)

    trees = make_pipeline(columns, ExtraTreesClassifier(200, min_samples_leaf=2, random_state=5))
    theirs = trees.fit(raw, y).predict_proba(raw)[:, 1]
    ours = reading.learners["extra_trees"](x, data.train.targets, ones, problem)(x)[:, 0]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.99

    # At one C; which is taken is tested beside `linear`. Features are over √d, so C is theirs times d.
    width = x.shape[1]
    scale, z = scaled(x)
    (ours,) = _logistic(z, y.astype(np.int64), ones, [1.0], problem, 1e-6)
    model = make_pipeline(columns, StandardScaler(), LogisticRegression(C=1 / width, tol=1e-8))
    np.testing.assert_allclose(ours(scale(x)), model.fit(raw, y).predict_proba(raw), atol=1e-4)


def test_boosting_is_a_candidate_from_400_rows_and_is_scikit_learns(numbers) -> None:
    few, many = numbers(500, "regression"), numbers(700, "regression")
    assert "gradient_boosting" not in tables.readings(few)[0].learners  # 300 train rows
    (reading,) = tables.readings(many)
    x = reading.learn(many.train.inputs)(many.train.inputs)
    y, unit = many.train.targets, LabelUnit.of(many.train.targets)
    problem = Problem("regression", 0, unit, seed=0)
    ours = reading.learners["gradient_boosting"](x, y, np.ones(len(x)), problem)(x)
    raw = np.stack([many.train.inputs[f"x{number}"] for number in range(4)], axis=1)
    model = HistGradientBoostingRegressor(random_state=0).fit(raw, y[:, 0])
    assert np.sqrt(np.mean((ours[:, 0] - model.predict(raw)) ** 2)) < 0.02 * y.std()


def test_columns_that_say_nothing_leave_one_feature_of_zeros() -> None:
    columns = (Column("same", "number"), Column("empty", "category"), Column("never", "date"))
    rows = 5
    inputs = {
        "same": np.full(rows, 3.0, np.float32),
        "empty": np.full(rows, "", object),
        "never": np.full(rows, "", object),
    }
    assert tables.learn(columns, inputs)(inputs).tolist() == [[0.0]] * rows


def test_extreme_and_unknown_values_stay_finite(mixed: Data) -> None:
    features = tables.learn(mixed.signature.columns, mixed.train.inputs)
    some = mixed.test.take(np.arange(2)).inputs
    odd = {
        **some,
        "age": np.array([1e18, -1e18], np.float32),
        "city": np.array(["never seen", ""], object),
        "joined": np.array(["9999-12-31", ""], object),
    }
    assert np.isfinite(features(odd)).all()


@pytest.mark.parametrize("value", ["2020-02-29", "2019-12-31T23:59:59", ""])
def test_a_date_is_read_as_the_networks_read_it(value: str) -> None:
    values = np.array([value], object)
    _, _, theirs = date_parts("d", Input((1,), dtype="string"), values)
    np.testing.assert_allclose(tables.date_parts(values), theirs, atol=2e-4)


def test_pooled_rows_have_a_column_that_tells_them_from_the_targets_own(numbers) -> None:
    target, source = numbers(50), numbers(80, seed=1)
    own, pooled = tables.readings(target, pooled_rows(source, target))
    mine, others = pooled.prepare(target.train.inputs), pooled.prepare_pool(pooled.pool.inputs)
    assert set(mine) - set(target.train.inputs) == {tables.DOMAIN}
    assert set(mine[tables.DOMAIN]) == {1.0}
    assert set(others[tables.DOMAIN]) == {0.0}
    assert [name.removeprefix("pooled_") for name in pooled.learners] == list(own.learners)
