"""Measures the in-graph tokenizers against Rust, KerasHub and TF Text.

Command:
    python scripts/benchmarks/tokenizer.py [FILE ...]
        [--vocabulary vocab.json --merges merges.txt]
        [--rounds 7] [--characters 20000] [--max-bytes 1500000] [--word-piece]

Without files it reads Python's own standard library; without a vocabulary it
trains one of 20,000 tokens on half of those files, so it runs anywhere. Each
file is cut at line ends into texts of about 20,000 characters, the size of a
long document, which are tokenized one a call and 32 a call. All tokenizers
take turns in every round, and the median over the rounds is printed, in tokens
a second, with its ratio to the Rust package.

With `--word-piece` it is BERT's tokenizer, lower-casing, with a vocabulary
trained in the same way, or the `vocab.txt` that `--vocabulary` names.

The competitors run where they are installed: `pip install tokenizers` and
`pip install keras-hub tensorflow-text`.

Time and memory: about a minute and 2 GB on 2 cores with the defaults.

Expected result on 2 cores: identical ids, faster than the Rust package with
long texts one at a time, and twice as fast with 32 together. One
call costs about half a millisecond however short the text, so one at a time
the Rust package is ahead below some 6,000 characters (`--characters 2000`).
WordPiece: identical ids, faster than the Rust package with long texts, and
slower than TF Text's operation, which does not give the same ids in all
languages.
"""

import pathlib
import sysconfig
import tempfile
import time
from collections.abc import Callable

import measure
import tensorflow as tf

from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer
from keras_longformer.tokenizers.word_piece.tokenizer import (
    LongformerWordPieceTokenizer,
)

TEXT_CHARACTERS = 20_000  # About the 4,096 tokens of one input.
BATCH_SIZE = 32
DEFAULT_BYTES = 1_500_000
SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]

Tokenize = Callable[[list[str]], object]


def read_texts(
    paths: list[pathlib.Path], text_characters: int, max_bytes: int
) -> list[str]:
    """Returns the files' contents, cut into texts at line ends."""
    texts, size = [], 0
    for path in paths:
        lines, length = [], 0
        content = path.read_text(encoding="utf-8", errors="replace")
        for line in content.splitlines(keepends=True):
            lines.append(line)
            length += len(line)
            if length >= text_characters:
                texts.append("".join(lines))
                lines, length = [], 0
        texts.append("".join(lines))
        size += len(content)
        if size >= max_bytes:
            break
    return [text for text in texts if text]


def train_vocabulary(texts: list[str], folder: str) -> tuple[str, str]:
    """Trains a vocabulary and returns the paths of its two files."""
    from tokenizers import ByteLevelBPETokenizer

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        texts, 20_000, special_tokens=SPECIAL_TOKENS, show_progress=False
    )
    return tuple(trained.save_model(folder))


def competitors(vocabulary: str, merges: str) -> dict[str, Tokenize]:
    """Returns what can be measured here; each takes a list of texts."""
    ours = LongformerTokenizer(vocabulary, merges)
    found = {"keras_longformer": lambda texts: ours.tokenize(texts)}
    try:
        from tokenizers import ByteLevelBPETokenizer
    except ImportError:
        print("tokenizers is not installed: no Rust to compare with")
    else:
        rust = ByteLevelBPETokenizer.from_file(vocabulary, merges)
        found["tokenizers (Rust)"] = lambda texts: (
            rust.encode_batch(texts)
            if len(texts) > 1
            else [rust.encode(texts[0])]
        )
    try:
        import keras_hub
        import tensorflow_text  # noqa: F401  KerasHub needs it in a graph.
    except ImportError:
        print("tensorflow-text is not installed: no KerasHub to compare with")
    else:
        hub = keras_hub.tokenizers.BytePairTokenizer(vocabulary, merges)
        graph = tf.function(
            hub.tokenize, input_signature=[tf.TensorSpec([None], tf.string)]
        )
        found["KerasHub in graph"] = lambda texts: graph(tf.constant(texts))
    return found


def train_word_piece(texts: list[str], folder: str) -> str:
    """Trains a vocabulary and returns the path of its `vocab.txt`."""
    from tokenizers import BertWordPieceTokenizer

    trained = BertWordPieceTokenizer()
    trained.train_from_iterator(texts, 20_000, show_progress=False)
    return trained.save_model(folder)[0]


def word_piece_competitors(vocabulary: str) -> dict[str, Tokenize]:
    """Returns what can be measured here of BERT's; each takes texts."""
    ours = LongformerWordPieceTokenizer(vocabulary)
    found = {"keras_longformer": lambda texts: ours.tokenize(texts)}
    try:
        from tokenizers import BertWordPieceTokenizer
    except ImportError:
        print("tokenizers is not installed: no Rust to compare with")
    else:
        rust = BertWordPieceTokenizer(vocabulary)
        found["tokenizers (Rust)"] = lambda texts: (
            rust.encode_batch(texts, add_special_tokens=False)
            if len(texts) > 1
            else [rust.encode(texts[0], add_special_tokens=False)]
        )
    try:
        import tensorflow_text
    except ImportError:
        print("tensorflow-text is not installed: nothing of it to compare with")
    else:
        fast = tensorflow_text.FastBertTokenizer(
            ours.get_vocabulary(),
            token_out_type=tf.int32,
            lower_case_nfd_strip_accents=True,
        )
        graph = tf.function(
            fast.tokenize, input_signature=[tf.TensorSpec([None], tf.string)]
        )
        found["TF Text in graph"] = lambda texts: graph(tf.constant(texts))
    return found


def report(
    found: dict[str, Tokenize],
    texts: list[str],
    size: int,
    rounds: int,
    num_tokens: int,
) -> None:
    """Prints tokens a second with `size` texts a call, and ratios to Rust."""
    batches = [texts[i : i + size] for i in range(0, len(texts), size)]
    calls = {
        name: (lambda tokenize=tokenize: [tokenize(b) for b in batches])
        for name, tokenize in found.items()
    }
    medians = measure.medians(measure.interleaved(calls, rounds))
    rust = medians.get("tokenizers (Rust)")
    for name, seconds in medians.items():
        ratio = f"{rust / seconds:6.2f} x Rust" if rust else ""
        rate = num_tokens / seconds / 1e6
        print(f"  {name:20} {rate:6.2f} M tokens/s {ratio}")


def main() -> None:
    parser = measure.parser(__doc__)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--vocabulary", help="path of a vocab.json")
    parser.add_argument("--merges", help="path of a merges.txt")
    parser.add_argument(
        "--word-piece", action="store_true", help="BERT's tokenizer"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--characters", type=int, default=TEXT_CHARACTERS)
    parser.add_argument("--max-bytes", type=int, default=DEFAULT_BYTES)
    arguments = parser.parse_args()
    word_piece = arguments.word_piece
    if not word_piece and bool(arguments.vocabulary) != bool(arguments.merges):
        parser.error("--vocabulary and --merges go together")

    library = pathlib.Path(sysconfig.get_path("stdlib"))
    files = arguments.files or sorted(library.glob("*.py"))
    texts = read_texts(files, arguments.characters, arguments.max_bytes)
    with tempfile.TemporaryDirectory() as folder:
        if word_piece:
            path = arguments.vocabulary
            paths = [path or train_word_piece(texts[::2], folder)]
            kind, find = LongformerWordPieceTokenizer, word_piece_competitors
        else:
            paths = arguments.vocabulary, arguments.merges
            if not all(paths):
                paths = train_vocabulary(texts[::2], folder)
            kind, find = LongformerTokenizer, competitors
        begin = time.perf_counter()
        tokenizer = kind(*paths)
        print(f"built in {time.perf_counter() - begin:.2f} s")
        found = find(*paths)

    ids = tokenizer.tokenize(texts).to_list()
    num_tokens = sum(map(len, ids))
    print(f"{len(texts)} texts, {num_tokens} tokens")
    if "tokenizers (Rust)" in found:
        wanted = [e.ids for e in found["tokenizers (Rust)"](texts)]
        different = sum(a != b for a, b in zip(ids, wanted, strict=True))
        print(f"{different} texts differ from Rust's ids")
    for tokenize in found.values():
        tokenize(["Warm up."])
    for size in (1, BATCH_SIZE):
        print(f"{size} together:")
        report(found, texts, size, arguments.rounds, num_tokens)


if __name__ == "__main__":
    main()
