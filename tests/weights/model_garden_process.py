"""Model Garden's own code on what we write, and ours on what it writes.

    TF_USE_LEGACY_KERAS=1 python -m tests.weights.model_garden_process MODELS

MODELS is a clone of github.com/tensorflow/models; the rest of Model Garden is
the extra `garden`. Prints the largest differences as JSON. A process of its
own: Model Garden needs tf_keras where TensorFlow looks for Keras.
"""

import json
import os
import sys
import tempfile

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import official.projects
import tensorflow as tf
import tf_keras
from official.nlp.data import pretrain_dataloader
from official.nlp.data import sentence_prediction_dataloader
from official.nlp.data import tagging_dataloader
from official.nlp.modeling import models
from official.nlp.modeling import networks

import keras_longformer
from keras_longformer.data.model_garden import read_records
from keras_longformer.data.model_garden import write_records
from keras_longformer.weights import save_model_garden

OURS = {
    "vocabulary_size": 53,
    "num_layers": 3,
    "num_heads": 3,
    "hidden_dim": 24,
    "intermediate_dim": 37,
    "window_size": [4, 8, 16],
    "max_sequence_length": 112,
    "num_token_types": 2,
    "layer_norm_epsilon": 1e-12,
    "activation": "gelu_approximate",
}
# Padded to a multiple of 16, as theirs must be.
LENGTHS = (5, 37, 112)


def main(clone):
    folder = os.path.join(clone, "official", "projects")
    official.projects.__path__.append(folder)
    checks = {
        "ours in theirs, absolute": lambda: ours_in_theirs("absolute"),
        "ours in theirs, padding_offset": lambda: ours_in_theirs(
            "padding_offset"
        ),
        "our masked LM in theirs": masked_lm_in_theirs,
        "their Longformer in ours": their_longformer,
        "their BERT in ours": their_bert,
        "their heads in ours": their_heads,
        "records of masked_lm": masked_lm_records,
        "records of classification": classification_records,
        "records of tagging": tagging_records,
    }
    found = {}
    for name, check in checks.items():
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            found[name] = float(check())
    print(json.dumps(found, indent=1))


def ours_in_theirs(position_rule):
    backbone = keras_longformer.LongformerBackbone(
        **OURS, position_rule=position_rule
    )
    randomize(backbone)
    prefix = save_model_garden(backbone, "out", global_attention_size=2)
    encoder = their_encoder("out/params.yaml")
    encoder(as_theirs(random_inputs(5, 2)))
    status = tf.train.Checkpoint(encoder=encoder).read(prefix)
    status.assert_existing_objects_matched().assert_consumed()
    return max(
        hidden_difference(backbone, encoder, random_inputs(n, 2))
        for n in LENGTHS
    )


def masked_lm_in_theirs():
    backbone = keras_longformer.LongformerBackbone(**OURS)
    model = keras_longformer.LongformerMaskedLM(
        backbone, activation=backbone.activation
    )
    randomize(model)
    prefix = save_model_garden(model, "out")
    encoder = their_encoder("out/params.yaml")
    inputs = random_inputs(37, 1)
    encoder(as_theirs(inputs))
    pretrainer = models.BertPretrainerV2(
        encoder, mlm_activation=approximate_gelu
    )
    # Of real tokens: padding has another position in theirs.
    positions = np.tile(np.arange(18), (3, 1)).astype("int32")
    theirs = as_theirs(inputs) | {"masked_lm_positions": positions}
    pretrainer(theirs)
    items = pretrainer.checkpoint_items
    # A task of ours has no pooler.
    tf.train.Checkpoint(**items).read(prefix).assert_consumed()
    got = model(inputs | {"mask_positions": positions})
    return difference(got, pretrainer(theirs)["mlm_logits"])


def their_longformer():
    """As its trainer writes it, with an optimizer and a model around it."""
    from official.projects.longformer.longformer_encoder import (
        LongformerEncoder,
    )

    worst = 0.0
    for num_global in (0, 1, 3):
        encoder = LongformerEncoder(
            vocab_size=53,
            attention_window=[4, 8, 16],
            global_attention_size=num_global,
            hidden_size=24,
            num_layers=3,
            num_attention_heads=3,
            max_sequence_length=112,
            type_vocab_size=2,
            inner_dim=37,
        )
        encoder(as_theirs(random_inputs(5, 0)))
        randomize(encoder)
        model = models.BertPretrainerV2(encoder)
        trained = tf.train.Checkpoint(
            model=model, optimizer=tf_keras.optimizers.Adam()
        )
        prefix = trained.save(f"theirs-{num_global}/ckpt")
        backbone = keras_longformer.LongformerBackbone.from_preset(
            prefix, window_size=[4, 8, 16]
        )
        for n in LENGTHS:
            inputs = random_inputs(n, num_global)
            found = hidden_difference(backbone, encoder, inputs)
            worst = max(worst, found)
    return worst


def their_bert():
    worst = 0.0
    for cls in (networks.BertEncoderV2, networks.BertEncoder):
        encoder = cls(
            vocab_size=53,
            hidden_size=24,
            num_layers=3,
            num_attention_heads=3,
            max_sequence_length=112,
            type_vocab_size=2,
            inner_dim=37,
            dict_outputs=True,
        )
        encoder(as_theirs(random_inputs(5, 0)))
        randomize(encoder)
        prefix = tf.train.Checkpoint(model=encoder).save(f"{cls.__name__}/x")
        backbone = keras_longformer.LongformerBackbone.from_preset(
            prefix, window_size=256
        )
        for n in LENGTHS:
            inputs = random_inputs(n, 0)
            mask = inputs["padding_mask"]
            found = hidden_difference(backbone, encoder, inputs, mask)
            worst = max(worst, found)
    return worst


def their_heads():
    """Of tokens and of spans; golden files have the others."""
    worst = 0.0
    ours = (
        keras_longformer.LongformerTokenClassifier,
        keras_longformer.LongformerQuestionAnswering,
    )
    for cls in ours:
        encoder = networks.BertEncoder(
            vocab_size=53,
            hidden_size=24,
            num_layers=2,
            num_attention_heads=3,
            max_sequence_length=112,
            type_vocab_size=2,
            inner_dim=37,
        )
        if cls is ours[0]:
            model = models.BertTokenClassifier(encoder, 5)
        else:
            model = models.BertSpanLabeler(encoder)
        randomize(model)
        prefix = tf.train.Checkpoint(model=model).save(f"{cls.__name__}/x")
        task = cls.from_preset(
            prefix, preprocessor=None, window_size=256, max_global_tokens=None
        )
        inputs = random_inputs(37, 0)
        mask = inputs["padding_mask"]
        theirs = model(as_theirs(inputs))
        if cls is ours[0]:
            want = theirs["logits"] if isinstance(theirs, dict) else theirs
        else:
            want = tf.stack(theirs, -1)
        given = {k: inputs[k] for k in task.input if k in inputs}
        if "span_mask" in task.input:
            given["span_mask"] = mask
        got = np.asarray(task(given))
        worst = max(worst, difference(got[mask], np.asarray(want)[mask]))
    return worst


def masked_lm_records():
    x = random_inputs(37, 0)
    del x["global_mask"]
    x["mask_positions"] = np.array([[1, 5, 9], [2, 4, 0], [3, 0, 0]])
    y = np.array([[7, 8, 9], [4, 5, 0], [6, 0, 0]])
    weight = (y > 0).astype("float32")
    write_records(
        "train",
        [(x, y, weight)],
        sequence_length=40,
        pad_token_id=1,
        num_predictions=5,
        next_sentence_label=0,
    )
    theirs = load(
        pretrain_dataloader.BertPretrainDataLoader,
        pretrain_dataloader.BertPretrainDataConfig(
            input_path="train",
            global_batch_size=3,
            is_training=False,
            seq_length=40,
            max_predictions_per_seq=5,
        ),
    )
    ours, y, weight = next(
        iter(
            read_records(
                "train",
                pad_token_id=1,
                batch_size=3,
                sequence_length=40,
                token_types=True,
            )
        )
    )
    ours |= {"masked_lm_ids": y, "masked_lm_weights": weight}
    return largest(ours, theirs)


def classification_records():
    x = random_inputs(37, 0)
    del x["global_mask"]
    write_records(
        "train",
        [(x, np.array([2, 0, 1]))],
        "classification",
        sequence_length=40,
        pad_token_id=1,
    )
    module = sentence_prediction_dataloader
    theirs = load(
        module.SentencePredictionDataLoader,
        module.SentencePredictionDataConfig(
            input_path="train",
            global_batch_size=3,
            is_training=False,
            seq_length=40,
        ),
    )
    return largest_of_labels("classification", theirs)


def tagging_records():
    x = random_inputs(37, 0)
    del x["global_mask"]
    y = np.random.default_rng(3).integers(0, 4, (3, 37))
    weight = (y > 1).astype("float32")
    write_records(
        "train",
        [(x, y, weight)],
        "tagging",
        sequence_length=40,
        pad_token_id=1,
    )
    x, labels = load(
        tagging_dataloader.TaggingDataLoader,
        tagging_dataloader.TaggingDataConfig(
            input_path="train",
            global_batch_size=3,
            is_training=False,
            seq_length=40,
        ),
    )
    return largest_of_labels("tagging", x | {"label_ids": labels})


def largest_of_labels(kind, theirs):
    ours, y, weight = next(
        iter(
            read_records(
                "train",
                kind,
                pad_token_id=1,
                batch_size=3,
                sequence_length=40,
                token_types=True,
            )
        )
    )
    # Theirs marks what has no label by -1.
    ours["label_ids"] = tf.where(weight > 0, y, -1)
    theirs.pop("is_real_example", None)
    return largest(ours, theirs)


def largest(ours, theirs):
    names = {
        "token_ids": "input_word_ids",
        "padding_mask": "input_mask",
        "token_type_ids": "input_type_ids",
        "mask_positions": "masked_lm_positions",
    }
    ours = {names.get(name, name): value for name, value in ours.items()}
    assert set(ours) <= set(theirs), (set(ours), set(theirs))
    return max(difference(value, theirs[name]) for name, value in ours.items())


def load(loader, config):
    return next(iter(loader(config).load()))


def their_encoder(parameters):
    from official.projects.longformer import longformer

    with open(parameters) as file:
        found = json.load(file)["task"]["model"]["encoder"]["any"]
    return longformer.get_encoder(longformer.LongformerEncoderConfig(**found))


def approximate_gelu(x):
    return tf_keras.activations.gelu(x, approximate=True)


def random_inputs(n, num_global):
    """Three rows, two with padding, the first tokens global."""
    rng = np.random.default_rng(n)
    lengths = np.array([[n], [max(n - 3, 4)], [max(n // 2, 4)]])
    mask = np.arange(n) < lengths
    ids = rng.integers(2, OURS["vocabulary_size"], (3, n))
    return {
        "token_ids": np.where(mask, ids, 1).astype("int32"),
        "padding_mask": mask,
        "global_mask": np.tile(np.arange(n) < num_global, (3, 1)),
        "token_type_ids": rng.integers(0, 2, (3, n)).astype("int32"),
    }


def as_theirs(inputs):
    return {
        "input_word_ids": tf.constant(inputs["token_ids"]),
        "input_mask": tf.constant(inputs["padding_mask"].astype("int32")),
        "input_type_ids": tf.constant(inputs["token_type_ids"]),
    }


def hidden_difference(backbone, encoder, inputs, mask=...):
    ours, theirs = backbone(inputs), encoder(as_theirs(inputs))
    if backbone.position_rule == "padding_offset":
        mask = inputs["padding_mask"]  # Padding has rows of its own there.
    return max(
        difference(
            np.asarray(ours["sequence_output"])[mask],
            np.asarray(theirs["sequence_output"])[mask],
        ),
        difference(ours["pooled_output"], theirs["pooled_output"]),
    )


def difference(first, second):
    first, second = np.asarray(first, "float64"), np.asarray(second, "float64")
    assert first.shape == second.shape, (first.shape, second.shape)
    assert np.isfinite(first).all()
    assert np.isfinite(second).all()
    return np.abs(first - second).max()


def randomize(model):
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if "seed" not in weight.name:
            center = 1.0 if "gamma" in weight.name else 0.0
            weight.assign(rng.normal(center, 0.3, weight.shape))


if __name__ == "__main__":
    main(*sys.argv[1:])
