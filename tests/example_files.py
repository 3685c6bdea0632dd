"""What the examples of docs/ find in their folder, made small."""

import pathlib

import keras_longformer as klf
from tests.pretrain import tiny
from tests.tasks import small

# Begins a block that the tests do not run, and says why.
NOT_RUN = "# Not run by the tests: "

# What is made small, page by page, before what is made small everywhere.
SMALL = {
    "docs/char_lm.md": {
        "num_layers=6": "num_layers=1",
        "rows=8": "rows=2",
        "hidden_dim=256, max_sequence_length=512, window_size=(16, 128)": (
            "hidden_dim=8, intermediate_dim=8, max_sequence_length=16, "
            "window_size=(4, 8)"
        ),
        "(4000, 1000), batch_size=(16, 8)": "(2, 1), batch_size=(2, 2)",
        "sequence_length=32_256, stride=512": "sequence_length=64, stride=32",
        "max_length=500": "max_length=30",
        "max_new_tokens=256": "max_new_tokens=4",
    },
    "docs/pretraining.md": {
        "window_size=512))": (
            "window_size=8, updates=2, batch_size=2, rows=2, warmup=1))"
        )
    },
    "docs/packing.md": {"4096": "64", "batch_size=8": "batch_size=4"},
    "keras_longformer/training/rows/batches.py": {
        "4096": "64",
        "batch_size=8": "batch_size=4",
    },
    "docs/model_garden.md": {
        "path/to/ckpt-100": "garden/longformer",
        "path/to/bert_model.ckpt": "garden/longformer",
        "longformer-4096/longformer": "garden/longformer",
        "80": "12",
        "77": "12",
        "sequence_length=512": "sequence_length=64",
    },
}


def make_small(page: str, block: str) -> str:
    """Returns a block of a page with its own numbers made small."""
    for real, little in SMALL.get(page, {}).items():
        block = block.replace(real, little)
    return block


def make_files(block: str) -> None:
    """Makes what a block reads, where its name stands in the block."""
    text = "the whales are good and the text is long. " * 40
    for name in ("a.txt", "b.txt", "book.txt"):
        if f'"{name}"' in block:
            pathlib.Path(name).write_text(text, encoding="utf-8")
    if 'Corpus.open("corpus")' in block:
        tiny.save_corpus(pathlib.Path("corpus"))
    if "garden/longformer" in block:
        klf.save_model_garden(
            small.make_masked_lm(),
            "garden",
            quirks=["epsilon", "approximate_gelu"],
        )


def make_char_lm(**config) -> klf.LongformerCharLM:
    """A model of characters a to z."""
    tokenizer = klf.LongformerByteTokenizer("text8")
    backbone = klf.LongformerDecoderBackbone(
        **{
            "vocabulary_size": tokenizer.vocabulary_size(),
            "num_layers": 1,
            "num_heads": 2,
            "hidden_dim": 8,
            "intermediate_dim": 16,
            "window_size": 4,
            **config,
        }
    )
    return klf.LongformerCharLM(
        backbone, klf.LongformerCharLMPreprocessor(tokenizer)
    )
