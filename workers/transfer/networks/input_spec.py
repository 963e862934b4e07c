"""What a backbone reads."""

from dataclasses import dataclass

import keras


@dataclass(frozen=True)
class InputSpec:
    """The features of one example: their shape and, of token ids, how many tokens there are (else 0).

    (d,) of a table, (h, w, c) of an image, pixels 0 to 255, (length,) of a text's token ids, 0 for padding,
    (length, letters) of a sequence, zeros for padding. answer_tokens: what a sequence is answered with.
    question_length: how many token ids of a question stand before those of its context, (length,).
    """

    shape: tuple[int, ...]
    tokens: int = 0
    answer_tokens: int = 0
    question_length: int = 1

    @property
    def width(self) -> int:
        """The size of the last axis."""
        return self.shape[-1]


def input_spec_of(backbone: keras.Model) -> InputSpec:
    """What a backbone was made for."""
    return InputSpec(tuple(backbone.input_shape[1:]), _tokens(backbone))


def _tokens(model: keras.Model) -> int:
    if "int" not in str(model.inputs[0].dtype):
        return 0
    found = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found = max(found, _tokens(layer)) if "int" in str(layer.inputs[0].dtype) else found
        elif isinstance(layer, keras.layers.Embedding):
            found = max(found, layer.input_dim)
    return found
