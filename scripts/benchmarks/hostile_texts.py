"""Shows what time hostile texts take, against their length.

Command:
    python scripts/benchmarks/hostile_texts.py [OUTPUT_FOLDER]
        [--characters 1000 10000 100000 1000000] [--rounds 3]
        [--most-seconds 30]

Texts that have no end to a word, or nothing but blanks, are what makes
tokenizers of other makers take time that grows with the square of a length.
Trains small vocabularies on Python's own library, gives each tokenizer one such
text a call, of each length, and prints CPU seconds, the least of the rounds:
on a busy machine it moves the least. The last column says what power of the
length the time grows with, from the longest text but one to the longest: 1 is
in proportion, 2 the square. What took more than `--most-seconds` is not tried
longer. Into OUTPUT_FOLDER go the table and a picture, `hostile_texts.md` and
`hostile_texts.png`.

Needs the extra `quickstart`; SentencePiece's are left out without the extra
`text`.

Time and memory: about two minutes and 2 GB on 2 cores with the defaults.

Expected result: a power of about 1 everywhere.
"""

import io
import math
import pathlib
import sysconfig
import tempfile
import time

import measure

from keras_longformer.tokenizers import LongformerSentencePieceTokenizer
from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer
from keras_longformer.tokenizers.word_piece.tokenizer import (
    LongformerWordPieceTokenizer,
)

VOCABULARY_SIZE = 8000
SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
LIBRARY = ("argparse.py", "typing.py", "decimal.py", "inspect.py", "ast.py")
# What is repeated up to a length.
TEXTS = {
    "one letter": "a",
    "blanks": " ",
    "line ends": "\n",
    "combining marks": "e" + "\u0301\u0323" * 500,
    "Chinese": "敏捷的棕色狐狸跳过了懒狗",
    "quotes in words": "é'",
    "digits": "0123456789",
}


def library():
    """Returns texts to train vocabularies on."""
    folder = pathlib.Path(sysconfig.get_path("stdlib"))
    return [(folder / name).read_text("utf-8") for name in LIBRARY]


def byte_pairs(texts, folder):
    from tokenizers import ByteLevelBPETokenizer

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        texts,
        VOCABULARY_SIZE,
        special_tokens=SPECIAL_TOKENS,
        show_progress=False,
    )
    files = trained.save_model(folder)
    return LongformerTokenizer(*files, max_text_bytes=None)


def word_pieces(texts, folder):
    from tokenizers import BertWordPieceTokenizer

    trained = BertWordPieceTokenizer()
    trained.train_from_iterator(texts, VOCABULARY_SIZE, show_progress=False)
    (file,) = trained.save_model(folder, "word")
    return LongformerWordPieceTokenizer(file, max_text_bytes=None)


def sentence_pieces(texts, folder):
    """`None` without the library."""
    try:
        import sentencepiece
        import tensorflow_text  # noqa: F401
    except ImportError:
        print("Without the extra `text`: no SentencePiece.")
        return None
    written = io.BytesIO()
    lines = [line for text in texts for line in text.split("\n") if line]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=written,
        vocab_size=2000,
        model_type="unigram",
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    return LongformerSentencePieceTokenizer(
        written.getvalue(), max_text_bytes=None
    )


MAKERS = {
    "byte pairs": byte_pairs,
    "WordPiece": word_pieces,
    "SentencePiece": sentence_pieces,
}


def seconds_of(tokenizer, text, rounds):
    """Returns the least CPU seconds of a call."""
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        tokenizer([text])
        taken.append(time.process_time() - start)
    return min(taken)


def measured(tokenizer, lengths, rounds, most_seconds):
    """Returns by kind of text the seconds of each length, while they last."""
    tokenizer(["Warm up."])
    found = {}
    for kind, part in TEXTS.items():
        found[kind] = []
        for length in lengths:
            text = (part * (length // len(part) + 1))[:length]
            found[kind].append(seconds_of(tokenizer, text, rounds))
            if found[kind][-1] > most_seconds:
                break
    return found


def growth(lengths, seconds):
    """The power of the length that the last two times grew with."""
    if len(seconds) < 2:
        return None
    last = len(seconds) - 1
    longer = lengths[last] / lengths[last - 1]
    return math.log(seconds[-1] / seconds[-2]) / math.log(longer)


def table(results, lengths, note):
    """Returns Markdown."""
    lines = [
        note,
        "",
        "| tokenizer | text | "
        + " | ".join(f"{length:,}" for length in lengths)
        + " | grows with the power |",
        "|---|---|" + "---:|" * (len(lengths) + 1),
    ]
    for name, found in results.items():
        for kind, seconds in found.items():
            cells = [f"{1000 * x:.1f}" for x in seconds]
            cells += ["longer"] * (len(lengths) - len(cells))
            power = growth(lengths, seconds)
            cells.append("" if power is None else f"{power:.2f}")
            lines.append(f"| {name} | {kind} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(results, lengths, path, note):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(results), figsize=(3.6 * len(results), 3.8), sharey=True
    )
    for ax, (name, found) in zip(axes, results.items(), strict=True):
        for kind, seconds in found.items():
            x = lengths[: len(seconds)]
            ax.loglog(x, seconds, marker="o", ms=3, label=kind)
        # From the middle of the picture: one in proportion, one the square.
        first = min(seconds[0] for seconds in found.values())
        for power, style in ((1, "--"), (2, ":")):
            line = [first * (x / lengths[0]) ** power for x in lengths]
            ax.loglog(lengths, line, style, color="#888888", lw=1)
        ax.set_title(name, fontsize=10)
        ax.set_xlabel("characters")
        ax.set_ylim(top=1e3)
    axes[0].set_ylabel("CPU seconds")
    axes[0].legend(fontsize=7)
    figure.text(
        0.01,
        0.01,
        f"{note} Dashed: in proportion; dotted: the square.",
        fontsize=6,
    )
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(path, dpi=110)


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("output_folder", type=pathlib.Path, nargs="?")
    parser.add_argument(
        "--characters",
        type=int,
        nargs="+",
        default=[1_000, 10_000, 100_000, 1_000_000],
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most-seconds", type=float, default=30.0)
    options = parser.parse_args()
    lengths = sorted(options.characters)
    note = (
        "CPU time for one text of so many characters (milliseconds in the "
        f"table), the least of {options.rounds}; {measure.machine()}, other "
        "work beside."
    )
    results = {}
    texts = library()
    for name, make in MAKERS.items():
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = make(texts, folder)
        if tokenizer is not None:
            results[name] = measured(
                tokenizer, lengths, options.rounds, options.most_seconds
            )
    print(table(results, lengths, note))
    if options.output_folder is not None:
        options.output_folder.mkdir(parents=True, exist_ok=True)
        path = options.output_folder / "hostile_texts"
        path.with_suffix(".md").write_text(
            table(results, lengths, note), encoding="utf-8"
        )
        draw(results, lengths, path.with_suffix(".png"), note)


if __name__ == "__main__":
    main()
