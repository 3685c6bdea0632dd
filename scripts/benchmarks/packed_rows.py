"""Packed against padded rows: padding, speed, and the loss in equal time.

Command:
    python scripts/benchmarks/packed_rows.py DATA OUTPUT_FOLDER [--parts
        padding input training heads] [--seconds 90]

DATA has `charlm/wikitext-2.*.tokens.txt`, whose paragraphs are documents, and
`classification/movie_reviews.zip`, whose reviews are. The tokenizer is a BPE of
4,096 tokens that is trained on them (package `tokenizers`). Parts:
    padding   the part of rows that is padding, from lengths alone
    input     tokens a second of the input pipeline and of a training step
    training  masked LMs of 2 layers, width 128, window 128, rows of 1,024
              tokens, that take turns, each until it has trained for
              `--seconds`; the loss is of documents held out, the same masks
              for all. The padded batch has as many documents as the packed
              one has on average, so that updates see as many tokens.
    heads     16 documents of 256 tokens, packed into a row of 4,096 and as 16
              rows, the first of each global: forward and gradients of 4 layers,
              width 256, window 512

Times are of rounds in which all take turns in one process, so that a busy
machine slows them alike. Takes about 8 minutes on two cores; writes
packed_rows.md.
"""

import os
import pathlib
import tempfile
import time
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measure
import numpy as np
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.training.corpus.records import Corpus
from keras_longformer.training.corpus.records import write_manifest
from keras_longformer.training.corpus.records import write_shard
from keras_longformer.training.rows.batches import PretrainingBatches
from keras_longformer.training.rows.plan import count_rows
from keras_longformer.training.rows.plan import cut_documents

VOCABULARY, LENGTH, ROWS = 4096, 1024, 4
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
PACKINGS = ("documents", "crossing", "none")
SHARDS, HELD_OUT, SEED = 4, 10, 1
PARTS = ("padding", "input", "training", "heads")


def read_texts(data):
    """Paragraphs and reviews, in random order."""
    texts = []
    for path in sorted((data / "charlm").glob("wikitext-2.*.tokens.txt")):
        lines = path.read_text("utf-8").splitlines()
        texts += [x.strip() for x in lines if x.strip() and "= " not in x]
    with zipfile.ZipFile(data / "classification" / "movie_reviews.zip") as file:
        names = [name for name in file.namelist() if name.endswith(".txt")]
        texts += [file.read(name).decode("latin-1") for name in sorted(names)]
    order = np.random.default_rng(SEED).permutation(len(texts))
    return [texts[i] for i in order]


def train_tokenizer(texts, folder):
    from tokenizers import ByteLevelBPETokenizer

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        texts, VOCABULARY, special_tokens=SPECIAL, show_progress=False
    )
    return klf.LongformerTokenizer(*trained.save_model(str(folder)))


def write_corpus(texts, tokenizer, folder, shards):
    folder.mkdir()
    documents = []
    for i in range(0, len(texts), 256):
        part = texts[i : i + 256]
        ids = tokenizer.tokenize(part).to_list()
        documents += [(x, len(t)) for x, t in zip(ids, part, strict=True)]
    size = -(-len(documents) // shards)
    written = [
        write_shard(
            folder / f"shard-{i:05}.tfrecord",
            documents[i * size : (i + 1) * size],
        )
        for i in range(shards)
    ]
    write_manifest(folder, tokenizer, written)
    return Corpus.open(folder)


def make_batches(corpus, tokenizer, packing, batch_size, **arguments):
    return PretrainingBatches(
        corpus,
        tokenizer,
        sequence_length=LENGTH,
        batch_size=batch_size,
        packing=packing,
        **arguments,
    )


def documents_per_row(corpus):
    """Parts of documents a packed row has on average."""
    _, parts = cut_documents(corpus.lengths, LENGTH - 2)
    return len(parts) / count_rows(parts + 2, LENGTH)[0]


def padding(corpus, tokenizer):
    """The part of rows that is padding, for 1,024 and 4,096 columns."""
    lines = ["| rows | 1,024 | 4,096 |", "|---|---|---|"]
    shares = {}
    for columns in (LENGTH, 4 * LENGTH):
        _, parts = cut_documents(corpus.lengths, columns - 2)
        parts = parts + 2
        real = parts.sum()
        parts = np.random.default_rng(SEED).permutation(parts)
        whole = parts[: len(parts) // 16 * 16].reshape(-1, 16)
        ordered = np.sort(parts)[: whole.size].reshape(-1, 16)
        shares[columns] = {
            "packed": count_rows(parts, columns)[0] * columns / real,
            "a document each, padded to the row's length": (
                len(parts) * columns / real
            ),
            "to the longest of 16": 16 * whole.max(1).sum() / whole.sum(),
            "to the longest of 16, sorted by length": (
                16 * ordered.max(1).sum() / ordered.sum()
            ),
        }
    for name in shares[LENGTH]:
        cells = [f"{1 - 1 / shares[n][name]:.1%}" for n in shares]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    quantiles = np.quantile(corpus.lengths, [0.1, 0.5, 0.9, 1]).astype(int)
    title = (
        f"{len(corpus.lengths)} documents of {corpus.lengths.mean():.0f} "
        f"tokens on average; 10 %, 50 %, 90 % and all are not longer than "
        f"{', '.join(map(str, quantiles))}. The part that is padding:"
    )
    return [title, "", *lines]


def make_model(**config):
    config = {
        "vocabulary_size": VOCABULARY,
        "num_layers": 2,
        "num_heads": 4,
        "hidden_dim": 128,
        "intermediate_dim": 512,
        "window_size": 128,
        "max_sequence_length": LENGTH,
        "max_global_tokens": 0,
        "dropout": 0.0,
        "packed": True,
        "pooler": False,
    } | config
    keras.utils.set_random_seed(SEED)
    model = klf.LongformerMaskedLM(klf.LongformerBackbone(**config))
    model.compile(
        keras.optimizers.Adam(1e-3),
        # So that slots without a masked token do not lower the loss.
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        weighted_metrics=None,
    )
    return model


def real_tokens(batch):
    return int(batch[0]["padding_mask"].numpy().sum())


def pipeline(corpus, tokenizer):
    """Tokens a second of the pipeline and of the model of `training`."""
    made = {
        packing: make_batches(corpus, tokenizer, packing, ROWS)
        for packing in PACKINGS
    }
    made["documents, whole words"] = make_batches(
        corpus, tokenizer, "documents", ROWS, whole_words=True
    )
    model = make_model()
    fixed = next(iter(made["documents"].dataset()))
    model.train_on_batch(*fixed)
    iterators = {name: iter(b.dataset()) for name, b in made.items()}
    for iterator in iterators.values():
        next(iterator)
    rates = {name: [] for name in [*made, "model"]}
    for _ in range(5):
        for name, iterator in iterators.items():
            start, tokens = time.perf_counter(), 0
            for _ in range(60):
                tokens += real_tokens(next(iterator))
            rates[name].append(tokens / (time.perf_counter() - start))
        start = time.perf_counter()
        for _ in range(3):
            model.train_on_batch(*fixed)
        seconds = time.perf_counter() - start
        rates["model"].append(3 * real_tokens(fixed) / seconds)
    medians = measure.medians(rates)
    lines = ["| | real tokens a second | of the model's |", "|---|---|---|"]
    for name, rate in medians.items():
        of_model = rate / medians["model"]
        lines.append(f"| {name} | {rate:,.0f} | {of_model:.1f} |")
    return lines


def training(corpus, tokenizer, held_out, seconds):
    """Updates a second, and the loss after `seconds` of training."""
    each = documents_per_row(corpus)
    sizes = {
        "documents": ROWS,
        "crossing": ROWS,
        "none": round(each * ROWS),
    }
    batches = make_batches(held_out, tokenizer, "documents", ROWS, seed=SEED)
    tests = list(batches.dataset().take(12))

    def loss(model):
        """Mean over the masked tokens of all test batches, in nats."""
        call = tf.function(model)
        total = count = 0
        for x, y, weights in tests:
            nats = keras.losses.sparse_categorical_crossentropy(
                y, call(x), from_logits=True
            )
            total += tf.reduce_sum(nats * weights)
            count += tf.reduce_sum(weights)
        return float(total / count)

    runs = {}
    for packing, size in sizes.items():
        model = make_model()
        iterator = iter(
            make_batches(corpus, tokenizer, packing, size).dataset()
        )
        model.train_on_batch(*next(iterator))
        runs[packing] = [model, iterator, 0.0, 0, 0, [loss(model)]]
    turn = seconds / 4
    for number in range(1, 5):
        for run in runs.values():
            model, iterator = run[:2]
            while run[2] < number * turn:
                start = time.perf_counter()
                batch = next(iterator)
                model.train_on_batch(*batch)
                run[2] += time.perf_counter() - start
                run[3] += 1
                run[4] += real_tokens(batch)
            run[5].append(loss(model))
    lines = [
        f"{seconds:.0f} seconds each; the padded batch has "
        f"{sizes['none']} documents, {each:.1f} for each packed row.",
        "",
        "| rows | updates a second | real tokens a second | held-out loss "
        "after each quarter of the time |",
        "|---|---|---|---|",
    ]
    for name, (_, _, took, updates, tokens, losses) in runs.items():
        shown = ", ".join(f"{x:.3f}" for x in losses[1:])
        lines.append(
            f"| {name} | {updates / took:.2f} | {tokens / took:,.0f} | "
            f"{shown} |"
        )
    return lines


def heads():
    """What packing costs or gains where nothing is padding."""
    count, size = 16, 256
    ids = np.random.default_rng(SEED).integers(5, VOCABULARY, (count, size))
    rows = {
        "16 rows of 256": {"token_ids": tf.constant(ids, tf.int32)},
        "a packed row": {
            "token_ids": tf.constant(ids.reshape(1, -1), tf.int32),
            "segment_ids": tf.repeat(tf.range(count), size)[None],
        },
    }
    calls = {}
    for implementation in ("chunked", "native"):
        for name, x in rows.items():
            b, n = shape = x["token_ids"].shape
            x["padding_mask"] = tf.ones(shape, tf.bool)
            is_first = tf.equal(tf.range(n) % size, 0)
            x["global_mask"] = tf.broadcast_to(is_first, shape)
            backbone = klf.LongformerBackbone(
                vocabulary_size=VOCABULARY,
                num_layers=4,
                num_heads=4,
                hidden_dim=256,
                intermediate_dim=1024,
                window_size=512,
                max_sequence_length=4096,
                max_global_tokens=count // b,
                dropout=0.0,
                packed="segment_ids" in x,
                pooler=False,
                implementation=implementation,
            )

            @tf.function
            def gradients(x, backbone=backbone):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean(backbone(x) ** 2)
                return tape.gradient(loss, backbone.trainable_variables)

            kinds = {"forward": tf.function(backbone), "training": gradients}
            for kind, call in kinds.items():
                calls[f"{implementation}, {kind}, {name}"] = (
                    lambda call=call, x=x: call(x)
                )
    seconds = measure.medians(measure.interleaved(calls, 5))
    lines = ["| | 16 rows of 256 | a packed row | ratio |", "|---|---|---|---|"]
    for implementation in ("chunked", "native"):
        for kind in ("forward", "training"):
            times = [
                seconds[f"{implementation}, {kind}, {name}"] for name in rows
            ]
            cells = " | ".join(f"{1e3 * x:.0f} ms" for x in times)
            ratio = times[1] / times[0]
            lines.append(
                f"| {implementation}, {kind} | {cells} | {ratio:.2f} |"
            )
    return lines


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("output_folder", type=pathlib.Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=90)
    arguments = parser.parse_args()
    lines = ["# Packed against padded rows", "", measure.machine()]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        texts = read_texts(arguments.data)
        tokenizer = train_tokenizer(texts, folder)
        held_out = write_corpus(
            texts[::HELD_OUT], tokenizer, folder / "held_out", 1
        )
        rest = [x for i, x in enumerate(texts) if i % HELD_OUT]
        corpus = write_corpus(rest, tokenizer, folder / "corpus", SHARDS)
        parts = {
            "padding": lambda: padding(corpus, tokenizer),
            "input": lambda: pipeline(corpus, tokenizer),
            "training": lambda: training(
                corpus, tokenizer, held_out, arguments.seconds
            ),
            "heads": heads,
        }
        for part in arguments.parts:
            found = ["", f"## {part.capitalize()}", "", *parts[part]()]
            print("\n".join(found), flush=True)
            lines += found
    arguments.output_folder.mkdir(parents=True, exist_ok=True)
    path = arguments.output_folder / "packed_rows.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"\nwrote {path}")


if __name__ == "__main__":
    main()
