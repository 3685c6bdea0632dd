"""Four beams at 16,384 tokens: memory and time, three ways of keeping keys.

Command:
    python scripts/benchmarks/generation.py OUTPUT_FOLDER [--tokens 16384]
        [--layers 6] [--new-tokens 16] [--beams 4]

An LED of random weights, led-base-16384's sizes but for `--layers`, reads one
document of `--tokens` tokens and writes `--new-tokens`, `</s>` never being
likely. Each way in a process of its own: once for one new token, which is
mostly reading, and once for all of them, of which the difference is writing.

    rows          ours: beams are rows of queries against one set of keys
    KerasHub's    the same model, all that is kept repeated for the beams and
                  gathered at each step, as its BeamSampler does
    transformers  PyTorch's LEDForConditionalGeneration, of the same weights

Times are CPU seconds of all threads, so that a busy machine changes them less;
memory is the peak above that of the process with the loaded model. Writes
generation.md.
"""

import json
import os
import pathlib
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_LONGFORMER_NATIVE", "built")

import measure
import numpy as np

WAYS = ("rows", "KerasHub's", "transformers")
WINDOW = 1024


def make_folder(folder, layers, tokens):
    """Writes an LED of random weights; returns nothing of it."""
    import torch
    from transformers import LEDConfig
    from transformers import LEDForConditionalGeneration

    torch.manual_seed(0)
    config = LEDConfig(
        d_model=768,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=12,
        decoder_attention_heads=12,
        encoder_ffn_dim=3072,
        decoder_ffn_dim=3072,
        attention_window=WINDOW,
        max_encoder_position_embeddings=tokens,
        init_std=0.06,
    )
    model = LEDForConditionalGeneration(config)
    model.final_logits_bias[0, 2] = -1e4  # No end.
    model.save_pretrained(folder)
    print("null")


def theirs(folder, beams):
    """Returns a function of ids and `max_length`, to ids."""
    import torch
    from transformers import LEDForConditionalGeneration

    model = LEDForConditionalGeneration.from_pretrained(folder).eval()

    def generate(ids, length):
        is_global = torch.zeros(ids.shape, dtype=torch.int64)
        is_global[:, 0] = 1
        with torch.no_grad():
            return model.generate(
                input_ids=torch.tensor(ids),
                attention_mask=torch.ones_like(is_global),
                global_attention_mask=is_global,
                max_length=length,
                num_beams=beams,
                do_sample=False,
            ).numpy()

    return generate


def ours(folder, beams, is_repeated):
    """Returns a function of ids and `max_length`, to ids."""
    import keras_longformer as klf

    task = klf.LongformerSeq2SeqLM.from_preset(folder, preprocessor=None)
    task.compile(sampler=klf.BeamSearch(num_beams=beams))
    if is_repeated:
        task.generate_step = repeating_step(task, beams)

    def generate(ids, length):
        decoder = np.full((1, length), 1, np.int32)
        decoder[:, 0] = 2
        outputs = task.generate(
            {
                "encoder_token_ids": ids.astype("int32"),
                "encoder_padding_mask": np.ones(ids.shape, bool),
                "encoder_global_mask": np.arange(ids.shape[1])[None] < 1,
                "decoder_token_ids": decoder,
                "decoder_padding_mask": np.arange(length)[None] < 1,
            },
            stop_token_ids=[2],
        )
        return np.asarray(outputs["decoder_token_ids"])

    return generate


def repeating_step(task, beams):
    """Returns a `generate_step` that keeps all in KerasHub's beams."""
    import keras_hub
    import tensorflow as tf

    from keras_longformer.tasks.summarization.decoding import Decoder

    def generate_step(inputs, stop_token_ids=None):
        # KerasHub's loop wants to know no number of rows before it begins.
        inputs = {
            name: tf.raw_ops.PlaceholderWithDefault(
                input=x, shape=[None] * len(x.shape)
            )
            for name, x in inputs.items()
        }
        decoder = Decoder(task.backbone, task.logits, inputs)
        decoder.padding_mask = None  # There is no padding.
        prompt = tf.cast(inputs["decoder_token_ids"], tf.int32)
        n = tf.shape(prompt)[1]

        def next(prompt, cache, index):
            kept, decoder.cross = cache
            place = index - 1
            logits, hidden, kept = decoder.step(
                prompt[:, place : place + 1], kept, place, tf.range(n) <= place
            )
            return logits[:, 0], hidden[:, 0], (kept, cache[1])

        token_ids = keras_hub.samplers.BeamSampler(num_beams=beams)(
            next=next,
            prompt=prompt,
            cache=(decoder.empty(decoder.num_documents, n), decoder.cross),
            index=1,
            mask=inputs["decoder_padding_mask"],
            stop_token_ids=stop_token_ids,
            model=task,
        )
        mask = tf.ones_like(token_ids, tf.bool)
        return {"decoder_token_ids": token_ids, "decoder_padding_mask": mask}

    return generate_step


def child(folder, way, tokens, beams, length):
    """Prints what one call takes: `[seconds, bytes, ids]`."""
    ids = np.random.default_rng(0).integers(3, 50000, (1, tokens))
    if way == "transformers":
        generate = theirs(folder, beams)
    else:
        generate = ours(folder, beams, way != "rows")
    # Code and pools of threads are there after small ones. TensorFlow keeps
    # what a call took, so that the first large one shows it.
    for few in (WINDOW, 2 * WINDOW):
        generate(ids[:, :few], 2)
    results = {}

    def call():
        start = time.process_time()
        written = generate(ids, length)
        results["seconds"] = time.process_time() - start
        results["ids"] = written[0].tolist()

    results["bytes"] = measure.peak_above_rest(call)
    call()  # Timed with all graphs made.
    print(json.dumps(results))


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("output", nargs="?", type=pathlib.Path)
    parser.add_argument("--tokens", type=int, default=16384)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--new-tokens", type=int, default=16)
    parser.add_argument("--beams", type=int, default=4)
    given = parser.parse_args()
    if given.child:
        if given.child[0] == "make":
            return make_folder(*given.child[1:])
        return child(*given.child)
    rows, ids = [], {}
    with tempfile.TemporaryDirectory() as folder:
        run("make", folder, given.layers, given.tokens)
        for way in WAYS:
            parts = [
                run(folder, way, given.tokens, given.beams, length)
                for length in (2, 1 + given.new_tokens)
            ]
            ids[way] = parts[1]["ids"]
            seconds = [part["seconds"] for part in parts]
            each = (seconds[1] - seconds[0]) / (given.new_tokens - 1)
            rows.append(
                (
                    way,
                    f"{seconds[0]:.1f}",
                    f"{1000 * each:.0f}",
                    measure.mib(parts[0]["bytes"]),
                    measure.mib(parts[1]["bytes"]),
                )
            )
            print(*rows[-1], flush=True)
    is_same = ids["rows"] == ids["transformers"]
    header = (
        "way",
        "reading, CPU s",
        "each token, CPU ms",
        "peak of reading, MiB",
        "peak of writing, MiB",
    )
    text = f"""# Four beams, one document

{given.tokens:,} tokens, {given.beams} beams, {given.layers} and {given.layers}
layers of led-base-16384's width, float32, {given.new_tokens} new tokens.
{measure.machine()}. `rows` and transformers wrote the same ids: {is_same}.

{measure.table(header, rows)}

    python scripts/benchmarks/generation.py {" ".join(sys.argv[1:])}
"""
    given.output.mkdir(parents=True, exist_ok=True)
    (given.output / "generation.md").write_text(text, encoding="utf-8")


def run(*arguments):
    """What a child prints, as read from its JSON; `{}` of none."""
    result = measure.in_own_process(*arguments)
    if result is None and arguments[0] != "make":
        raise SystemExit(f"{arguments}: out of memory")
    return result


if __name__ == "__main__":
    main()
