import numpy as np

from workers.transfer.proof.confusion import by_class, matrix

Y, DECIDED = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0])


def test_rows_are_true_classes_and_columns_decided_ones():
    assert matrix(["a", "b", "never"], Y, DECIDED) == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_each_class_has_its_precision_recall_and_support():
    a, b, never = by_class(["a", "b", "never"], Y, DECIDED)
    assert (a["precision"], a["recall"], a["f1"], a["support"]) == (2 / 3, 2 / 3, 2 / 3, 3)
    assert (b["precision"], b["recall"], b["support"]) == (1 / 2, 1 / 2, 2)
    assert (never["class"], never["f1"], never["support"]) == ("never", 0, 0)
