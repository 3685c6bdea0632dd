"""What is tried with a folder, and what its good form gives."""

import functools
import hashlib
import os

import numpy as np


def _digest(*values):
    hashed = hashlib.sha256()
    for value in values:
        hashed.update(repr(value).encode())
        if isinstance(value, np.ndarray):
            hashed.update(np.ascontiguousarray(value).tobytes())
    return hashed.hexdigest()


@functools.cache
def _backbone(config):
    import keras_longformer as klf

    return klf.LongformerBackbone(**dict(config))


def checkpoint(folder):
    """An encoder's checkpoint: what `from_preset` does of it.

    The model is made once for each configuration, for time.
    """
    from keras_longformer import weights
    from keras_longformer.models import presets

    foreign = weights.open_foreign(folder)
    hashable = tuple(
        (k, tuple(v) if isinstance(v, list) else v)
        for k, v in sorted(foreign.config.items())
    )
    model = _backbone(hashable)
    presets.load_arrays(model, foreign.arrays, foreign.source)
    return _digest(hashable, *(w.numpy() for w in model.weights))


def tokenizer(folder):
    import tensorflow as tf

    from keras_longformer.tokenizers import open_tokenizer
    from keras_longformer.tokenizers.opening import no_tokenizer
    from keras_longformer.weights.texts import tokenizer_files

    files = tokenizer_files(folder)
    opened = open_tokenizer(files)
    if opened is None:
        raise ValueError(
            no_tokenizer(f"{folder}/{min(files, default='')}", files)
        )
    tf.config.run_functions_eagerly(True)  # Most of its time is tracing.
    try:
        ids = opened(["Hello good bad <mask> é [CLS] 日本 fi\n", ""])
    finally:
        tf.config.run_functions_eagerly(False)
    return _digest(ids.to_list() if hasattr(ids, "to_list") else ids)


def corpus(folder):
    from keras_longformer.training.corpus.records import Corpus

    opened = Corpus.open(folder)
    read = [opened.read_shard(i) for i in range(len(opened.shards))]
    return _digest(opened.lengths, *(x for pair in read for x in pair))


def records(folder):
    from keras_longformer.data.model_garden import read_records

    rows = read_records(
        os.path.join(folder, "rows.tfrecord"),
        "classification",
        pad_token_id=1,
        batch_size=2,
    )
    return _digest(
        *(x.numpy() for batch in rows for x in [*batch[0].values(), batch[1]])
    )


def state(folder):
    from keras_longformer.training.resume import TrainingStates

    model = _trained()
    facts = TrainingStates(folder).restore(model)
    if facts is None:
        raise ValueError(f"'{folder}' has no state.")
    return _digest(
        sorted(facts), facts["step"], *(v.numpy() for v in model.variables)
    )


@functools.cache
def _trained():
    import keras

    model = keras.Sequential([keras.layers.Dense(3, name="dense")])
    model.build((None, 5))
    model.compile("sgd", "mse")
    return model


def own_preset(folder):
    """A preset that `save_to_preset` wrote, through KerasHub and Keras."""
    import keras_longformer as klf

    task = klf.LongformerTextClassifier.from_preset(folder)
    return _digest(
        task.backbone.get_config(), *(w.numpy() for w in task.weights)
    )


def keras_file(folder):
    import keras

    import keras_longformer  # noqa: F401

    model = keras.models.load_model(os.path.join(folder, "model.keras"))
    return _digest(*(w.numpy() for w in model.weights))


def manifest(folder):
    """A version's folder; what is whole is not run here, for time."""
    from keras_longformer.serving import verify

    version = verify._version_folder(folder)
    found, problems = verify._read_manifest(version)
    problems = problems or verify._compare_files(version, found["files"])
    if problems:
        raise ValueError(f"'{version}': {problems}")
    return _digest(found)


ATTEMPTS = {
    attempt.__name__: attempt
    for attempt in (
        checkpoint,
        tokenizer,
        corpus,
        records,
        state,
        own_preset,
        keras_file,
        manifest,
    )
}
