"""Times the layer, the encoder and a training step against their peers.

Command:
    python scripts/benchmarks/model.py OUTPUT_FOLDER [--parts layer encoder
        training growth short] [--rounds 5] [--quick]

One sequence, 12 heads of 64, window 512, token 0 global, float32 unless said,
random weights. Parts:
    layer     attention with its projections, 4,096 tokens
    encoder   RoBERTa-base's size, 12 layers, 4,096 tokens, forward
    training  2 layers, 4,096 tokens: forward, and gradients of all weights
    growth    attention with its projections, 4,096 to 65,536 tokens
    short     100 tokens through a 4,096-token encoder and through a RoBERTa

The peers are those that are installed (`USE_TORCH=0` leaves out PyTorch's):
Hugging Face's Longformer in TensorFlow
(transformers < 5 with tf_keras) and PyTorch, dense RoBERTa of Hugging Face's
TensorFlow and of KerasHub. Times are medians of rounds in which all take
turns in one process, so that a busy machine slows them alike, and ratios to
ours. Memory is the peak above rest of one call in a process of its own. The
rate of `tf.matmul` is measured in the same rounds, and the share of it that the
encoder reaches counts only the multiplications that must be done.

Takes about 15 minutes on two cores (`--quick`: 4), needs 6 GiB. Writes
model_benchmark.md.
"""

import importlib.util
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measure
import numpy as np
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.native import library

WIDTH, HEADS, WINDOW_SIZE, VOCABULARY = 768, 12, 512, 50265
GEMM, GEMM_PRODUCTS = "tf.matmul", 10
# PyTorch and transformers' TensorFlow models in one process were seen to crash.
USES_TORCH = os.environ.get("USE_TORCH") != "0"
PARTS = {  # layers, lengths, whether gradients are computed
    "layer": (1, [4096], False),
    "encoder": (12, [4096], False),
    "training": (2, [4096], True),
    "growth": (1, [4096, 8192, 16384, 32768, 65536], False),
    "short": (12, [100], False),
}

# The models: functions of the number of layers, the length, and whether
# gradients are wanted, that return a call without arguments.


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
        if installed("transformers", "torch") and USES_TORCH:
            found["HF PyTorch"] = hugging_face_torch
        found["KerasHub RoBERTa"] = keras_hub_roberta
    if not library.available():
        del found["ours, chunked"]  # The same as ours.
    found[GEMM] = gemm
    return found


# Measuring


def wait(outputs):
    """TensorFlow computes on while Python goes on."""
    for x in outputs if isinstance(outputs, list) else [outputs]:
        if isinstance(x, tf.Tensor):
            x.numpy()


def peak_of_one_call(part, name, length):
    """Peak bytes above rest; runs in a process of its own."""
    layers, _, training = PARTS[part]
    warm = peers(part)[name](1, 2 * WINDOW_SIZE, training)
    warm()  # Code and thread pools are there.
    call = peers(part)[name](layers, length, training)
    return measure.peak_above_rest(lambda: wait(call()))


def rows_of(part, rounds):
    """Yields rows of the table: length, name, ms, ratio to ours, MiB, note."""
    layers, lengths, training = PARTS[part]
    for length in lengths:
        found = peers(part)
        made = {n: make(layers, length, training) for n, make in found.items()}
        calls = {
            n: (lambda call=call: wait(call())) for n, call in made.items()
        }
        seconds = measure.medians(measure.interleaved(calls, rounds))
        ratios = measure.ratios(seconds, "ours")
        del calls, made
        measure.release()
        for name, each in seconds.items():
            memory = note = ""
            if name == GEMM:
                note = f"{gemm_flop() / each / 1e9:.0f} GFLOP/s"
            else:
                peak = measure.in_own_process(part, name, length)
                memory = measure.mib(peak)
            if name.startswith("ours") and part == "encoder":
                share = seconds[GEMM] / gemm_flop() * flop(part, layers, length)
                note = f"{share / each:.0%} of the GEMM rate"
            yield [length, name, f"{each * 1e3:.1f}", f"{ratios[name]:.2f}"] + [
                memory,
                note,
            ]


def gemm_flop():
    return GEMM_PRODUCTS * 2 * 4096 * WIDTH * 4 * WIDTH


def flop(part, layers, length):
    """What must be done: products with weights, and the scores in the band."""
    weights = 2 * length * WIDTH * WIDTH * (12 if part != "layer" else 4)
    keys = min(WINDOW_SIZE + 2, length)
    return layers * (weights + 4 * length * keys * WIDTH)


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("output_folder", type=pathlib.Path, nargs="?")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="3 rounds")
    options = parser.parse_args()
    if options.child:
        print(peak_of_one_call(*options.child))
        return
    if options.output_folder is None:
        parser.error("OUTPUT_FOLDER is missing")
    kernel = library.instructions() if library.available() else "not built"
    parts = [
        f"{measure.machine()}, TensorFlow {tf.__version__}, native kernel: "
        f"{kernel}."
    ]
    print(parts[0], flush=True)
    header = ["tokens", "", "ms", "to ours", "MiB above rest", ""]
    for part in options.parts:
        print(f"{part} ...", flush=True)
        rows = [*rows_of(part, 3 if options.quick else options.rounds)]
        parts.append(f"**{part}**\n\n{measure.table(header, rows)}")
        print(parts[-1], flush=True)
    options.output_folder.mkdir(parents=True, exist_ok=True)
    path = options.output_folder / "model_benchmark.md"
    path.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
