"""A pretraining of seconds: a tiny preset, a tiny corpus, a command."""

import numpy as np

from keras_longformer.training.corpus.records import write_manifest
from keras_longformer.training.corpus.records import write_shard
from tests.tasks import small

LENGTH = 32


def save_preset(folder, **config):
    """A model that reads half of `LENGTH` tokens, with dropout."""
    small.make_masked_lm(
        **{
            "dropout": 0.1,
            "hidden_dim": 12,
            "intermediate_dim": 17,
            "max_sequence_length": LENGTH // 2,
            **config,
        }
    ).save_to_preset(str(folder))
    return str(folder)


def save_corpus(folder, shards=(24, 17)):
    """Documents of a few tokens, each of which comes again and again."""
    folder.mkdir()
    tokenizer, generator = small.shared_tokenizer(), np.random.default_rng(0)
    written = []
    for number, count in enumerate(shards):
        documents = [
            (np.repeat(generator.integers(4, 12, 9), 4)[: 12 + i], 3 * (12 + i))
            for i in range(count)
        ]
        path = folder / f"shard-{number:05}.tfrecord"
        written.append(write_shard(path, documents))
    write_manifest(folder, tokenizer, written)
    return str(folder)


def command(output, preset, corpus, **more):
    """The arguments of `keras-longformer`, after its name."""
    options = {
        "train": corpus,
        "output": output,
        "preset": preset,
        "max_sequence_length": LENGTH,
        "updates": 4,
        "batch_size": 4,
        "rows": 2,
        "learning_rate": 1e-2,
        "warmup": 1,
        "power": 1,
        "save_minutes": 0,
        "validation_share": 0.2,
        **more,
    }
    given = [
        (
            f"--{name.replace('_', '-')}",
            *(() if value is True else (str(value),)),
        )
        for name, value in options.items()
        if value is not None
    ]
    return ["pretrain", *(x for one in given for x in one)]
