"""KerasHub presets of a few numbers, drawn anew and written by KerasHub itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_hub
import numpy as np
from safetensors.numpy import save_file

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz,.!?'", "東", "The"]
PIECES += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
PIECES += ["the", "good", "bad", "film", "##ing", "this", "number", "text", "cafe"]

_ENCODER = {
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 12,
    "max_sequence_length": 32,
}
FAMILIES = {
    "BertBackbone": ("BertTokenizer", {"vocabulary_size": len(PIECES)}),
    "DistilBertBackbone": ("DistilBertTokenizer", {"vocabulary_size": len(PIECES)}),
    "ElectraBackbone": ("ElectraTokenizer", {"vocab_size": len(PIECES), "embedding_dim": 6}),
}


def text_preset(folder: Path, family: str, **tokenizer: Any) -> Path:
    """A preset for texts in the folder; no weight is zero, so that each is seen."""
    cuts, sizes = FAMILIES[family]
    backbone = getattr(keras_hub.models, family)(**_ENCODER, **sizes)
    rng = np.random.default_rng(0)
    backbone.set_weights([rng.normal(0, 0.3, value.shape) for value in backbone.get_weights()])
    backbone.save_to_preset(str(folder))
    options = {"vocabulary": PIECES, "lowercase": True, **tokenizer}
    getattr(keras_hub.tokenizers, cuts)(**options).save_to_preset(str(folder))
    return folder


_EFFICIENT = {
    "stackwise_width_coefficients": [1.0] * 2,
    "stackwise_depth_coefficients": [1.0] * 2,
    "stackwise_kernel_sizes": [3, 3],
    "stackwise_num_repeats": [1, 2],
    "stackwise_input_filters": [32, 16],
    "stackwise_output_filters": [16, 24],
    "stackwise_expansion_ratios": [1, 6],
    "stackwise_strides": [1, 2],
    "stackwise_squeeze_and_excite_ratios": [0.25, 0.25],
    "min_depth": 8,
    "include_stem_padding": True,
    "use_depth_divisor_as_min_depth": True,
    "cap_round_filter_decrease": True,
    "stem_conv_padding": "valid",
    "dropout": 0.2,
}
IMAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": (
        "ResNetBackbone",
        {
            "input_conv_filters": [64],
            "input_conv_kernel_sizes": [7],
            "stackwise_num_filters": [64],
            "stackwise_num_blocks": [1],
            "stackwise_num_strides": [1],
            "block_type": "basic_block",
        },
    ),
    "efficientnet": ("EfficientNetBackbone", {**_EFFICIENT, "stackwise_block_types": ["v1", "unfused"]}),
    "efficientnet_v2": ("EfficientNetBackbone", {**_EFFICIENT, "stackwise_block_types": ["fused", "cba"]}),
    "mobilenet": (
        "MobileNetBackbone",
        {
            "stackwise_expansion": [[16], [16, 24]],
            "stackwise_num_blocks": [1, 2],
            "stackwise_num_filters": [[8], [16, 16]],
            "stackwise_kernel_size": [[3], [3, 3]],
            "stackwise_num_strides": [[2], [2, 1]],
            "stackwise_se_ratio": [[0.25], [None, None]],
            "stackwise_activation": [["relu"], ["relu", "relu"]],
            "stackwise_padding": [[1], [1, 1]],
            "output_num_filters": 32,
            "depthwise_filters": 16,
            "depthwise_stride": 2,
            "depthwise_residual": False,
            "last_layer_filter": 32,
            "squeeze_and_excite": 0.5,
            "input_activation": "relu",
        },
    ),
    "vit": (
        "ViTBackbone",
        {"patch_size": 16, "num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 8},
    ),
    "mit": (
        "MiTBackbone",
        {
            "layerwise_depths": [1],
            "num_layers": 1,
            "layerwise_num_heads": [1],
            "layerwise_sr_ratios": [1],
            "max_drop_path_rate": 0.1,
            "layerwise_patch_sizes": [7],
            "layerwise_strides": [4],
            "hidden_dims": [8],
        },
    ),
}


def image_preset(folder: Path, name: str = "resnet") -> Path:
    """A preset for images in the folder, a ResNet's with a scaling of its own."""
    family, sizes = IMAGES[name]
    shape = {"input_shape" if family == "EfficientNetBackbone" else "image_shape": (32, 32, 3)}
    backbone = getattr(keras_hub.models, family)(**shape, **sizes)
    rng = np.random.default_rng(0)
    backbone.set_weights([rng.uniform(0.01, 0.2, value.shape) for value in backbone.get_weights()])
    if family == "ResNetBackbone":
        converter = keras_hub.layers.ResNetImageConverter(scale=1 / 127.5, offset=-1.0)
        keras_hub.models.ResNetImageClassifierPreprocessor(converter).save_to_preset(str(folder))
    backbone.save_to_preset(str(folder))
    return folder


def bert_folder(folder: Path) -> Path:
    """A Hugging Face folder of the BERT family."""
    about = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "num_hidden_layers": 1,
        "hidden_size": 8,
        "num_attention_heads": 2,
        "intermediate_size": 12,
        "vocab_size": len(PIECES),
        "max_position_embeddings": 32,
        "layer_norm_eps": 1e-12,
    }
    dense = {"attention.self.query": (8, 8), "attention.self.key": (8, 8), "attention.self.value": (8, 8)}
    dense |= {"attention.output.dense": (8, 8), "intermediate.dense": (12, 8), "output.dense": (8, 12)}
    shapes = {
        f"embeddings.{name}_embeddings.weight": (rows, 8)
        for name, rows in (("word", len(PIECES)), ("position", 32), ("token_type", 2))
    }
    for name in ("attention.output.LayerNorm", "output.LayerNorm"):
        dense[name] = (8,)
    for name, shape in dense.items():
        shapes[f"encoder.layer.0.{name}.weight"] = shape
        shapes[f"encoder.layer.0.{name}.bias"] = shape[:1]
    shapes |= {"embeddings.LayerNorm.weight": (8,), "embeddings.LayerNorm.bias": (8,)}
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    save_file(
        {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()},
        folder / "model.safetensors",
    )
    (folder / "config.json").write_text(json.dumps(about))
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in PIECES))
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n# A tiny encoder\n")
    return folder


def sentence_folder(
    folder: Path,
    pooling: Mapping[str, Any],
    *,
    steps: Sequence[str] = ("Transformer", "Pooling", "Normalize"),
    **files: Mapping[str, Any],
) -> Path:
    """The same as Sentence Transformers writes it; `files` by name, without `.json`."""
    bert_folder(folder)
    places = ["", *[f"{number}_{kind}" for number, kind in enumerate(steps)][1:]]
    modules = [
        {"idx": number, "name": str(number), "path": place, "type": f"sentence_transformers.models.{kind}"}
        for number, (place, kind) in enumerate(zip(places, steps, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    for place in places[1:]:
        (folder / place).mkdir()
        (folder / place / "config.json").write_text(json.dumps(pooling))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def into_kagglehub(preset: Path, cache: Path, handle: str) -> Path:
    """Lay a preset into kagglehub's cache as its own download of single files does; the preset's folder."""
    *variant, number = handle.split("/")
    place = cache.joinpath("models", *variant)
    shutil.copytree(preset, place / number)
    for file in (path.relative_to(preset) for path in preset.rglob("*") if path.is_file()):
        marker = place / ".complete" / number / f"{file}.complete"
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    return place / number


def into_hugging_face(preset: Path, cache: Path, repository: str) -> Path:
    """Lay a preset into huggingface_hub's cache as its own download does; the snapshot's folder."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    place = cache / f"models--{repository.replace('/', '--')}"
    shutil.copytree(preset, place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)
    return place / "snapshots" / commit
