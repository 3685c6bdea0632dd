"""Shows what global question tokens are for, on a task that is made up.

Command:
    python scripts/examples/retrieval_qa.py
        [--picture docs/benchmarks/retrieval_qa.png] [--longest 4096]
        [--asked 192] [--seed 0]

The question is a key. The answer is that key with its value, in the context
among letters and other keys and values, up to thousands of tokens away. Two
Longformers of two layers, width 32 and a window of 8 learn it with `fit`, on
inputs of 64 and then of 256 tokens: one with global question tokens and one
with none. Both are made long by copying their positions, the paper's way, and
are asked at all lengths up to 4,096. The first is asked once more as a
truncated model, with the first 512 tokens only.

    question  K
    context   q w e A4 t z u i K7 a s d f G0 g h j k ...    answer  K7

Writes a picture of accuracy against distance, and prints its numbers.

On two cores it takes 3 to 4 minutes and 1.2 GiB. With seeds 0 and 1 the
first answered 99 to 100 % at every distance, the second 8 to 23 % (guessing
among the 8 keys gives 12.5 %), and the truncated one nothing that lies after
its 512 tokens.
"""

import argparse
import dataclasses
import os
import tempfile

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import small_models
import tensorflow as tf

import keras_longformer as klf

LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
WINDOW_SIZE = 8
FILLER = "abcdefghijklmnopqrstuvwxyz"
KEYS = "ABCDEFGHIJKLMNOP"
VALUES = "0123456789"
PAIRS = 8  # in a context: guessing among them is right once in 8 times.
BEFORE_CONTEXT = 4  # `<s> K </s></s>`
# Least and most tokens between a key in the question and its value.
BINS = ((3, 16), (16, 64), (64, 256), (256, 512), (512, 1024), (1024, 2048))
BINS += ((2048, 4096),)
GUESSING = 1 / 8
# Okabe and Ito's, which all readers tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73")
MARKERS = ("o", "s", "^")


def make_tokenizer() -> klf.LongformerTokenizer:
    """A token for each character, and the special ones."""
    tokens = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        *FILLER,
        *KEYS,
        *VALUES,
        "<mask>",
    ]
    return klf.LongformerTokenizer({t: i for i, t in enumerate(tokens)}, [])


def make_examples(
    count: int, length: int, seed: int
) -> tuple[dict, dict, np.ndarray]:
    """Returns `count` questions about contexts of `length` characters.

    Returns:
        Questions and contexts, answers, as the preprocessor takes them, and
        int `(count,)`, how many tokens lie between each key in the question
        and its value.
    """
    rng = np.random.default_rng([seed, length])
    questions, contexts, answers, starts = [], [], [], []
    # Places for pairs, with two letters between them at least.
    places = np.arange(0, length - 1, 4)
    for _ in range(count):
        characters = rng.choice([*FILLER], length)
        at = rng.permutation(places)[:PAIRS]
        keys = rng.choice([*KEYS], PAIRS, replace=False)
        characters[at] = keys
        characters[at + 1] = rng.choice([*VALUES], PAIRS)
        questions.append(str(keys[0]))
        contexts.append("".join(characters))
        answers.append("".join(characters[at[0] : at[0] + 2]))
        starts.append(at[0])
    return (
        {"question": questions, "context": contexts},
        {"text": answers, "start": starts},
        np.array(starts) + BEFORE_CONTEXT,
    )


@dataclasses.dataclass
class Settings:
    """What is trained and asked; lengths are in tokens."""

    longest: int = 4096  # of the contexts that are asked about
    cut_at: int = 512  # what the truncated model reads
    trained_length: int = 256
    # Lengths of contexts, and updates on them, one after another.
    stages: tuple = ((59, 700), (251, 300))
    batch_size: int = 64
    rate: float = 3e-3
    asked: int = 192  # questions at each length


def make_preprocessor(sequence_length):
    return klf.LongformerQuestionAnsweringPreprocessor(
        make_tokenizer(),
        sequence_length=sequence_length,
        max_question_length=1,
        pad_to="longest",
    )


def make_task(settings, has_global):
    """Two layers of width 32; each token sees 4 on either side of it."""
    width = 32
    backbone = small_models.make_backbone(
        make_tokenizer(),
        width,
        widened=("kernel", "embeddings"),
        num_layers=2,
        num_heads=2,
        intermediate_dim=2 * width,
        window_size=WINDOW_SIZE,
        max_sequence_length=settings.trained_length,
        max_global_tokens=2 if has_global else 0,
        dropout=0.0,
        attention_dropout=0.0,
    )
    return klf.LongformerQuestionAnswering(backbone)


def make_dataset(settings, preprocessor, count, length, seed, has_global):
    """Batches of inputs and targets."""
    x, y, _ = make_examples(count, length, seed)

    def prepare(x, y):
        inputs, targets = preprocessor(x, y)
        if not has_global:
            del inputs["global_mask"]
        return inputs, targets

    # About as many tokens at once, whatever the length.
    at_once = settings.batch_size * settings.trained_length
    at_once = max(1, at_once // max(length, settings.trained_length))
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(at_once)
    return dataset.map(prepare).prefetch(2)


def train(settings, has_global, seed):
    """Returns a trained task, made long, and the last stage's loss."""
    keras.utils.set_random_seed(seed)
    task = make_task(settings, has_global)
    preprocessor = make_preprocessor(settings.trained_length)
    total = sum(updates for _, updates in settings.stages)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        total - total // 20,
        warmup_target=settings.rate,
        warmup_steps=total // 20,
    )
    task.compile(optimizer=keras.optimizers.Adam(rate, global_clipnorm=1.0))
    for length, updates in settings.stages:
        dataset = make_dataset(
            settings,
            preprocessor,
            updates * settings.batch_size,
            length,
            seed,
            has_global,
        )
        history = task.fit(dataset, verbose=2).history
    with tempfile.TemporaryDirectory() as preset:
        task.save_to_preset(preset)
        long_task = klf.LongformerQuestionAnswering.from_preset(
            preset, max_sequence_length=settings.longest
        )
    return long_task, history["loss"][-1]


def ask(settings, task, sequence_length, length, seed):
    """Returns distances `(asked,)` and whether each answer was right.

    Args:
        settings: the `Settings`.
        task: a trained one.
        sequence_length: int, the most tokens that it reads.
        length: int, the tokens of the contexts.
        seed: int.
    """
    has_global = task.backbone.max_global_tokens > 0
    preprocessor = make_preprocessor(sequence_length)
    _, y, distances = make_examples(settings.asked, length, seed)
    dataset = make_dataset(
        settings, preprocessor, settings.asked, length, seed, has_global
    )
    places = []
    for inputs, _ in dataset:
        start, end = np.moveaxis(task.predict_on_batch(inputs), -1, 0)
        # Answers are two tokens long; the best of those is given.
        places += np.argmax(start[:, :-1] + end[:, 1:], axis=1).tolist()
    want = np.array(y["start"]) + BEFORE_CONTEXT
    return distances, np.array(places) == want


def by_distance(results):
    """Returns `{model: [(bin, questions, accuracy)]}` of `{model: {length:
    (distances, right)}}`, whatever the length that a question was asked at."""
    table = {}
    for name, lengths in results.items():
        distances = np.concatenate([d for d, _ in lengths.values()])
        right = np.concatenate([r for _, r in lengths.values()])
        table[name] = []
        for low, high in BINS:
            inside = (distances >= low) & (distances < high)
            if inside.any():
                row = ((low, high), int(inside.sum()), right[inside].mean())
                table[name].append(row)
    return table


def as_text(table):
    """Returns the numbers, a line for each distance."""
    names = list(table)
    lines = ["distance     questions  " + "  ".join(f"{n:>17}" for n in names)]
    for rows in zip(*table.values(), strict=True):
        (low, high), count, _ = rows[0]
        lines.append(
            f"{low:5}-{high - 1:<5} {count:10}  "
            + "  ".join(f"{accuracy:17.1%}" for _, _, accuracy in rows)
        )
    return "\n".join(lines)


def draw(table, path):
    """Writes the picture."""
    from matplotlib import ticker

    figure = small_models.new_figure(figsize=(7, 4))
    axes = figure.subplots()
    for (name, rows), color, marker in zip(
        table.items(), COLORS, MARKERS, strict=True
    ):
        middle = [np.sqrt(low * high) for (low, high), _, _ in rows]
        accuracy = [100 * value for _, _, value in rows]
        axes.plot(
            middle,
            accuracy,
            marker=marker,
            color=color,
            label=name,
            clip_on=False,
        )
    axes.axhline(100 * GUESSING, color="#999999", linestyle=":")
    axes.text(
        1.01,
        100 * GUESSING,
        "guessing",
        color="#666666",
        va="center",
        transform=axes.get_yaxis_transform(),
    )
    axes.set_xscale("log", base=2)
    axes.set_xlabel("tokens between the key in the question and its value")
    axes.set_ylabel("right answers (%)")
    axes.set_ylim(0, 103)
    axes.xaxis.set_major_formatter(
        ticker.FuncFormatter(lambda x, _: f"{x:,.0f}")
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(0, 0.45))
    small_models.save_figure(figure, path)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="retrieval_qa",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--picture", default="docs/benchmarks/retrieval_qa.png")
    parser.add_argument(
        "--longest", type=int, default=4096, help="tokens (default: 4096)"
    )
    parser.add_argument(
        "--asked",
        type=int,
        default=192,
        help="questions at each length (default: 192)",
    )
    parser.add_argument("--seed", type=int, default=0, help="(default: 0)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments(arguments)
    settings = Settings(longest=options.longest, asked=options.asked)
    # The question and special tokens take 5.
    lengths = [n - 5 for n in LENGTHS if n <= options.longest]
    tasks = {}
    for has_global in (True, False):
        tasks[has_global], loss = train(settings, has_global, options.seed)
        print(f"trained, global={has_global}: loss {loss:.3f}", flush=True)
    results = {}
    for name, task, reads in (
        ("global question", tasks[True], settings.longest),
        ("no global tokens", tasks[False], settings.longest),
        (f"first {settings.cut_at} tokens", tasks[True], settings.cut_at),
    ):
        print(name)
        results[name] = {}
        for length in lengths:
            distances, right = ask(
                settings, task, reads, length, options.seed + 1
            )
            results[name][length] = (distances, right)
            print(
                f"  {length + 5:5} tokens: {right.mean():6.1%} right, at "
                f"distances {distances.min()} to {distances.max()}",
                flush=True,
            )
    table = by_distance(results)
    draw(table, options.picture)
    print(as_text(table))
    print(f"wrote {options.picture}")


if __name__ == "__main__":
    main()
