"""Draws which characters an output depends on, layer by layer.

Command:
    python scripts/examples/receptive_field.py
        [--picture docs/benchmarks/receptive_field.png]

Character models with random weights and windows that are fixed or increase,
with dilation on no head, on two of four, or on all. Of one token's output,
after each layer, the gradients with respect to all tokens, those behind it too:
where a gradient is not 0, the token is seen. They must reach as far as
`1 + sum(window_size // 2 * dilation)` over the layers says, with the largest
dilation of each layer's heads, and no further; and behind the token all must
be 0, to the bit. Draws both, prints both, and fails where they differ.

Takes half a minute on one core.
"""

import argparse
import os
import pathlib
import sys
from typing import NamedTuple

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

HEADS, WIDTH = 4, 16
AROUND = 12  # Tokens before the field, and behind the output.
INCREASING = [4, 8, 16, 16, 32, 32]


def two(dilation: int) -> list[int]:
    """That dilation on two heads, none on the others."""
    return [dilation] * 2 + [1] * (HEADS - 2)


# Windows and dilations of each layer, from bottom to top.
MODELS = {
    "windows of 18": ([18] * 6, [1] * 6),
    "windows of 18, 3 layers": ([18] * 3, [1] * 3),
    "increasing windows": (INCREASING, [1] * 6),
    "increasing, dilation on two heads": (
        INCREASING,
        [1, 1, 1, two(2), two(3), two(4)],
    ),
    "windows of 8, no dilation": ([8] * 5, [1] * 5),
    "windows of 8, dilated 1, 2, 4, 8, 16": ([8] * 5, [1, 2, 4, 8, 16]),
}


class Field(NamedTuple):
    """What the outputs of a model depend on.

    Attributes:
        gradients: float `(layers, tokens)`, the largest of each token, of the
            output after each layer.
        place: int, the token whose outputs they are.
        formula: list of int, of each layer the tokens that the formula says.
    """

    gradients: object
    place: int
    formula: list[int]

    @property
    def measured(self) -> list[int]:
        """Of each layer the tokens from the first that is seen to `place`."""
        return [self.place + 1 - int(row.nonzero()[0][0]) for row in self.seen]

    @property
    def seen(self):
        """bool `(layers, tokens)`."""
        return self.gradients > 0

    @property
    def is_right(self) -> bool:
        """Whether the formula holds, and nothing behind is seen."""
        behind = self.seen[:, self.place + 1 :].any()
        return self.measured == self.formula and not behind


def measure(window_sizes: list[int], dilations: list) -> Field:
    """Makes a model, and takes gradients of one token after each layer."""
    import keras
    import numpy as np
    import small_models
    import tensorflow as tf

    import keras_longformer as klf

    keras.utils.set_random_seed(0)
    backbone = klf.LongformerDecoderBackbone(
        vocabulary_size=2,
        num_layers=len(window_sizes),
        num_heads=HEADS,
        hidden_dim=WIDTH,
        intermediate_dim=2 * WIDTH,
        window_size=window_sizes,
        dilation=dilations,
        dropout=0.0,
    )
    small_models.widen(backbone)
    formula, total = [], 1
    for window_size, dilation in zip(window_sizes, dilations, strict=True):
        total += window_size // 2 * int(np.max(dilation))
        formula.append(total)
    place = AROUND + total - 1
    shape = (1, place + 1 + AROUND, WIDTH)
    embedded = tf.random.stateless_normal(shape, [0, 1])
    weights = tf.random.stateless_normal([WIDTH], [2, 3])
    rows = []
    for count in range(1, len(window_sizes) + 1):
        with tf.GradientTape() as tape:
            tape.watch(embedded)
            x = embedded
            for layer in backbone.transformer_layers[:count]:
                x = layer(x)
            output = tf.reduce_sum(x[0, place] * weights)
        gradient = tape.gradient(output, embedded)[0]
        rows.append(np.abs(gradient).max(axis=-1))
    return Field(np.array(rows), place, formula)


def draw(fields: dict[str, Field], path: pathlib.Path) -> None:
    """Draws the gradients of all models, and the formula, into a PNG."""
    import numpy as np
    import small_models
    from matplotlib import colormaps
    from matplotlib import colors

    figure = small_models.new_figure(figsize=(12, 2.2 * -(-len(fields) // 2)))
    axes_of = np.ravel(figure.subplots(-(-len(fields) // 2), 2))
    scale = colors.LogNorm(1e-6, 1)
    # The palest is no white, which is for what is not seen.
    palette = colors.ListedColormap(colormaps["Blues"](np.linspace(0.2, 1)))
    longest = max(field.formula[-1] for field in fields.values())
    for axes, (name, field) in zip(axes_of, fields.items(), strict=False):
        layers, tokens = field.gradients.shape
        left = -field.place - 0.5
        shares = field.gradients / field.gradients.max(axis=1, keepdims=True)
        image = axes.imshow(
            np.ma.masked_equal(shares, 0).clip(1e-6),
            aspect="auto",
            origin="lower",
            cmap=palette,
            norm=scale,
            interpolation="nearest",
            extent=(left, left + tokens, 0.5, layers + 0.5),
        )
        for layer, count in enumerate(field.formula, 1):
            edge = 0.5 - count
            axes.plot(
                [edge, edge],
                [layer - 0.5, layer + 0.5],
                color=small_models.RED,
                linewidth=1.5,
            )
        axes.axvline(0.5, color=small_models.GREY, linewidth=0.8)
        axes.set_xlim(-longest - AROUND, AROUND + 0.5)
        axes.set_yticks(range(1, layers + 1))
        axes.set_ylabel("layer")
        axes.set_title(f"{name}: {field.measured[-1]} tokens", loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    for axes in axes_of[len(fields) :]:
        axes.set_visible(False)
    for axes in axes_of[: len(fields)][-2:]:
        axes.set_xlabel("tokens from the one whose output it is")
    figure.colorbar(
        image, ax=list(axes_of), shrink=0.6, label="gradient, of the largest"
    )
    figure.suptitle(
        "What an output after each layer depends on (white: gradient 0; red: "
        "1 + Σ window/2 · dilation)",
        x=0.01,
        ha="left",
    )
    small_models.save_figure(figure, path)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="receptive_field",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--picture",
        type=pathlib.Path,
        default="docs/benchmarks/receptive_field.png",
        help="(default: %(default)s)",
    )
    given = parser.parse_args(arguments)
    fields = {}
    for name, (window_sizes, dilations) in MODELS.items():
        field = measure(window_sizes, dilations)
        fields[name] = field
        print(
            f"{name:38} formula {field.formula[-1]:4}  measured "
            f"{field.measured[-1]:4}",
            flush=True,
        )
    draw(fields, given.picture)
    print(f"wrote {given.picture}")
    wrong = [name for name, field in fields.items() if not field.is_right]
    if wrong:
        sys.exit(f"receptive_field: the formula is wrong of {wrong}.")


if __name__ == "__main__":
    main()
