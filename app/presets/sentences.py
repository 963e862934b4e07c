"""How does a Hugging Face folder say that texts become vectors, and can the workers do that?

As `workers/transfer/networks/presets/sentences.py` reads the same files; a test holds one against the other.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeVar

from pydantic import Field, model_validator

from app.presets.files import FileModel, Size, Text, read

_STEPS = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
_POOLINGS = {
    "cls": "the vector of [CLS]",
    "max": "the maximum over the tokens",
    "mean": "the mean of the tokens",
    "mean_sqrt_len_tokens": "the tokens' sum over the root of their number",
}


class _Step(FileModel):
    type: Text
    path: Text = ""

    @property
    def kind(self) -> str:
        return self.type.rpartition(".")[2]


class _Modules(FileModel):
    """`modules.json`, which is a list."""

    steps: Annotated[list[_Step], Field(max_length=100)] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return {"steps": value}


class _Pooling(FileModel):
    pooling_mode: Text | list[Text] | None = None
    pooling_mode_cls_token: bool = False
    pooling_mode_max_tokens: bool = False
    pooling_mode_mean_tokens: bool = False
    pooling_mode_mean_sqrt_len_tokens: bool = False
    pooling_mode_weightedmean_tokens: bool = False
    pooling_mode_lasttoken: bool = False
    include_prompt: bool = True

    @property
    def modes(self) -> list[str]:
        if self.pooling_mode is not None:
            return [self.pooling_mode] if isinstance(self.pooling_mode, str) else self.pooling_mode
        flags = {
            "cls": self.pooling_mode_cls_token,
            "max": self.pooling_mode_max_tokens,
            "mean": self.pooling_mode_mean_tokens,
            "mean_sqrt_len_tokens": self.pooling_mode_mean_sqrt_len_tokens,
            "weightedmean": self.pooling_mode_weightedmean_tokens,
            "lasttoken": self.pooling_mode_lasttoken,
        }
        return [mode for mode, is_on in flags.items() if is_on]


class _Length(FileModel):
    """`sentence_bert_config.json`."""

    max_seq_length: Size | None = None
    do_lower_case: bool | None = None


class _Tokenizer(FileModel):
    """`tokenizer_config.json`."""

    do_lower_case: bool | None = True
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool | None = True


class _Prompts(FileModel):
    """`config_sentence_transformers.json`."""

    prompts: dict[Text, str] = Field(default_factory=dict)
    default_prompt_name: Text | None = None

    @model_validator(mode="after")
    def _is_named(self) -> _Prompts:
        if self.default_prompt_name is not None and self.default_prompt_name not in self.prompts:
            raise ValueError("a default_prompt_name of one of its prompts")
        return self

    @property
    def prompt(self) -> str:
        return "" if self.default_prompt_name is None else self.prompts[self.default_prompt_name]


@dataclass(frozen=True)
class SentenceRecipe:
    """What is done to a text, in words, and what keeps the workers from doing what the folder says."""

    told: str
    problem: str | None = None


_AnyFile = TypeVar("_AnyFile", bound=FileModel)


def recipe_of(folder: Path) -> SentenceRecipe:
    """What the folder's small files say.

    Raises:
        BrokenFile: one of them is broken.
    """
    steps = _optional(folder / "modules.json", _Modules).steps
    pooling, unit_length, problem = _Pooling(pooling_mode="mean"), False, None
    if steps:
        kinds = [step.kind for step in steps]
        unit_length = kinds[-1] == "Normalize"
        if kinds not in _STEPS or steps[0].path or not _is_inside(steps[1].path):
            expected = "a Transformer in the folder itself, Pooling and perhaps Normalize in folders in it"
            return SentenceRecipe("", _refused(expected, ", ".join(kinds)))
        pooling = _optional(folder / steps[1].path / "config.json", _Pooling)
    length, about = _optional(folder / "sentence_bert_config.json", _Length), _tokenizer(folder)
    prompts = _optional(folder / "config_sentence_transformers.json", _Prompts)
    problem = (
        _pooling_problem(pooling) or _tokenizer_problem(about, length) or _prompt_problem(prompts, pooling)
    )
    if problem is not None:
        return SentenceRecipe("", problem)
    return SentenceRecipe(_told(pooling, about, length, prompts, unit_length=unit_length))


def _told(
    pooling: _Pooling, about: _Tokenizer, length: _Length, prompts: _Prompts, *, unit_length: bool
) -> str:
    words = [_POOLINGS[pooling.modes[0]], *(["of unit length"] if unit_length else [])]
    words.append("capitals made small" if about.do_lower_case else "capitals kept")
    if length.max_seq_length is not None:
        words.append(f"made for {length.max_seq_length} tokens")
    if prompts.prompt:
        words.append(f"{prompts.prompt!r} put before each text")
    if others := sorted(set(prompts.prompts) - {prompts.default_prompt_name}):
        words.append(f"its prompts {', '.join(others)} are not used")
    told = ", ".join(words)
    return told[:1].upper() + told[1:] + "."


def _pooling_problem(pooling: _Pooling) -> str | None:
    if len(pooling.modes) == 1 and pooling.modes[0] in _POOLINGS:
        return None
    return _refused(f"one pooling of {', '.join(_POOLINGS)}", ", ".join(pooling.modes) or "none")


def _tokenizer_problem(about: _Tokenizer, length: _Length) -> str | None:
    if about.strip_accents is not None and about.strip_accents != bool(about.do_lower_case):
        expected = "accents stripped where capitals are made small"
        return _refused(expected, f"strip_accents {about.strip_accents}")
    if not about.tokenize_chinese_chars:
        return _refused("Chinese characters each by itself", "tokenize_chinese_chars false")
    if length.do_lower_case and not about.do_lower_case:
        received = "do_lower_case true in sentence_bert_config.json alone"
        return _refused("small letters by the tokenizer", received)
    return None


def _prompt_problem(prompts: _Prompts, pooling: _Pooling) -> str | None:
    prompt = prompts.prompt
    if prompt and not prompt[-1].isspace():
        return _refused("a prompt that ends in a blank", repr(prompt))
    if prompt and not pooling.include_prompt:
        return _refused("a pooling with its prompt", "include_prompt false")
    return None


def _tokenizer(folder: Path) -> _Tokenizer:
    return _optional(folder / "tokenizer_config.json", _Tokenizer)


def _optional(path: Path, model: type[_AnyFile]) -> _AnyFile:
    """What a file says; where it is not there, the model's defaults."""
    if not os.path.lexists(path):
        return model() if model is not _Modules else model.model_validate([])
    return read(path, model)


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts


def _refused(expected: str, received: str) -> str:
    return f"Expected {expected}. Received: {received}. Take another preset."
