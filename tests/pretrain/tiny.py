"""A pretraining of seconds: a tiny model, and a corpus in memory.

Run as a program, it pretrains in a process of its own, which can be killed:

    python -m tests.pretrain.tiny '{"output": "...", "preset": "..."}'
"""

import json
import pathlib
import sys

import numpy as np

from keras_longformer import pretrain
from keras_longformer.pretrain.masked_lm import MaskedLM
from tests.tasks import small
from tests.training.rows.corpora import MemoryCorpus

LENGTH = 32


class TextCorpus(MemoryCorpus):
    """Documents in memory, in two shards, with a description on disk."""

    def __init__(self, folder):
        generator = np.random.default_rng(0)
        shards = [
            [
                np.repeat(generator.integers(4, 200, 9), 4)[: 12 + i]
                for i in range(count)
            ]
            for count in (24, 17)
        ]
        super().__init__(shards)
        self.characters = 3 * self.lengths.astype("int64")
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "corpus.json").write_text("{}")


def stand_in(objective, paths, name, tokenizer):
    return TextCorpus(pathlib.Path(objective.settings.output, name))


def settings(output, preset, **more):
    return pretrain.Settings(
        **{
            "train": ("text.txt",),
            "output": str(output),
            "preset": str(preset),
            "max_sequence_length": LENGTH,
            "window_size": 8,
            "updates": 6,
            "batch_size": 4,
            "rows": 2,
            "peak": 1e-3,
            "validate_every": 3,
            "save_minutes": 0.0,
            "validation_share": 0.2,
            **more,
        }
    )


def save_preset(folder, **config):
    small.make_masked_lm(
        max_global_tokens=None,
        dropout=0.1,
        hidden_dim=12,
        intermediate_dim=17,
        max_sequence_length=16,
        **config,
    ).save_to_preset(str(folder))
    return str(folder)


def main():
    MaskedLM._corpus = stand_in
    pretrain.run(settings(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
