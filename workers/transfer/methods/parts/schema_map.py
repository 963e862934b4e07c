"""The source's network on the target's columns, categories and classes: what matches by name is carried."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import keras
import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Column, Data, Signature
from workers.transfer.methods.parts.receipt import Origin
from workers.transfer.methods.parts.token_map import start_of_sequences, start_of_spans
from workers.transfer.networks.inputs import tabular as preprocessing
from workers.transfer.networks.inputs import text
from workers.transfer.networks.network import Network, clone, join, leaves
from workers.transfer.networks.structures import MATCHED, TOKENS, behind_dense, first_dense, retoken, widen
from workers.transfer.seeds import beside_source

Origins = dict[str, Origin]

MOST_NAMES = 200
"""Names of rows and columns that a receipt lists."""

_SAME = Origin("copied", "the same layers on the same columns")


def start(
    source: Network, data: Data, seed: int, *, stays_frozen: bool = False, fitted_head: bool = False
) -> tuple[Network, Origins]:
    """A copy of the source's network that reads the target's columns and answers its classes.

    Columns are the same where name and type are. Their means, variances and tokens are kept, since the
    parameters were learnt on them. Rows of the first kernel are carried by feature (a number, a category's
    token, a date's part); rows of new features are 0, so that at step 0 the network answers as if they were
    not there. Columns of the head are carried by class, in logits; those of new classes are drawn, and not
    as the source's were, see `beside_source`. The origins name all that was carried, all that is new, and
    what the source had besides.

    A backbone that does not begin with one Dense layer reads other columns through a linear layer in front,
    which passes each feature of the source on and takes new ones times 0.

    A backbone that `stays_frozen` and reads what it did is the source's own and no copy: nobody changes it.
    A `fitted_head` is found from the target's rows alone, so nothing is carried into it, and it starts at 0.

    Raises:
        ValueError: no column matches.
    """
    if data.signature.task == "span":
        return start_of_spans(source, data, beside_source(seed))
    if source.words:
        return start_of_sequences(source, data, beside_source(seed))
    first, before, after, dropped = _preprocessing(source, data)
    if stays_frozen and list(before) == list(after):
        backbone, of_backbone = source.backbone, {"backbone": _SAME}
    else:
        backbone, of_backbone = _backbone(source, before, after)
    label_unit = tasks.label_unit(source.options, data)
    head = tasks.head(data.signature, backbone.output_shape[-1], beside_source(seed), label_unit)
    head, of_head = _unfitted(source, head) if fitted_head else _head(source, data.signature, head)
    network = join(first, backbone, head, data.signature, source.options)
    of_first = _described(before, after, dropped, first, data.signature)
    return network, {**of_first, **of_backbone, **of_head}


def _preprocessing(source: Network, data: Data) -> tuple[keras.Model, list[str], list[str], list[str]]:
    """The part, the features before and after, and what became of the source's columns that are not carried.

    Of texts the features are the tokens; of images and sequences there is nothing to match.
    """
    theirs, ours = source.signature.columns, data.signature.columns
    if source.signature.kind != "tabular":
        if source.signature.columns[0].type != data.signature.columns[0].type:
            raise ValueError(
                f"Expected a target of the source's kind of data, {_columns(theirs)}. "
                f"Received: {_columns(ours)}. Choose another source."
            )
        if source.signature.kind == "text" and (before := text.names(source.preprocessing)):
            part = text.extended(source.preprocessing, data.train.inputs, source.options["max_tokens"])
            return part, before, text.names(part), []
        return source.preprocessing, [], [], []
    shared = [column for column in ours if column in theirs]
    if not shared:
        raise ValueError(
            f"Expected a column of the source: {_columns(theirs)}. Received: {_columns(ours)}. "
            "Rename columns of the target, or use structure transfer."
        )
    # A column of another type is another column, whatever its name.
    names = {column.name for column in ours}
    apart = [
        replace(column, name=f"{column.name} ({column.type})")
        if column not in ours and column.name in names
        else column
        for column in theirs
    ]
    before = preprocessing.feature_names(source.preprocessing, apart)
    dropped = _dropped(theirs, ours)
    if not source.options["preprocessing"]:
        if theirs == ours:
            return source.preprocessing, before, before, []
        return preprocessing.plain(ours), before, [column.name for column in ours], dropped
    state = preprocessing.known(source.preprocessing, theirs).of(shared)
    part = preprocessing.learnt(ours, data.train.inputs, source.options["max_categories"], state)
    after = preprocessing.feature_names(part, ours)
    if theirs == ours and before == after:
        return source.preprocessing, before, before, []
    return part, before, after, dropped


def _dropped(theirs: Sequence[Column], ours: Sequence[Column]) -> list[str]:
    """What became of the source's columns that are not carried, in words."""
    types = {column.name: column.type for column in ours}
    absent = [column.name for column in theirs if column.name not in types]
    told = [f"the source's columns {_names(absent)} are not in the target"] if absent else []
    for column in theirs:
        other = types.get(column.name, column.type)
        if other != column.type:
            told.append(
                f"the column {column.name} has another type there: {column.type} in the source, {other} in "
                "the target, so it is not carried"
            )
    return told


def _described(
    before: Sequence[str], after: Sequence[str], dropped: Sequence[str], part: keras.Model, target: Signature
) -> Origins:
    """The preprocessing's origins: as a whole, and of each layer with means and deviations its own."""
    if list(before) == list(after):
        return {"preprocessing": Origin("copied", "the source's parameters were learnt on its output")}
    kept, new = _split(before, after)
    still = [name for name in before if name.endswith(preprocessing.NEVER_VARIED)]
    gone = [name for name in before if name not in {*after, *still}]
    why = f"{len(kept)} of {len(after)} features are the source's, {len(new)} are new"
    learnt = [name.removesuffix(preprocessing.NEVER_VARIED) for name in still]
    learnt = [name for name in learnt if name in new]
    if learnt:
        why += f"; {_names(learnt)} never varied in the source, so nothing was learnt of them there"
    if dropped:
        why = "; ".join([why, *dropped])
    elif gone:
        why += f"; the source's features {_names(gone)} are not in the target"
    origins = {"preprocessing": _by_name(why, kept, new)}
    if target.kind == "tabular":
        for layer, features in preprocessing.features_of_scales(part, target.columns).items():
            own = _split(before, features)
            origins[f"preprocessing/{layer}"] = _by_name(
                f"{len(own[0])} of the {len(features)} features that it scales are the source's", *own
            )
    return origins


def _by_name(why: str, kept: Sequence[str], new: Sequence[str]) -> Origin:
    """Copied if all are kept, new if none is, else partly copied."""
    if not new:
        return Origin("copied", why)
    if not kept:
        return Origin("new", why)
    return Origin("partly copied", why, _cut(kept), _cut(new), len(kept) / (len(kept) + len(new)))


def _backbone(source: Network, before: Sequence[str], after: Sequence[str]) -> tuple[keras.Model, Origins]:
    if list(before) == list(after):
        return clone(source.backbone), {"backbone": _SAME}
    if source.signature.kind == "text":
        return _with_tokens(source.backbone, before, after)
    first = first_dense(source.backbone)
    if first is None:
        return _behind_matched(source.backbone, before, after)
    path, layer = first
    config = source.backbone.get_config()
    widen(config, len(before), len(after))
    backbone = source.backbone.__class__.from_config(config)
    kernel = _selection(before, after) @ layer.kernel.numpy()
    weights = [np.array(weight) for weight in source.backbone.get_weights()]
    place = next(i for i, weight in enumerate(source.backbone.weights) if weight is layer.kernel)
    weights[place] = kernel
    backbone.set_weights(weights)
    kept, new = _split(before, after)
    why = "rows of the source's features are carried by name, rows of new ones start at 0"
    partly = _by_name(why, kept, new)
    others = Origin("copied", "the layer does not depend on the columns")
    origins = {"backbone": others, f"backbone/{path}": partly, f"backbone/{path}/bias": others}
    return backbone, origins


def _with_tokens(
    source: keras.Model, before: Sequence[str], after: Sequence[str]
) -> tuple[keras.Model, Origins]:
    """New tokens start as the unknown one, which they were to the source: the function is unchanged."""
    config = source.get_config()
    retoken(config, len(after))
    backbone = source.__class__.from_config(config)
    rows = {name: row for row, name in enumerate(before)}
    chosen = [rows.get(name, 1) for name in after]
    kept, new = _split(before, after)
    why = "rows of the source's tokens are carried; new ones start as the unknown token's row"
    partly = _by_name(why, kept, new)
    origins = {"backbone": Origin("copied", "the layer does not depend on the tokens")}
    weights = []
    for (path, layer), (_, old) in zip(leaves(backbone), leaves(source), strict=True):
        if layer.name == TOKENS:
            origins[f"backbone/{path}"] = partly
            layer.set_weights([np.array(old.get_weights()[0])[chosen]])
        else:
            weights.append((layer, old))
    for layer, old in weights:
        layer.set_weights(old.get_weights())
    return backbone, origins


def _behind_matched(
    source: keras.Model, before: Sequence[str], after: Sequence[str]
) -> tuple[keras.Model, Origins]:
    backbone = behind_dense(source, _selection(before, after))
    kept, new = _split(before, after)
    why = f"passes {len(kept)} of the source's features on by name; {len(new)} new ones start at 0"
    copied = Origin("copied", "the same layers on the same features")
    return backbone, {"backbone": copied, f"backbone/{MATCHED}": Origin("new", why)}


def _selection(before: Sequence[str], after: Sequence[str]) -> Array:
    """1 where a feature after is the one before, else 0, (after, before)."""
    rows = {name: row for row, name in enumerate(before)}
    selection = np.zeros((len(after), len(before)), np.float32)
    for row, name in enumerate(after):
        if name in rows:
            selection[row, rows[name]] = 1
    return selection


def _head(source: Network, target: Signature, new: keras.Model) -> tuple[keras.Model, Origins]:
    before = source.signature
    if source.is_backbone_alone:
        return new, {"head": Origin("new", "a pretrained backbone brings no head")}
    if (before.task, before.classes) == (target.task, target.classes):
        if target.task == "regression":
            return _of_numbers(source, target, new)
        return clone(source.head), {"head": Origin("copied", "the target has the source's task and classes")}
    several = "multilabel" in (before.task, target.task) and before.task != target.task
    if several or not (before.classes and target.classes):
        why = f"the target has another task: source {before.task}, target {target.task}"
        return new, {"head": _fresh(source, new, why)}
    columns = _logit_columns(before, *(np.array(w) for w in source.head.get_layer("output").get_weights()))
    carried = _carry(new, target, columns)
    if not carried:
        why = f"the target has other classes: source {_listed(before)}, target {_listed(target)}"
        if before.task != target.task:
            why = f"the target has another task: source {before.task}, target {target.task}"
        return new, {"head": _fresh(source, new, why)}
    fresh = [name for name in target.classes if name not in carried]
    why = f"columns of the source's classes are carried by name ({_listed(before)})"
    if not fresh:
        return new, {"head": Origin("copied", why)}
    share = len(carried) / len(target.classes)
    return new, {"head": Origin("partly copied", why, _cut(carried), _cut(fresh), share)}


def _unfitted(source: Network, new: keras.Model) -> tuple[keras.Model, Origins]:
    new.set_weights([np.zeros_like(weight) for weight in new.get_weights()])
    if source.is_backbone_alone:
        return new, {
            "head": Origin("new", "a pretrained backbone brings no head; fitted to the target's rows")
        }
    return new, {"head": _fresh(source, new, "fitted in closed form to the target's rows alone")}


def _of_numbers(source: Network, target: Signature, new: keras.Model) -> tuple[keras.Model, Origins]:
    """The source's kernel and bias for a label of its name, in the target's unit; else the new head.

    They answer in deviations from the label's mean, and the new head holds the target's mean and deviation.
    """
    if source.signature.label != target.label:
        why = f"the target has another label: source {source.signature.label}, target {target.label}"
        return new, {"head": _fresh(source, new, why)}
    theirs, ours = tasks.unit_of(source.head), tasks.unit_of(new)
    new.set_weights(source.head.get_weights())
    copied = Origin("copied", "the target has the source's label")
    if theirs == ours:
        return new, {"head": copied}
    why = (
        f"the label is about {theirs.mean:.4g} ± {theirs.deviation:.4g} in the source, "
        f"{ours.mean:.4g} ± {ours.deviation:.4g} in the target, whose unit the predictions have"
    )
    return new, {"head": copied, f"head/{tasks.UNIT}": Origin("new", why)}


def _logit_columns(signature: Signature, kernel: Array, bias: Array) -> dict[str, tuple[Array, float]]:
    """Each class's column (h,) and bias of the logits; a binary head's are 0 and its own."""
    if signature.task == "binary":
        kernel, bias = np.concatenate([0 * kernel, kernel], axis=1), np.concatenate([0 * bias, bias])
    return {name: (kernel[:, k], float(bias[k])) for k, name in enumerate(signature.classes)}


def _carry(head: keras.Model, target: Signature, columns: Mapping[str, tuple[Array, float]]) -> list[str]:
    """Put the columns of known classes into the head; a binary one needs both, as their difference."""
    layer = head.get_layer("output")
    kernel, bias = (np.array(weight) for weight in layer.get_weights())
    carried = [name for name in target.classes if name in columns]
    if target.task == "binary":
        if len(carried) < 2:
            return []
        (k0, b0), (k1, b1) = (columns[name] for name in target.classes)
        kernel[:, 0], bias[0] = k1 - k0, b1 - b0
    else:
        for k, name in enumerate(target.classes):
            if name in columns:
                kernel[:, k], bias[k] = columns[name]
    if carried:
        layer.set_weights([kernel, bias])
    return carried


def _fresh(source: Network, new: keras.Model, why: str) -> Origin:
    same_shapes = [w.shape for w in source.head.weights] == [w.shape for w in new.weights]
    return Origin("reinitialised" if same_shapes else "new", why)


def _split(before: Sequence[str], after: Sequence[str]) -> tuple[list[str], list[str]]:
    known = set(before)
    return [name for name in after if name in known], [name for name in after if name not in known]


def _cut(names: Sequence[str]) -> tuple[str, ...]:
    more = len(names) - MOST_NAMES
    return (*names[:MOST_NAMES], f"… ({more} more)") if more > 0 else tuple(names)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _listed(signature: Signature) -> str:
    shown = ",".join(signature.classes[:20])
    return shown if len(signature.classes) <= 20 else f"{shown},… ({len(signature.classes)} classes)"


def _columns(columns: Sequence[Column]) -> str:
    return ", ".join(f"{column.name} ({column.type})" for column in columns)
