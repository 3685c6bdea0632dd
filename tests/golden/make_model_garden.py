"""Makes Model Garden's golden files: its tiny random encoders, their numbers.

    TF_USE_LEGACY_KERAS=1 python tests/golden/make_model_garden.py MODELS [OUT]

MODELS is a clone of github.com/tensorflow/models: its project `longformer` is
in no wheel. The rest is of tf-models-official 2.20.0, with TensorFlow 2.20.0
and tf_keras 2.20.1. Takes a minute. Writes, into `model_garden` beside itself
unless a folder is given, one folder a case with its checkpoint:

    longformer        LongformerEncoder, two global tokens, another window a
                      layer, and the `params.yaml` of a trainer
    no_global         the same class without global tokens, by itself
    converted         what its converter makes of `longformer-base` beside this
    pretrainer        BertPretrainerV2 of a BertEncoderV2, with its optimizer
    classifier        BertClassifier of a BertEncoder, on the encoder's pooler

and `model_garden.npz`: inputs and outputs of each.
"""

import os
import sys
import types
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import official.projects
import tensorflow as tf
import tf_keras
from official.nlp.modeling import layers
from official.nlp.modeling import models
from official.nlp.modeling import networks
from safetensors.numpy import load_file

SIZES = {
    "vocab_size": 17,
    "hidden_size": 6,
    "num_layers": 2,
    "num_attention_heads": 2,
    "max_sequence_length": 24,
    "type_vocab_size": 2,
    "inner_dim": 7,
    "output_dropout": 0.0,
    "attention_dropout": 0.0,
}
WINDOWS = [4, 6]  # 24, to which 21 tokens are padded, is a multiple of both.
LENGTH = 21
PADDED = 5
CONVERTED = {
    "vocab_size": 53,
    "hidden_size": 24,
    "num_layers": 2,
    "num_attention_heads": 3,
    "max_sequence_length": 66,
    "type_vocab_size": 2,
    "inner_dim": 37,
    "attention_window": [4, 8],
    "global_attention_size": 1,
}
PARAMETERS = """task:
  model:
    encoder:
      type: any
      any:
        attention_dropout_rate: 0.2
        attention_window: [4, 6]
        dropout_rate: 0.3
        global_attention_size: {global_attention_size}
        hidden_activation: gelu
        hidden_size: 6
        intermediate_size: 7
        max_position_embeddings: 24
        norm_first: false
        num_attention_heads: 2
        num_layers: 2
        pad_token_id: 1
        type_vocab_size: 2
        vocab_size: 17
trainer:
  train_steps: 5
"""


def main(clone, out):
    project(clone)
    cases = {}
    for name, make in {
        "longformer": longformer,
        "no_global": no_global,
        "converted": converted,
        "pretrainer": pretrainer,
        "classifier": classifier,
    }.items():
        (out / name).mkdir(parents=True, exist_ok=True)
        tf_keras.utils.set_random_seed(len(cases))
        inputs, outputs = make(out / name)
        for key, value in (inputs | outputs).items():
            cases[f"{name}/{key}"] = np.asarray(value)
    np.savez_compressed(f"{out}.npz", **cases)


def project(clone):
    """Lets `official.projects.longformer` be found in a clone."""
    folder = Path(clone, "official", "projects")
    if not (folder / "longformer" / "longformer_encoder.py").is_file():
        sys.exit(f"{clone} is no clone of tensorflow/models")
    official.projects.__path__.append(str(folder))


def longformer_encoder(**sizes):
    from official.projects.longformer.longformer_encoder import (
        LongformerEncoder,
    )

    sizes = SIZES | {"attention_window": WINDOWS} | sizes
    return LongformerEncoder(**sizes)


def longformer(folder, global_attention_size=2):
    encoder = longformer_encoder(global_attention_size=global_attention_size)
    inputs = random_inputs()
    encoder(inputs)
    randomize(encoder)
    tf.train.Checkpoint(encoder=encoder).write(str(folder / "ckpt-5"))
    parameters = PARAMETERS.format(global_attention_size=global_attention_size)
    (folder / "params.yaml").write_text(parameters)
    return inputs, hidden(encoder, inputs)


def no_global(folder):
    return longformer(folder, global_attention_size=0)


def converted(folder):
    """Their converter's own function, on weights that are here already."""
    sys.modules.setdefault("transformers", types.ModuleType("transformers"))
    from official.projects.longformer.utils import (
        convert_pretrained_pytorch_checkpoint_to_tf as converter,
    )

    golden = Path(__file__).parent / "longformer-base" / "model.safetensors"
    arrays = load_file(golden)
    # The released model has one type, which the converter repeats.
    types_name = "embeddings.token_type_embeddings.weight"
    arrays[types_name] = arrays[types_name][:1]
    encoder = longformer_encoder(**CONVERTED)
    inputs = random_inputs(CONVERTED["vocab_size"])
    encoder(inputs)
    converter.convert(encoder, arrays)
    tf.train.Checkpoint(encoder=encoder).write(str(folder / "longformer"))
    return inputs, hidden(encoder, inputs)


def pretrainer(folder):
    encoder = networks.BertEncoderV2(**SIZES)
    head = layers.ClassificationHead(
        inner_dim=6, num_classes=2, name="next_sentence"
    )
    model = models.BertPretrainerV2(
        encoder_network=encoder,
        classification_heads=[head],
        mlm_activation=gelu,
    )
    inputs = random_inputs()
    inputs["masked_lm_positions"] = np.array([[1, 8, 20], [3, 9, 0]], "int32")
    model(inputs)
    randomize(model)
    optimizer = tf_keras.optimizers.legacy.Adam(1e-3)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs)["mlm_logits"])
    weights = model.trainable_variables
    gradients = zip(tape.gradient(loss, weights), weights, strict=True)
    optimizer.apply_gradients([(g, w) for g, w in gradients if g is not None])
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    checkpoint.write(str(folder / "ckpt-1"))
    outputs = hidden(encoder, inputs)
    return inputs, outputs | {"mlm_logits": model(inputs)["mlm_logits"]}


def classifier(folder):
    encoder = networks.BertEncoder(dict_outputs=True, **SIZES)
    model = models.BertClassifier(
        network=encoder, num_classes=3, use_encoder_pooler=True
    )
    inputs = random_inputs()
    randomize(model)
    tf.train.Checkpoint(model=model).write(str(folder / "ckpt-7"))
    outputs = hidden(encoder, inputs)
    return inputs, outputs | {"logits": model(inputs)}


def gelu(x):
    return tf_keras.activations.gelu(x, approximate=True)


def hidden(encoder, inputs):
    names = ("input_word_ids", "input_mask", "input_type_ids")
    outputs = encoder({name: inputs[name] for name in names})
    return {
        name: outputs[name] for name in ("sequence_output", "pooled_output")
    }


def random_inputs(vocab_size=SIZES["vocab_size"]):
    rng = np.random.default_rng(0)
    mask = np.ones((2, LENGTH), "int32")
    mask[1, -PADDED:] = 0
    ids = rng.integers(2, vocab_size, mask.shape).astype("int32")
    return {
        "input_word_ids": np.where(mask == 1, ids, 1),
        "input_mask": mask,
        "input_type_ids": rng.integers(0, 2, mask.shape).astype("int32"),
    }


def randomize(model):
    rng = np.random.default_rng(1)
    for weight in model.weights:
        # LayerNorm's scales stay about 1.
        center = 1.0 if "gamma" in weight.name else 0.0
        weight.assign(rng.normal(center, 0.5, weight.shape))


if __name__ == "__main__":
    beside = Path(__file__).parent / "model_garden"
    main(sys.argv[1], Path(sys.argv[2]) if sys.argv[2:] else beside)
