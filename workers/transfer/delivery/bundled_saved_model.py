"""The network in the layout of serving engines: python to_saved_model.py /models/grades/1

The folder's name is the version's number, the one above it the model's name: what TensorFlow Serving, Triton
and KServe look for. It takes the model's inputs by their keys in `signature.json`, a row each, and answers
`predictions`, (rows, outputs), in the order of `output.classes` there, of two classes the probability of the
second. Engines read tensors, not cells: text that says missing, dates and images have to come as
`predict.py` reads them. It needs what is in requirements.txt.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(arguments: Sequence[str]) -> int:
    """Write the folder; answer the exit status."""
    here = Path(__file__).resolve().parent
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write(__doc__ or "")
        return 2
    folder = Path(arguments[0])
    if not (folder.name.isdecimal() and int(folder.name) > 0):
        sys.stderr.write(
            f"Expected a folder that is called by the version's number, such as {folder}/1. "
            f"Received: {folder}.\n"
        )
        return 2
    if folder.exists():
        sys.stderr.write(
            f"Expected a folder that is not there yet. Received: {folder}. Take the next number.\n"
        )
        return 1
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    about = json.loads((here / "signature.json").read_text(encoding="utf-8"))
    write(here / "model.keras", about, folder)
    sys.stderr.write(f"{folder}: takes {', '.join(one['key'] for one in about['inputs'])}\n")
    return 0


def write(model: Path, about: Any, folder: Path) -> None:
    """Write the network with one signature, `serving_default`, under its final name only when it is whole."""
    import keras  # only now: a wrong argument is refused at once
    import tensorflow as tf

    network = keras.saving.load_model(model, compile=False)
    specs = {}
    for place, one in enumerate(about["inputs"]):
        found = next((known for known in network.inputs if known.name == one["key"]), network.inputs[place])
        specs[one["key"]] = tf.TensorSpec((None, *found.shape[1:]), found.dtype, name=one["key"])

    @tf.function(input_signature=[specs])  # type: ignore[untyped-decorator]
    def serve(inputs: Any) -> Any:
        return {"predictions": network(inputs, training=False)}

    beside = folder.with_name(f"{folder.name}.part")  # an engine that watches looks at whole numbers alone
    tf.saved_model.save(network, str(beside), signatures={"serving_default": serve})
    beside.rename(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
