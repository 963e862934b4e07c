"""How does a Hugging Face folder say that texts become vectors? As Sentence Transformers reads it.

`modules.json` names the steps: an encoder, a pooling of its tokens, perhaps a scaling to unit length. A
folder without it is a plain encoder, of which Sentence Transformers, and so this service, takes the mean.
"""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NoReturn

from workers.transfer.networks.presets.errors import PresetError

Pooling = Literal["cls", "max", "mean", "mean_sqrt_len_tokens"]

MODULES_FILE = "modules.json"
POOLING_FILE = "config.json"
PROMPTS_FILE = "config_sentence_transformers.json"
LENGTH_FILE = "sentence_bert_config.json"
TOKENIZER_FILE = "tokenizer_config.json"

_STEPS = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens")


@dataclass(frozen=True)
class Recipe:
    """What is done to a text and to its tokens' vectors.

    length: tokens that the encoder was made to read, None where the folder does not say; prompt: what is put
    before each text.
    """

    pooling: Pooling = "mean"
    unit_length: bool = False
    lowercase: bool = True
    length: int | None = None
    prompt: str = ""


def recipe_of(folder: Path) -> Recipe:
    """What the folder's small files say.

    Raises:
        PresetError: a step is none of those above, or a text is cut in a way that BERT's tokenizer does not.
    """
    pooling, unit_length, includes_prompt = _steps(folder)
    about = _read(folder / LENGTH_FILE)
    lowercase = _casing(folder, lowered_before=bool(about.get("do_lower_case")))
    prompt = _prompt(folder)
    if prompt and not includes_prompt:
        _refuse(folder, "a pooling with its prompt", "include_prompt false")
    return Recipe(pooling, unit_length, lowercase, about.get("max_seq_length"), prompt)


def optional_files(folder: Path) -> list[str]:
    """The names of the files that a recipe is in, as far as `modules.json`, if it is there, names them."""
    names = [MODULES_FILE, PROMPTS_FILE, LENGTH_FILE, TOKENIZER_FILE]
    places = [step["path"] for step in _modules(folder) if _kind(step) == "Pooling"]
    return names + [f"{place}/{POOLING_FILE}" for place in places if _is_inside(place)]


def _steps(folder: Path) -> tuple[Pooling, bool, bool]:
    modules = _modules(folder)
    if not modules:
        return "mean", False, True
    kinds = [_kind(step) for step in modules]
    if kinds not in _STEPS or modules[0].get("path") or not _is_inside(modules[1]["path"]):
        expected = "a Transformer in the folder itself, Pooling and perhaps Normalize in folders in it"
        _refuse(folder, expected, ", ".join(kinds))
    about = _read(folder / modules[1]["path"] / POOLING_FILE)
    modes = _modes(about)
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        _refuse(folder, f"one pooling of {', '.join(_POOLINGS)}", ", ".join(modes) or "none")
    return modes[0], len(kinds) == 3, bool(about.get("include_prompt", True))


def _modes(about: dict[str, Any]) -> list[Any]:
    """By one word, or as it was written before, by a flag for each."""
    named = about.get("pooling_mode")
    if named is not None:
        return [named] if isinstance(named, str) else list(named)
    return [mode for flag, mode in _MODES.items() if about.get(flag)]


def _casing(folder: Path, *, lowered_before: bool) -> bool:
    about = _read(folder / TOKENIZER_FILE)
    lowercase = bool(about.get("do_lower_case", True))
    strips = about.get("strip_accents")
    if strips is not None and bool(strips) != lowercase:
        _refuse(folder, "accents stripped where capitals are made small", f"strip_accents {strips}")
    if not about.get("tokenize_chinese_chars", True):
        _refuse(folder, "Chinese characters each by itself", "tokenize_chinese_chars false")
    if lowered_before and not lowercase:
        _refuse(folder, "small letters by the tokenizer", f"do_lower_case true in {LENGTH_FILE} alone")
    return lowercase


def _prompt(folder: Path) -> str:
    about = _read(folder / PROMPTS_FILE)
    name = about.get("default_prompt_name")
    prompt = str(about["prompts"][name]) if name is not None else ""
    if prompt and not prompt[-1].isspace():
        _refuse(folder, "a prompt that ends in a blank", repr(prompt))
    return prompt


def _modules(folder: Path) -> list[dict[str, Any]]:
    path = folder / MODULES_FILE
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return found


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts


def _kind(step: dict[str, Any]) -> str:
    """Its class; the module it is in has had several names."""
    return str(step["type"]).rpartition(".")[2]


def _read(path: Path) -> dict[str, Any]:
    about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return about


def _refuse(folder: Path, expected: str, received: str) -> NoReturn:
    raise PresetError(f"Expected {expected}. Received: {received} in {folder.name}. Take another preset.")
