"""What the small models of these examples are made and trained with."""

import json
import pathlib

import keras
import numpy as np

import keras_longformer as klf
from keras_longformer.training.schedules import WarmupPolynomialDecay
from keras_longformer.unfinished import whole_file
from keras_longformer.unfinished import write_text

SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
ROBERTA_WIDTH = 768  # That of roberta-base, for which its 0.02 was chosen.
GREY, BLUE, RED = "#8c8c8c", "#2b6cb0", "#c05640"


def train_tokenizer(texts: list[str], size: int) -> klf.LongformerTokenizer:
    """Trains a byte-level BPE, RoBERTa's kind, with RoBERTa's special ids."""
    import tokenizers

    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator(
        texts,
        vocab_size=size,
        special_tokens=SPECIAL_TOKENS,
        show_progress=False,
    )
    model = json.loads(trained.to_str())["model"]
    merges = [
        rule if isinstance(rule, str) else " ".join(rule)
        for rule in model["merges"]
    ]
    return klf.LongformerTokenizer(model["vocab"], merges)


def make_backbone(
    tokenizer: klf.LongformerTokenizer,
    hidden_dim: int,
    widened: tuple[str, ...] = ("kernel", "token_embedding/embeddings"),
    **config,
) -> klf.LongformerBackbone:
    """Returns a small backbone with random weights, `widened`."""
    backbone = klf.LongformerBackbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        hidden_dim=hidden_dim,
        pooler=False,
        **config,
    )
    widen(backbone, widened)
    return backbone


def widen(
    backbone: keras.Model,
    widened: tuple[str, ...] = ("kernel", "token_embedding/embeddings"),
) -> None:
    """Makes a backbone's random weights larger.

    A narrow model that sees a million times less text than RoBERTa needs a
    better start: the weights whose paths end in one of `widened` become as much
    larger as its width is smaller.
    """
    scale = np.sqrt(ROBERTA_WIDTH / backbone.hidden_dim)
    for weight in backbone.weights:
        if weight.path.endswith(widened):
            weight.assign(weight * scale)


def optimizer(peak: float, steps: int) -> keras.optimizers.Optimizer:
    """Returns AdamW as RoBERTa was trained with, warm for a tenth."""
    return keras.optimizers.AdamW(
        WarmupPolynomialDecay(
            peak, total_steps=steps, warmup_steps=steps // 10, power=1.0
        ),
        beta_2=0.98,
        weight_decay=0.01,
        global_clipnorm=1.0,
    )


def write(path: str | pathlib.Path, text: str) -> None:
    """Writes a text, whole or not at all."""
    write_text(path, text)


def new_figure(**options):
    """Returns a figure of matplotlib's that needs no screen."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.figure(layout="constrained", **options)


def save_figure(figure, path: str | pathlib.Path) -> None:
    """Writes a PNG, whole or not at all."""
    from matplotlib import pyplot

    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=150)
    pyplot.close(figure)


def table(header: list, rows: list[list]) -> str:
    """Returns a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
