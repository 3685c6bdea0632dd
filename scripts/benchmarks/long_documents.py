"""Compares encoders on documents of 512 to 32,768 tokens: time and memory.

Command:
    python scripts/benchmarks/long_documents.py OUTPUT_FOLDER [--rounds 3]
        [--lengths 512 1024 2048 4096 8192 16384 32768] [--most-seconds 60]
        [--encoders ...]

One text, forward, encoders of the base size (width 768, 12 heads; 12 layers,
ModernBERT 22), random weights, token 0 global where there are global tokens,
the encoders that are installed, each as its users would run it best on a CPU:

    ours                  `LongformerBackbone`, window 512, in a `tf.function`
    ours, bfloat16        the same, `dtype="bfloat16"`
    HF TF Longformer      transformers < 5 with tf_keras, in a `tf.function`
    HF Longformer         PyTorch
    RoBERTa               PyTorch, SDPA; every token sees all
    ModernBERT            PyTorch, SDPA; two of three layers see 128 tokens by a
    ModernBERT, bfloat16  mask, and every third sees all

Each runs in a process of its own, which waits while the others work; they take
turns, so that a busy machine slows them alike. Shown are medians of CPU seconds
of all cores, wall seconds, and the peak of memory above that of the process
when its weights were made. What takes more
than `--most-seconds` of wall time is not run at greater lengths, and neither is
what runs out of memory (`--most-gib` each).

Takes about an hour on two cores. Writes long_documents.md and .png.
"""

import importlib.util
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measure
import numpy as np
import turns

WIDTH, HEADS, LAYERS, WINDOW_SIZE, VOCABULARY = 768, 12, 12, 512, 50265
LENGTHS = [512, 1024, 2048, 4096, 8192, 16384, 32768]
COLORS = {
    "ours": "#0b6e4f",
    "ours, bfloat16": "#3cb371",
    "HF TF Longformer": "#d97706",
    "HF Longformer": "#f2b872",
    "RoBERTa": "#4169e1",
    "ModernBERT": "#7c3aed",
    "ModernBERT, bfloat16": "#c4a7f5",
}

# The encoders: functions of the most tokens, to functions of token ids
# `(1, n)`, an array, that return when the hidden states are there.


def ours(dtype):
    def make(longest):
        import tensorflow as tf

        import keras_longformer as klf

        backbone = klf.LongformerBackbone(
            vocabulary_size=VOCABULARY,
            num_layers=LAYERS,
            num_heads=HEADS,
            hidden_dim=WIDTH,
            intermediate_dim=4 * WIDTH,
            window_size=WINDOW_SIZE,
            max_sequence_length=longest,
            max_global_tokens=1,
            pooler=False,
            dtype=dtype,
        )
        ids = tf.TensorSpec([None, None], tf.int32)
        masks = tf.TensorSpec([None, None], tf.bool)

        @tf.function(input_signature=[ids, masks, masks], autograph=False)
        def encode(token_ids, padding_mask, global_mask):
            inputs = {
                "token_ids": token_ids,
                "padding_mask": padding_mask,
                "global_mask": global_mask,
            }
            return backbone(inputs, training=False)

        def call(token_ids):
            first = np.arange(token_ids.shape[1])[None] == 0
            encode(token_ids, np.ones_like(first), first)[0, 0, 0].numpy()

        return call

    return make


def hugging_face_config(name, longest, **options):
    import transformers

    return getattr(transformers, name)(
        vocab_size=VOCABULARY,
        max_position_embeddings=longest + 2,
        pad_token_id=1,
        **options,
    )


def tensorflow_longformer(longest):
    # TensorFlow alone: with PyTorch's Triton in its process it was seen to die.
    os.environ["USE_TORCH"] = "0"
    import tensorflow as tf
    import transformers

    config = hugging_face_config(
        "LongformerConfig", longest, attention_window=[WINDOW_SIZE] * LAYERS
    )
    model = transformers.TFLongformerModel(config)
    ids = tf.TensorSpec([None, None], tf.int32)

    @tf.function(input_signature=[ids])
    def encode(token_ids):
        inputs = {
            "input_ids": token_ids,
            "attention_mask": tf.ones_like(token_ids),
            "global_attention_mask": tf.concat(
                [
                    tf.ones_like(token_ids[:, :1]),
                    tf.zeros_like(token_ids[:, 1:]),
                ],
                axis=1,
            ),
        }
        return model(inputs, training=False).last_hidden_state

    return lambda token_ids: encode(token_ids)[0, 0, 0].numpy()


def in_torch(model_name, config_name, dtype="float32", **options):
    def make(longest):
        import torch
        import transformers

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        config = hugging_face_config(config_name, longest, **options)
        model = getattr(transformers, model_name)(config)
        model = model.eval().to(getattr(torch, dtype))

        def call(token_ids):
            ids = torch.tensor(token_ids.astype("int64"))
            inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            if model_name == "LongformerModel":
                marks = torch.zeros_like(ids)
                marks[:, 0] = 1
                inputs["global_attention_mask"] = marks
            with torch.inference_mode():
                model(**inputs)

        return call

    return make


_MODERN_BERT = ("ModernBertModel", "ModernBertConfig")
ENCODERS = {
    "ours": ours("float32"),
    "ours, bfloat16": ours("bfloat16"),
    "HF TF Longformer": tensorflow_longformer,
    "HF Longformer": in_torch(
        "LongformerModel",
        "LongformerConfig",
        attention_window=[WINDOW_SIZE] * LAYERS,
    ),
    "RoBERTa": in_torch(
        "RobertaModel", "RobertaConfig", attn_implementation="sdpa"
    ),
    "ModernBERT": in_torch(*_MODERN_BERT, attn_implementation="sdpa"),
    "ModernBERT, bfloat16": in_torch(
        *_MODERN_BERT, "bfloat16", attn_implementation="sdpa"
    ),
}

# Measuring


def serve(name, longest, most_bytes):
    """Runs in the encoder's process."""

    def make():
        call = ENCODERS[name](longest)
        rng = np.random.default_rng(0)
        return lambda length: call(
            rng.integers(4, VOCABULARY, (1, length)).astype("int32")
        )

    turns.serve(make, 64, most_bytes)


def installed(name):
    """Says whether what an encoder needs is there."""
    if name.startswith("ours"):
        return True
    needed = ["transformers", "tf_keras" if "TF" in name else "torch"]
    return all(map(importlib.util.find_spec, needed))


def compare(options):
    """Returns by length and encoder its figures, or why it has none."""
    longest, most = max(options.lengths), int(options.most_gib * 2**30)
    encoders = [
        turns.Worker(name, [name, longest, most])
        for name in filter(installed, options.encoders)
    ]
    results = {}
    for length in options.lengths:
        results[length] = turns.take(
            encoders, length, options.rounds, options.most_seconds
        )
        print(f"{length} tokens: {results[length]}", flush=True)
    for encoder in encoders:
        encoder.stop()
    return results


def rows_of(results, base="ours"):
    for length, by_name in results.items():
        for name, figures in by_name.items():
            if not isinstance(figures, list):
                yield [length, name, figures, "", "", ""]
                continue
            wall, cpu, peak = figures
            ratio = ""
            if isinstance(by_name.get(base), list):
                ratio = f"{cpu / by_name[base][1]:.2f}"
            yield [
                length,
                name,
                f"{cpu:.2f}",
                ratio,
                f"{wall:.2f}",
                measure.mib(peak),
            ]


def draw(results, path, note):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4.2))
    panels = [
        (1, "CPU seconds per text", 1),
        (2, "peak MiB besides weights", 2**20),
    ]
    for ax, (column, title, unit) in zip(axes, panels, strict=True):
        for name, color in COLORS.items():
            points = {
                length: by_name[name][column] / unit
                for length, by_name in results.items()
                if isinstance(by_name.get(name), list)
            }
            ax.plot(
                list(points), list(points.values()), "o-", ms=3, color=color
            )
            if points:
                last = max(points)
                ax.annotate(
                    f" {name}",
                    (last, points[last]),
                    fontsize=7,
                    color=color,
                    va="center",
                )
        ax.set(xscale="log", yscale="log", xlabel="tokens")
        ax.set_title(title, fontsize=10)
        ax.set_xticks([*results], [f"{n:,}" for n in results], fontsize=7)
        ax.minorticks_off()
        ax.set_xlim(right=max(results) * 6)
        ax.grid(alpha=0.3)
    figure.text(0.01, 0.01, note, fontsize=6)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(path, dpi=110)


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("output_folder", type=pathlib.Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--most-seconds", type=float, default=60)
    parser.add_argument("--most-gib", type=float, default=12)
    parser.add_argument(
        "--encoders", nargs="+", choices=ENCODERS, default=[*ENCODERS]
    )
    options = parser.parse_args()
    if options.child:
        serve(*options.child)
        return
    if options.output_folder is None:
        parser.error("OUTPUT_FOLDER is missing")
    options.output_folder.mkdir(parents=True, exist_ok=True)
    results = compare(options)
    header = ["tokens", "encoder", "CPU s", "to ours", "wall s", "MiB"]
    note = f"{measure.machine()}; one text, medians of {options.rounds}."
    text = f"{note}\n\n{measure.table(header, [*rows_of(results)])}\n"
    (options.output_folder / "long_documents.md").write_text(text)
    draw(results, options.output_folder / "long_documents.png", note)
    print(text)


if __name__ == "__main__":
    main()
