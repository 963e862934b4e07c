"""A job as somebody typed it: a file, options, and `--set` for whatever has no option."""

from __future__ import annotations

import json
import sys
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.client.commands.session import wrong_usage

if TYPE_CHECKING:
    import yaml


def job_of(
    file: Path | None,
    sources: Mapping[str, str | None],
    named: Mapping[str, str | None],
    settings: Sequence[str],
) -> dict[str, Any]:
    """The body of POST /v1/jobs; options go before the file, and `settings` before both.

    sources: of these paths only one may be given; it takes the place of the file's source.
    """
    body = {} if file is None else _read(file)
    given = {path: value for path, value in sources.items() if value is not None}
    if len(given) > 1:
        options = " and ".join(f"--{path.replace('.', '-').removesuffix('-dataset')}" for path in given)
        raise wrong_usage(f"Expected one source. Received: {options}.")
    if given:
        kept = body.get("source")
        others = {path.removeprefix("source.") for path in sources}
        body["source"] = {k: v for k, v in kept.items() if k not in others} if isinstance(kept, dict) else {}
    for path, value in {**given, **named}.items():
        if value is not None:
            _set(body, path, value)
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals or not all(path.split(".")):
            raise wrong_usage(f"Expected --set such as training.epochs=20. Received: {setting}.")
        _set(body, path, _value(value))
    if not body:
        raise wrong_usage(
            "Expected a file, or --model, --source and --target. Received: nothing. "
            "Such as: model-transfer jobs start --model churn --source big --target small"
        )
    return body


def _read(file: Path) -> dict[str, Any]:
    import yaml

    name = "standard input" if str(file) == "-" else str(file)
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        found = yaml.load(text, _loader())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise wrong_usage(f"{name}: expected a job as YAML or JSON. Received: {error}.") from error
    if not isinstance(found, dict):
        raise wrong_usage(
            f"{name}: expected fields such as `model`, `source`, `target`. Received: {type(found).__name__}."
        )
    return found


def _loader() -> type[yaml.SafeLoader]:
    """Reads plain values, and refuses a key that comes twice: either value may be the one that was meant."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            seen = set()
            for key, _ in node.value:
                name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
                if name in seen:
                    said = f"the key {key.value} a second time"
                    raise yaml.constructor.ConstructorError(None, None, said, key.start_mark)
                if name is not None:
                    seen.add(name)
            return super().construct_mapping(node, deep)

    return Loader


def _set(body: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    place = body
    for name in above:
        inner = place.get(name)
        if not isinstance(inner, dict):
            inner = place[name] = {}
        place = inner
    place[last] = value


def _value(text: str) -> Any:
    """JSON where it is JSON, as 20, true, null, [64, 64]; else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
