"""Run in a Python of its own, which knows nothing of this project: bundles and plain Keras on the same rows.

Reads what to do as JSON from standard input, writes what came of it as JSON to the file of its one argument.
"""

import contextlib
import io
import json
import runpy
import sys
import warnings


def from_bundle(folder: str, arguments: list[str]) -> dict:
    program = runpy.run_path(f"{folder}/predict.py")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = program["main"](arguments)
        except SystemExit as ended:
            status = ended.code
    return {"status": status, "out": out.getvalue(), "err": err.getvalue()}


def from_keras(folder: str, calls: list[dict]) -> list:
    import keras
    import numpy as np

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = keras.saving.load_model(f"{folder}/model.keras")
    answers: list = [[str(one.message) for one in told if "input" in str(one.message)]]
    for call in calls:
        inputs = {
            name: np.array(values, dtype=object if data_type == "text" else data_type)
            for name, (data_type, values) in call.items()
        }
        try:
            answers.append(model.predict(inputs, verbose=0).tolist())
        except Exception as error:  # noqa: BLE001
            answers.append(f"{type(error).__name__}: {error}")
    return answers


def from_readme(folder: str) -> list:
    """What the Python of the model card answers, run in the bundle's folder as it is printed."""
    with open(f"{folder}/README.md", encoding="utf-8") as file:
        program = file.read().split("```python\n")[1].split("```")[0]
    sys.path.insert(0, folder)
    names: dict = {}
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        exec(program.replace("model.predict(", "answer = model.predict("), names)
    sys.path.remove(folder)
    return names["answer"].tolist()


def main() -> None:
    asked = json.load(sys.stdin)
    done = {
        kind: {
            "refused": [from_bundle(of["folder"], arguments) for arguments in of["refused"]],
            "bundle": [from_bundle(of["folder"], arguments) for arguments in of["bundle"]],
            "keras": from_keras(of["folder"], of["keras"]),
            "readme": from_readme(of["folder"]) if of.get("readme") else [],
        }
        for kind, of in asked.items()
    }
    ours = [name for name in sys.modules if name.split(".")[0] in ("app", "workers")]
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump({"done": done, "ours": ours}, file)


main()
