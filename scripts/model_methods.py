"""What `benchmark_model.py` times: the models of this package and their peers.

Each is a function of the number of layers, the length, and whether gradients
are wanted, that returns a call without arguments.
"""

import importlib.util

import numpy as np
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.native import library

WIDTH, HEADS, WINDOW_SIZE, VOCABULARY = 768, 12, 512, 50265
GEMM, GEMM_PRODUCTS = "tf.matmul", 10


def ours(implementation=None, dtype="float32", **config):
    def make(layers, length, training):
        backbone = klf.LongformerBackbone(
            vocabulary_size=VOCABULARY,
            num_layers=layers,
            num_heads=HEADS,
            hidden_dim=WIDTH,
            intermediate_dim=4 * WIDTH,
            window_size=WINDOW_SIZE,
            max_sequence_length=max(length, 4096),
            max_global_tokens=1,
            dropout=0.0,
            pooler=False,
            implementation=implementation,
            dtype=dtype,
            **config,
        )
        global_mask = np.arange(length)[None] == 0
        inputs = {
            "token_ids": token_ids(length),
            "padding_mask": np.ones((1, length), bool),
            "global_mask": global_mask,
        }
        return in_keras(backbone, inputs, training)

    return make


def keras_hub_roberta(layers, length, training):
    import keras_hub

    backbone = keras_hub.models.RobertaBackbone(
        vocabulary_size=VOCABULARY,
        num_layers=layers,
        num_heads=HEADS,
        hidden_dim=WIDTH,
        intermediate_dim=4 * WIDTH,
        max_sequence_length=max(length, 512),
        dropout=0.0,
    )
    inputs = {
        "token_ids": token_ids(length),
        "padding_mask": np.ones((1, length), "int32"),
    }
    return in_keras(backbone, inputs, training)


def in_keras(model, inputs, training):
    inputs = {name: tf.constant(x) for name, x in inputs.items()}
    weights = [weight.value for weight in model.trainable_weights]

    @tf.function(autograph=False)
    def step(inputs):
        if not training:
            return model(inputs, training=False)
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = tf.reduce_mean(tf.square(tf.cast(outputs, tf.float32)))
        return norms(tape.gradient(loss, weights))

    return lambda: step(inputs)


def norms(gradients):
    """One number each: so that all are computed, and none copied out."""
    gradients = [tf.convert_to_tensor(x) for x in gradients if x is not None]
    return [tf.norm(tf.cast(x, tf.float32)) for x in gradients]


def hugging_face_config(name, layers, length):
    import transformers

    return getattr(transformers, name)(
        vocab_size=VOCABULARY,
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        max_position_embeddings=max(length, 4096) + 2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=1,
        type_vocab_size=1,
        **(
            {"attention_window": [WINDOW_SIZE] * layers}
            if "Long" in name
            else {}
        ),
    )


def hugging_face_tensorflow(family):
    def make(layers, length, training):
        import transformers

        config = hugging_face_config(f"{family}Config", layers, length)
        model = getattr(transformers, f"TF{family}Model")(config)
        inputs = {
            "input_ids": tf.constant(token_ids(length)),
            "attention_mask": tf.ones((1, length), tf.int32),
        }
        if family == "Longformer":
            marks = tf.range(length)[None] == 0
            inputs["global_attention_mask"] = tf.cast(marks, tf.int32)
        model({name: x[:, :16] for name, x in inputs.items()})

        # With known lengths its gradient does not compile.
        @tf.function(
            input_signature=[
                {k: tf.TensorSpec([None, None], tf.int32) for k in inputs}
            ],
        )
        def step(inputs):
            if not training:
                return model(inputs, training=False).last_hidden_state
            with tf.GradientTape() as tape:
                outputs = model(inputs, training=True).last_hidden_state
                loss = tf.reduce_mean(tf.square(outputs))
            return norms(tape.gradient(loss, model.trainable_variables))

        return lambda: step(inputs)

    return make


def hugging_face_torch(layers, length, training):
    import torch
    import transformers

    config = hugging_face_config("LongformerConfig", layers, length)
    model = transformers.LongformerModel(config, add_pooling_layer=False)
    model.train(training)
    marks = torch.arange(length)[None] == 0
    inputs = {
        "input_ids": torch.tensor(token_ids(length).astype("int64")),
        "attention_mask": torch.ones((1, length), dtype=torch.int64),
        "global_attention_mask": marks.long(),
    }

    def step():
        if not training:
            with torch.no_grad():
                return model(**inputs).last_hidden_state
        model.zero_grad()
        model(**inputs).last_hidden_state.square().mean().backward()

    return step


def token_ids(length):
    rng = np.random.default_rng(0)
    return rng.integers(4, VOCABULARY, (1, length)).astype("int32")


def our_layer(implementation=None):
    def make(layers, length, training):
        layer = klf.LongformerAttention(
            HEADS,
            WIDTH // HEADS,
            window_size=WINDOW_SIZE,
            max_global_tokens=1,
            implementation=implementation,
        )
        rng = np.random.default_rng(0)
        x = rng.standard_normal((1, length, WIDTH), dtype="float32")
        x = tf.constant(x)
        marks = tf.range(length)[None] == 0
        layer.build((None, None, WIDTH))
        step = tf.function(lambda x: layer(x, global_mask=marks))
        return lambda: step(x)

    return make


def hugging_face_layer(layers, length, training):
    from transformers.models.longformer import modeling_tf_longformer as hf

    layer = hf.TFLongformerAttention(
        hugging_face_config("LongformerConfig", 1, length), layer_id=0
    )
    rng = np.random.default_rng(0)
    x = tf.constant(rng.standard_normal((1, length, WIDTH), dtype="float32"))
    marks = tf.range(length)[None] == 0

    def attend(x, marks):
        # Without its layer norm, which ours does not have either.
        bias = tf.where(marks, -10000.0, 0.0)[..., None, None]
        nowhere = tf.zeros_like(marks)
        context = layer.self_attention([x, bias, None, nowhere, marks, True])[0]
        return layer.dense_output.dense(context)

    spec = [
        tf.TensorSpec([None, None, WIDTH]),
        tf.TensorSpec([None, None], tf.bool),
    ]
    step = tf.function(attend, input_signature=spec)
    return lambda: step(x, marks)


def gemm(layers, length, training):
    """Ten products in a row, of the feed-forward layers' sizes."""
    x = tf.random.normal((4096, WIDTH))
    up = tf.random.normal((WIDTH, 4 * WIDTH), stddev=WIDTH**-0.5)
    down = tf.random.normal((4 * WIDTH, WIDTH), stddev=(4 * WIDTH) ** -0.5)

    @tf.function
    def step(x):
        for _ in range(GEMM_PRODUCTS // 2):
            x = x @ up @ down
        return x

    return lambda: step(x)


def installed(*packages):
    return all(importlib.util.find_spec(package) for package in packages)


def peers(part):
    """Name -> function that makes the call, for what is installed."""
    if part in ("layer", "growth"):
        found = {"ours": our_layer(), "ours, chunked": our_layer("chunked")}
        if installed("transformers", "tf_keras"):
            found["HF TensorFlow"] = hugging_face_layer
    else:
        found = {"ours": ours(), "ours, chunked": ours("chunked")}
        if part == "training":
            found["ours, rematerialized"] = ours(rematerialize=True)
        if part != "short":
            found["ours, bfloat16"] = ours(dtype="mixed_bfloat16")
        if installed("transformers", "tf_keras"):
            found["HF TensorFlow"] = hugging_face_tensorflow("Longformer")
            found["HF TensorFlow RoBERTa"] = hugging_face_tensorflow("Roberta")
        if installed("transformers", "torch"):
            found["HF PyTorch"] = hugging_face_torch
        found["KerasHub RoBERTa"] = keras_hub_roberta
    if not library.available():
        del found["ours, chunked"]  # The same as ours.
    found[GEMM] = gemm
    return found
