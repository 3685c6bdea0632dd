"""The character language model: speed of training, and of long generation.

Command:
    python scripts/benchmarks/char_lm.py [--parts training generation]
        [--layers 4] [--length 2048] [--rounds 7] [--attention-dropout 0.0]
        [--characters 100000] [--report FOLDER]

training: steps of AdamW on one row of `char_small`'s first phase, with as many
of its 12 layers as `--layers` says, from bottom to top: width 512, 8 heads,
their windows and dilations, float32. The kernel and `chunked` take turns in one
process; medians of rounds, by the clock and by the processors' own, which a
busy machine disturbs less. Memory is the peak above rest, in a process each.

generation: a model of 2 layers, width 64, windows 64 and 128, the second with
dilation on two heads, goes on through the cache for `--characters`, in slices
of 1,000, greedily; time per character and the process' memory after each slice.
And `generate`, with prompts of 1,000, 10,000 ... characters: the time of 256
more, less that of 1 more, which has the prompt's.

Takes about ten minutes on two cores and 3 GiB. With `--report` writes
`char_lm.md` and `char_lm.png` there.

Expected: a step is mostly matrix products, so that by the kernel it takes some
15 % less CPU time than by `chunked`, and a fifth less memory; a character takes
the same time and memory wherever it stands.
"""

import os
import pathlib
import statistics
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measure
import numpy as np

PARTS = ("training", "generation")
IMPLEMENTATIONS = ("native", "chunked")
SLICE = 1_000
MORE = 256  # What `generate` shall add.
PROMPTS = (1_000, 10_000, 100_000)
CLOCKS = {"": time.perf_counter, "CPU ": time.process_time}


def make_step(implementation, layers, length, dropout):
    """Returns a call that takes one training step."""
    import tensorflow as tf

    import keras_longformer as klf
    from keras_longformer.tasks.char_lm.configurations import CONFIGURATIONS

    config = CONFIGURATIONS["char_small"]
    # The same share of each part of the model, the top layer among them.
    total = config.backbone["num_layers"]
    chosen = [(i + 1) * total // layers - 1 for i in range(layers)]
    windows = config.phases[0].window_size
    backbone = klf.LongformerDecoderBackbone(
        **{
            **config.backbone,
            "vocabulary_size": 258,
            "num_layers": layers,
            "window_size": [windows[i] for i in chosen],
            "dilation": [config.backbone["dilation"][i] for i in chosen],
        },
        attention_dropout=dropout,
        implementation=implementation,
    )
    model = klf.LongformerCharLM(backbone)
    model.compile()
    ids = np.random.default_rng(0).integers(0, 256, (1, length + 1))
    x = {"token_ids": tf.constant(ids[:, :-1], tf.int32)}
    y = tf.constant(ids[:, 1:], tf.int32)

    def step():
        return float(model.train_on_batch(x, y)[0])

    return step


def training_memory(*sizes):
    """Bytes above rest of one step after the first, which traces."""
    step = make_step(*sizes)
    step()
    return measure.peak_above_rest(step)


def training(layers, length, dropout, rounds):
    """Returns the rows of a table."""
    calls = {
        name: make_step(name, layers, length, dropout)
        for name in IMPLEMENTATIONS
    }
    took = {
        unit: measure.medians(measure.interleaved(calls, rounds, clock=clock))
        for unit, clock in CLOCKS.items()
    }
    rows = []
    for name in IMPLEMENTATIONS:
        row = [name]
        for seconds in took.values():
            row.append(f"{length / seconds[name]:,.0f}")
            ratio = measure.ratios(seconds, IMPLEMENTATIONS[0])[name]
            row.append(f"{ratio:.2f}")
        peak = measure.in_own_process("training", name, layers, length, dropout)
        rows.append([*row, measure.mib(peak)])
    return rows


def make_generator():
    """Returns a small model that generates greedily."""
    import keras

    import keras_longformer as klf

    keras.utils.set_random_seed(0)
    tokenizer = klf.LongformerByteTokenizer()
    backbone = klf.LongformerDecoderBackbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=2,
        num_heads=4,
        hidden_dim=64,
        intermediate_dim=256,
        window_size=[64, 128],
        dilation=[1, [2, 2, 1, 1]],
    )
    preprocessor = klf.LongformerCharLMPreprocessor(tokenizer)
    model = klf.LongformerCharLM(backbone, preprocessor)
    model.compile(sampler="greedy")
    return model


def go_on(characters):
    """Generates through the cache.

    Returns:
        List of `[context, milliseconds, CPU milliseconds, bytes]`: after each
        slice the characters so far, both times per character of the slice, and
        the process' memory.
    """
    import tensorflow as tf

    from keras_longformer.tasks.char_lm import generation

    model = make_generator()
    first = tf.constant([[97]])

    @tf.function(autograph=False)
    def run(token, cache, index, keys):
        def one(i, token, cache):
            logits, _, cache = model.call_with_cache(
                token, cache, index + i, keys
            )
            return i + 1, tf.argmax(logits, -1, tf.int32), cache

        _, token, cache = tf.while_loop(
            lambda i, *_: i < SLICE, one, (0, token, cache)
        )
        return token, cache

    keys = generation.position_keys(model.backbone)
    start = model.build_cache(first)
    run(first, start, tf.constant(1), keys)  # Traces.
    token, cache, index, rows = first, start, 1, []
    while index < characters:
        before = [clock() for clock in CLOCKS.values()]
        token, cache = run(token, cache, tf.constant(index), keys)
        token.numpy()
        took = [
            1e3 * (clock() - start) / SLICE
            for clock, start in zip(CLOCKS.values(), before, strict=True)
        ]
        index += SLICE
        rows.append([index - 1, *took, measure.status_bytes("VmRSS")])
    return rows


def generate(prompt_length, rounds):
    """Milliseconds per character of `generate` behind a prompt."""
    model = make_generator()
    generator = np.random.default_rng(0)
    prompt = bytes(generator.integers(97, 123, prompt_length).astype("uint8"))

    def call(more):
        length = prompt_length + more
        return lambda: model.generate(
            prompt.decode(), max_length=length, stop_token_ids=None
        )

    calls = {more: call(more) for more in (1, MORE + 1)}
    seconds = measure.interleaved(calls, rounds, clock=time.process_time)
    differences = np.subtract(seconds[MORE + 1], seconds[1])
    return 1e3 * statistics.median(differences) / MORE


def by_context(rows):
    """Returns a table's rows: slices around each power of ten.

    Each is the median of the slices in the last tenth before it.
    """
    found, context = [], SLICE
    while context <= rows[-1][0]:
        near = [row for row in rows if 0.9 * context < row[0] <= context]
        wall, cpu, size = np.median([row[1:] for row in near], axis=0)
        found.append([context, wall, cpu, size])
        context *= 10
    return found


def draw(rows, path):
    """Draws time and memory against the context, into a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    context, wall, cpu, size = np.array(rows).T
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(11, 3.8), layout="constrained"
    )
    left.plot(context, wall, ".", color="#bbbbbb", label="by the clock")
    left.plot(context, cpu, ".", color="#2b6cb0", label="CPU time")
    left.set_ylim(0, 1.25 * np.quantile(wall, 0.95))
    left.set_ylabel("ms per character")
    left.legend(frameon=False, loc="lower right")
    right.plot(context, size / 2**20, color="#2b6cb0")
    right.set_ylim(0, 1.25 * size.max() / 2**20)
    right.set_ylabel("the process' memory, MiB")
    for axes in (left, right):
        axes.set_xlabel("characters before")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        "What one more character costs, after up to "
        f"{int(context[-1]):,} others",
        x=0.01,
        ha="left",
    )
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def training_page(options):
    """Returns a section in Markdown."""
    sizes = options.layers, options.length, options.attention_dropout
    header = ["attention", "tokens/s", "time, ratio"]
    header += ["tokens per CPU-second", "CPU time, ratio"]
    header += ["peak above rest, MiB"]
    rows = training(*sizes, options.rounds)
    return f"""## Training

{options.layers} of the 12 layers of `char_small`, windows of the first phase, one row of
{options.length:,} tokens, float32, dropout 0.2, of attention {options.attention_dropout}, AdamW.
Medians of {options.rounds} interleaved rounds.

{measure.table(header, rows)}
"""  # noqa: E501


def generation_page(options, rows):
    """Returns a section in Markdown."""
    lines = []
    for context, wall, cpu, size in by_context(rows):
        prompted = ""
        if context in PROMPTS:
            # A prompt of 100,000 takes seconds, and is read twice a round.
            rounds = min(options.rounds, 3)
            took = measure.in_own_process("generate", context, rounds)
            prompted = f"{took:.2f}"
        lines.append(
            [f"{context:,}", f"{wall:.2f}", f"{cpu:.2f}"]
            + [measure.mib(size), prompted]
        )
    table = measure.table(
        ["characters before", "ms / character", "CPU ms", "memory, MiB"]
        + ["`generate`, CPU ms"],
        lines,
    )
    return f"""## Generation

![Time and memory of a character](char_lm.png)

2 layers of width 64, windows of 64 and 128, one text. The first columns are of
{rows[-1][0]:,} characters that were generated one after another, in slices of
{SLICE:,}: medians of the slices in the last tenth before. Memory is the whole
process'. The last column is of `generate` behind a prompt of so many
characters, what each of {MORE} more adds.

{table}
"""


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--attention-dropout", type=float, default=0.0)
    parser.add_argument("--characters", type=int, default=100_000)
    parser.add_argument("--report", type=pathlib.Path, metavar="FOLDER")
    options = parser.parse_args()
    if options.child:
        what, *arguments = options.child
        called = {
            "training": training_memory,
            "go on": go_on,
            "generate": generate,
        }
        print(called[what](*arguments))
        return
    if options.characters < SLICE:
        parser.error(f"--characters must be {SLICE} or more")
    pages, rows = [], None
    if "training" in options.parts:
        pages.append(training_page(options))
        print(pages[-1], flush=True)
    if "generation" in options.parts:
        rows = measure.in_own_process("go on", options.characters)
        if rows is None:
            raise MemoryError("Generation ran out of memory.")
        pages.append(generation_page(options, rows))
        print(pages[-1], flush=True)
    if options.report is None:
        return
    page = "\n".join(
        [
            "# The character language model\n",
            "```bash\npython scripts/benchmarks/char_lm.py\n```\n",
            f"{measure.machine()}, which others used too.\n",
            *pages,
        ]
    )
    options.report.mkdir(parents=True, exist_ok=True)
    (options.report / "char_lm.md").write_text(page, "utf-8")
    if rows:
        draw(rows, options.report / "char_lm.png")


if __name__ == "__main__":
    main()
