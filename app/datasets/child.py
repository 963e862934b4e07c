"""The program that inspects one untrusted file under limits: `python -m app.datasets.child`.

It reads `{path, declaration, memory_bytes, seconds}` on standard input and writes `{"inspection": …}`,
`{"refused": …}` or `{"out_of_memory": true}` on standard output.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from app.datasets.limits import limit_process
from app.datasets.schema import DatasetError, Declaration


def main() -> None:
    """Inspect the file that standard input names."""
    request = json.loads(sys.stdin.read())
    # pyarrow imports NumPy where it is installed; the inspection has no use for it, and its import takes as
    # long as all others together.
    sys.modules["numpy"] = None  # type: ignore[assignment]
    from app.datasets.inspection import inspect

    limit_process(request["memory_bytes"], request["seconds"])
    try:
        inspection = inspect(Path(request["path"]), Declaration.model_validate(request["declaration"]))
        answer = {"inspection": inspection.model_dump(mode="json")}
    except DatasetError as error:
        answer = {"refused": json.loads(error.to_json())}
    except MemoryError:
        answer = {"out_of_memory": {}}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    # Arrow may still be reading ahead of a refusal; an orderly exit would end under its threads, and abort.
    os._exit(0)


if __name__ == "__main__":
    main()
