"""What a model's layers and heads look at in one text."""

import dataclasses
import os
from collections.abc import Sequence
from numbers import Integral

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.explanations import page
from keras_longformer.explanations import pictures
from keras_longformer.explanations.blocks import backbone_of
from keras_longformer.explanations.blocks import blocks_of
from keras_longformer.explanations.layer_scores import LayerScores
from keras_longformer.explanations.reading import Word
from keras_longformer.explanations.reading import read_row
from keras_longformer.explanations.reading import tokens_of
from keras_longformer.explanations.reading import words_of
from keras_longformer.models.plain_errors import says_plainly
from keras_longformer.ops.attention import imposed

# Where a text's words get their shares from.
SOURCES = ("global", "all")


@dataclasses.dataclass(frozen=True)
class AttentionMap:
    """What a model looked at in one text.

    Attributes:
        tokens: list of str, the row's tokens.
        words: list of `Word`, which tokens make each word.
        global_positions: int32 `(g,)`, where the global tokens stand.
        layers: dict of a layer's number to its `LayerScores`: `window`,
            `to_global` and `from_global`.
    """

    tokens: list[str]
    words: list[Word]
    global_positions: np.ndarray
    layers: dict[int, LayerScores]

    def shares(
        self,
        source: str | int | None = None,
        *,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Returns float32 `(n,)`, the attention that each token gets.

        It is the mean over layers and heads, and sums to 1.

        Args:
            source: who looks: `"global"`, the global tokens; `"all"`, all of
                them; or the position of one token. By default the global
                tokens, or all where none is global.
            layers: numbers of layers; by default all that are here.
            heads: numbers of heads; by default all.

        Raises:
            ValueError: another source, or a layer that is not here.
        """
        if source is None:
            source = "global" if len(self.global_positions) else "all"
        means = [
            _of_source(scores, source)[_chosen(heads, scores)].mean(0)
            for scores in self._chosen_layers(layers).values()
        ]
        return np.mean(means, axis=0)

    def top_words(
        self, count: int = 10, **source
    ) -> list[tuple[str, int, float]]:
        """Returns the words that get most, special tokens left out.

        Args:
            count: int, how many.
            **source: arguments of `shares`.

        Returns:
            `(word, first token, share)`, the largest share first.
        """
        shares = page.word_shares(self.words, self.shares(**source))
        found = [
            (word.text, word.first, float(share))
            for word, share in zip(self.words, shares, strict=True)
            if word.text and not word.is_special
        ]
        return sorted(found, key=lambda word: -word[2])[:count]

    def save_map(
        self,
        path: str | os.PathLike,
        *,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
    ) -> None:
        """Draws each head's matrix, queries down and keys across, as PNG.

        Long texts are drawn in bins of tokens. Memory is linear in the length.

        Args:
            path: str, the file.
            layers, heads: which of them; by default all.

        Raises:
            ImportError: there is no Matplotlib.
        """
        chosen = self._chosen_layers(layers)
        pictures.draw_map(chosen, lambda one: _chosen(heads, one), path)

    def save_text(self, path: str | os.PathLike, **source) -> None:
        """Writes the text with its words shaded by the attention they get,
        the global tokens framed.

        Args:
            path: str, the file: `.html`, a page that needs no other file, or
                `.png`, which needs Matplotlib.
            **source: arguments of `shares`.

        Raises:
            ValueError: another ending.
            ImportError: there is no Matplotlib.
        """
        write = {".html": page.write, ".png": pictures.draw_text}
        ending = os.path.splitext(path)[1].lower()
        if ending not in write:
            raise ValueError(
                "A text is written into a file that ends in .html or .png. "
                f"Received: path={os.fspath(path)!r}"
            )
        shares = page.word_shares(self.words, self.shares(**source))
        write[ending](self.words, shares, self.global_positions, path)

    def _chosen_layers(self, layers):
        if layers is None:
            return self.layers
        layers = _several(layers)
        unknown = [i for i in layers if i not in self.layers]
        if unknown or not layers:
            raise ValueError(
                f"There are no layers {unknown} in this map. There are: "
                f"{[*self.layers]}. Received: layers={layers}."
            )
        return {i: self.layers[i] for i in layers}


@says_plainly
def attention_map(
    task: keras.Model,
    text: str | tuple | dict | list,
    *,
    layers: Sequence[int] | None = None,
    row: int = 0,
    preprocessor: keras.layers.Layer | None = None,
) -> AttentionMap:
    """Looks at what a model's attention looks at in one text.

    The text is read as `predict` reads it, cut off where that cuts it off, and
    goes through the encoder once more, outside of any graph. Of each layer and
    head there are the probabilities of the windows and of the global tokens:
    float32, `h * (window_size + 1 + 2 * g) * n` numbers a layer. That is
    linear in the length `n`, and 100 MB a layer of the base size at 4,096
    tokens and a window of 512: take the `layers` that you want.

    Attention says what a layer read, not why the model answered so.

    Args:
        task: a task with a preprocessor, or a backbone.
        text: one example, as `predict` takes it: a string; a tuple of two;
            or a dict, such as of `"question"` and `"context"`; a list of
            words for a `LongformerTokenClassifier`.
        layers: ints, which layers; by default all. -1 is the last.
        row: int, which row of an example that has several: a choice.
        preprocessor: what reads the text, instead of the task's. A backbone
            has none of its own.

    Returns:
        An `AttentionMap`: arrays, and `shares`, `top_words`, `save_map` and
        `save_text`.

    Raises:
        TypeError: a model of another kind.
        ValueError: no preprocessor, or a layer or row that there is not.
        InvalidArgumentError: a text that `predict` refuses.

    Example:
    ```python
    looked = keras_longformer.attention_map(classifier, "a long, good text")
    looked.layers[0].window.shape  # (heads, tokens, window_size + 1)
    looked.top_words(3)
    looked.save_text("looked.html")
    ```
    """
    backbone = backbone_of(task)
    if preprocessor is None:
        preprocessor = getattr(task, "preprocessor", None)
    if preprocessor is None:
        raise ValueError(
            f"'{task.name}' ({type(task).__name__}) has no preprocessor, which "
            "reads the text. Give one: `attention_map(model, text, "
            "preprocessor=...)`."
        )
    blocks = blocks_of(backbone)
    wanted = _numbers(layers, len(blocks))
    inputs = read_row(preprocessor, text, row)
    mask = inputs.get("global_mask")
    positions = np.zeros([0], np.int32)
    if mask is not None and not blocks[0].relative_positions:
        positions = np.flatnonzero(mask[0]).astype(np.int32)
    masks = {"padding_mask": inputs["padding_mask"]}
    if len(positions):
        masks["global_mask"] = mask
    x, found = _embedded(backbone, inputs), {}
    for i, block in enumerate(blocks[: max(wanted) + 1]):
        if i in wanted:
            with imposed("chunked"):
                scores = block.attention_scores(x, **masks)
            found[i] = _layer_scores(block.attention, scores, positions)
        x = block(x, **masks)
    token_ids = inputs["token_ids"][0].numpy()
    tokenizer = preprocessor.tokenizer
    return AttentionMap(
        tokens_of(tokenizer, token_ids),
        words_of(tokenizer, token_ids),
        positions,
        {i: found[i] for i in wanted},
    )


def _embedded(backbone, inputs):
    """Returns what the first layer takes, float `(1, n, m)`."""
    if hasattr(backbone, "encoder_embeddings"):
        x = backbone.token_embedding(inputs["token_ids"])
        return backbone.encoder_embeddings(x)
    if not hasattr(backbone, "embeddings"):
        return backbone.token_embedding(inputs["token_ids"])
    types = inputs.get("token_type_ids")
    if backbone.num_token_types == 1:
        types = None
    return backbone.embeddings(inputs["token_ids"], token_type_ids=types)


def _layer_scores(attention, scores, positions):
    window, from_global = (tf.cast(x[0], tf.float32).numpy() for x in scores)
    g = len(positions)
    at = window.shape[-1] - (attention.window_size + 1)
    # Of global tokens that the layer has room for, the first are there.
    dilation = np.broadcast_to(attention.dilation, attention.num_heads)
    return LayerScores(
        window=window[..., at:],
        to_global=window[..., :g],
        from_global=from_global.transpose(0, 2, 1)[:, :g],
        global_positions=positions,
        dilation=tuple(dilation.tolist()),
    )


def _numbers(layers, count):
    """Which layers are asked for, counted from the first."""
    if layers is None:
        return list(range(count))
    layers = _several(layers)
    bad = [i for i in layers if not -count <= i < count]
    if bad or not layers:
        raise ValueError(
            f"The model has {count} layers, numbered from 0. Received: "
            f"layers={layers}."
        )
    return sorted({i % count for i in layers})


def _of_source(scores, source):
    """float `(h, n)`, what one source looks at."""
    if source == "all":
        return scores.received()
    if source == "global" and len(scores.global_positions):
        return scores.from_global.mean(axis=1)
    if isinstance(source, str):
        raise ValueError(
            f"`source` must be one of {SOURCES}, or the position of a token; "
            f'"global" wants a text with global tokens. Received: {source!r}'
        )
    return scores.row(source)


def _chosen(heads, scores):
    if heads is None:
        return list(range(scores.num_heads))
    heads = _several(heads)
    if not heads or max(heads) >= scores.num_heads or min(heads) < 0:
        raise ValueError(
            f"The layer has {scores.num_heads} heads, numbered from 0. "
            f"Received: heads={heads}."
        )
    return heads


def _several(numbers):
    """A list of numbers; one alone is one."""
    return [numbers] if isinstance(numbers, Integral) else [*numbers]
