"""One use of a text encoder in this process, which then prints the most memory it held, in GB.

Asked for by JSON: `strategy` of parameter transfer, or null to build the network alone, the number of `rows`,
the `length` in tokens, the `batch` size, and further options of the method.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import replace
from typing import Any

import numpy as np

from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.methods.parameter import parameter
from workers.transfer.networks.network import build
from workers.transfer.training.features import predict
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Budget, Training
from workers.transfer.training.runtime import prepare_process

TRAIN_ROWS = 64
UPDATES = 4
"""After the first the memory of a training does not grow."""

_KIB_A_GB = 1e9 / 1024


def _data(rows: int) -> Data:
    rng = np.random.default_rng(0)
    words = [f"{start}{end}" for start in ("good", "bad", "red", "slow") for end in ("", "ness", "ly", "er")]
    texts = np.array([" ".join(rng.choice(words, 60)) for _ in range(rows)], object)
    targets = (np.arange(rows) % 2).astype(np.float32).reshape(-1, 1)
    whole = Rows({"text": texts}, targets, np.arange(rows))
    signature = Signature((Column("text", "text"),), "label", "binary", ("no", "yes"))
    numbers = np.arange(rows)
    train, test = whole.take(numbers[:TRAIN_ROWS]), whole.take(numbers[TRAIN_ROWS:])
    return Data(signature, train, None, test)


def _use(asked: dict[str, Any]) -> None:
    data, strategy = _data(asked.pop("rows")), asked.pop("strategy")
    options = {"kind": "pretrained", "preset": "minilm_l6_v2", "weights": "pretrained", "folder": None}
    network = build({**options, "length": asked.pop("length")}, data, 0)
    if strategy is None:
        return
    budget = Budget(round_updates=UPDATES, min_updates=UPDATES, max_updates=UPDATES)
    fit = Fit(Training(None, asked.pop("batch"), 0.001, 0, budget=budget))
    made = parameter(replace(network, is_backbone_alone=True), options, data, fit, strategy=strategy, **asked)
    assert data.test is not None
    predict(made.network, data.test.inputs, frozen_backbone=strategy != "full")


if __name__ == "__main__":
    prepare_process()
    _use(json.loads(sys.argv[1]))
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_A_GB:.3f}\n")
