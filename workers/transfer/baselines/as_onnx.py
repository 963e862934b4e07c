"""Ensembles of trees as an ONNX graph: features (n, d) float32 to predictions (n, k).

Features are single numbers, thresholds are double: each becomes the largest single number that is not above
it, so that every row takes the same way as in scikit-learn, those on a threshold included. Sums are of single
numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from workers.transfer.baselines.as_network import spread_of
from workers.transfer.baselines.learners import Classes, Labels, Number, Solved
from workers.transfer.data import Array

OPSET, TREES_OPSET, IR = 17, 3, 8


@dataclass(frozen=True)
class Forest:
    """The nodes of all trees: (n,) each but `values`, (leaves, targets). Leaves have no children.

    tree: the number of a node's tree; node: its own in there; left, right: of its children.
    """

    tree: Array
    node: Array
    feature: Array
    threshold: Array
    left: Array
    right: Array
    is_leaf: Array
    values: Array
    base: Array
    link: str = "none"

    @property
    def targets(self) -> int:
        return int(self.values.shape[1])


def onnx_of(solved: Solved) -> bytes:
    """The file of a baseline that is an ensemble of trees."""
    graph = _Graph()
    if isinstance(solved, Number):
        units = graph.add("Cast", [graph.forest(_forest(solved.known))], to=TensorProto.DOUBLE)
        scaled = graph.add("Mul", [units, graph.constant(np.array(solved.unit.deviation))])
        graph.add("Add", [scaled, graph.constant(np.array(solved.unit.mean))], "predictions")
        return graph.bytes(solved.width, 1, TensorProto.DOUBLE)
    if isinstance(solved, Labels):
        each = [_second(graph, label) for label in solved.each]
        graph.add("Concat", each, "predictions", axis=1)
        return graph.bytes(solved.each[0].width, len(each), TensorProto.FLOAT)
    p = _probabilities(graph, solved)
    spread, rest = spread_of(solved)
    if spread is not None and rest is not None:
        p = graph.add("MatMul", [p, graph.constant(spread.astype(np.float32))])
        p = graph.add("Add", [p, graph.constant(rest.astype(np.float32))])
    graph.add("Identity", [p], "predictions")
    return graph.bytes(solved.width, solved.k, TensorProto.FLOAT)


def _probabilities(graph: "_Graph", solved: Classes) -> str:
    """Those of the classes that had rows, (n, m)."""
    if solved.known is None:
        return graph.forest(_one_leaf(1.0))
    forest = _forest(solved.known)
    raw = graph.forest(forest)
    if forest.link == "softmax":
        return graph.add("Softmax", [raw], axis=1)
    if forest.link == "sigmoid":
        p = graph.add("Sigmoid", [raw])
        one = graph.constant(np.ones((1, 1), np.float32))
        return graph.add("Concat", [graph.add("Sub", [one, p]), p], axis=1)
    return raw


def _second(graph: "_Graph", label: Classes) -> str:
    """The probability of a label, (n, 1)."""
    if label.known is None:
        return graph.forest(_one_leaf(label.share if label.present[0] == 0 else 1 - label.share))
    forest = _forest(label.known)
    if forest.link == "sigmoid":
        return graph.add("Sigmoid", [graph.forest(forest)])
    columns = graph.constant(np.array([1], np.int64))
    return graph.add("Gather", [graph.forest(forest), columns], axis=1)


def _one_leaf(value: float) -> Forest:
    zero = np.zeros(1, np.int64)
    return Forest(zero, zero, zero, np.zeros(1), zero, zero, zero == 0, np.full((1, 1), value), np.zeros(1))


def _forest(trees: Any) -> Forest:
    """The trees of a model of scikit-learn; `Trees` of `trees.py`."""
    return _boosted(trees.model) if hasattr(trees.model, "_predictors") else _randomised(trees.model)


def _randomised(model: Any) -> Forest:
    """The mean of what trees answer: shares of the classes, or a number."""
    trees = [one.tree_ for one in model.estimators_]
    is_leaf = np.concatenate([tree.children_left < 0 for tree in trees])
    values = np.concatenate([tree.value[:, 0, :] for tree in trees])[is_leaf]
    left, right = (
        np.concatenate([np.maximum(getattr(tree, f"children_{side}"), 0) for tree in trees])
        for side in ("left", "right")
    )
    return Forest(
        tree=np.repeat(np.arange(len(trees)), [tree.node_count for tree in trees]),
        node=np.concatenate([np.arange(tree.node_count) for tree in trees]),
        feature=np.concatenate([np.maximum(tree.feature, 0) for tree in trees]),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        left=left,
        right=right,
        is_leaf=is_leaf,
        values=values / len(trees),
        base=np.zeros(values.shape[1]),
    )


def _boosted(model: Any) -> Forest:
    """The sum of what trees add to a start, a target a class; of two classes one, before the sigmoid."""
    rounds: Sequence[Sequence[Any]] = model._predictors
    trees = [(target, tree.nodes) for trees in rounds for target, tree in enumerate(trees)]
    nodes = np.concatenate([nodes for _, nodes in trees])
    sizes = [len(nodes) for _, nodes in trees]
    targets = len(rounds[0])
    of_target = np.repeat([target for target, _ in trees], sizes)
    is_leaf = nodes["is_leaf"].astype(bool)
    values = np.where(of_target[is_leaf, None] == np.arange(targets), nodes["value"][is_leaf, None], 0.0)
    links = {True: "none", False: "sigmoid" if targets == 1 else "softmax"}
    return Forest(
        tree=np.repeat(np.arange(len(trees)), sizes),
        node=np.concatenate([np.arange(size) for size in sizes]),
        feature=np.where(is_leaf, 0, nodes["feature_idx"]),
        threshold=np.where(is_leaf, 0.0, nodes["num_threshold"]),
        left=np.where(is_leaf, 0, nodes["left"]),
        right=np.where(is_leaf, 0, nodes["right"]),
        is_leaf=is_leaf,
        values=values,
        base=np.asarray(model._baseline_prediction, np.float64).reshape(-1),
        link=links[not hasattr(model, "predict_proba")],
    )


def _not_above(thresholds: Array) -> Array:
    """The largest single number that is not above each."""
    with np.errstate(over="ignore"):
        near = thresholds.astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    found: Array = np.where(near.astype(np.float64) > thresholds, below, near)
    return found


class _Graph:
    """Nodes one after the other, each with one output; built in place, since trees are large."""

    def __init__(self) -> None:
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREES_OPSET)]
        self._model = onnx.ModelProto(ir_version=IR, producer_name="model-transfer", opset_import=opsets)
        self._graph = self._model.graph
        self._graph.name = "baseline"

    def add(self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"{kind.lower()}_{len(self._graph.node)}"
        self._graph.node.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, values: Array) -> str:
        name = f"constant_{len(self._graph.initializer)}"
        self._graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    def forest(self, forest: Forest) -> str:
        """What the trees answer together, (n, targets)."""
        name = f"trees_{len(self._graph.node)}"
        node = self._graph.node.add(
            op_type="TreeEnsembleRegressor", domain="ai.onnx.ml", input=["features"], output=[name]
        )
        node.attribute.append(helper.make_attribute("n_targets", forest.targets))
        node.attribute.append(helper.make_attribute("aggregate_function", "SUM"))
        leaves = np.flatnonzero(forest.is_leaf)
        # What adds nothing is left out; but a leaf without a value would answer its threshold, and a target
        # without a leaf nothing.
        is_told = forest.values != 0
        is_told[np.arange(len(leaves)), np.abs(forest.values).argmax(axis=1)] = True
        is_told[0] = True
        leaf, target = np.nonzero(is_told)
        whole = {
            "nodes_treeids": forest.tree,
            "nodes_nodeids": forest.node,
            "nodes_featureids": forest.feature,
            "nodes_truenodeids": forest.left,
            "nodes_falsenodeids": forest.right,
            "target_treeids": forest.tree[leaves[leaf]],
            "target_nodeids": forest.node[leaves[leaf]],
            "target_ids": target,
        }
        single = {
            "nodes_values": _not_above(forest.threshold),
            "target_weights": forest.values[is_told].astype(np.float32),
        }
        # Not by `make_attribute`, which looks at each of millions of values.
        for key, values in whole.items():
            node.attribute.add(name=key, type=onnx.AttributeProto.INTS).ints.extend(values.tolist())
        for key, values in single.items():
            node.attribute.add(name=key, type=onnx.AttributeProto.FLOATS).floats.extend(values.tolist())
        modes = np.where(forest.is_leaf, b"LEAF", b"BRANCH_LEQ").tolist()
        node.attribute.add(name="nodes_modes", type=onnx.AttributeProto.STRINGS).strings.extend(modes)
        if not forest.base.any():
            return name
        return self.add("Add", [name, self.constant(forest.base.astype(np.float32))])

    def bytes(self, width: int, outputs: int, dtype: int) -> bytes:
        """The file."""
        about = helper.make_tensor_value_info
        self._graph.input.append(about("features", TensorProto.FLOAT, ["rows", width]))
        self._graph.output.append(about("predictions", dtype, ["rows", outputs]))
        content: bytes = self._model.SerializeToString(deterministic=True)
        return content
