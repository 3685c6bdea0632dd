"""Compares SentencePiece in the graph with Hugging Face's: ids, offsets, speed.

Command:
    python scripts/benchmarks/sentence_piece.py [FILE ...] [--strings 12000]
        [--rounds 7]

Trains a model with SentencePiece's `nmt_nfkc` on half of the files' lines (by
default of Python's own library) and a mix of ten languages, and gives it to our
tokenizer and to Hugging Face's `XLMRobertaTokenizer` and `CamembertTokenizer`,
slow (SentencePiece's own library) and fast (Rust).

A mismatch is a tie where both splits have the same score. Needs the extras
`text` and `test`.

Time and memory: about two minutes and 2 GB on 2 cores with the defaults.

Expected result: with the slow tokenizers, ties only (20 of 12,000 strings, all
in texts made of characters that become several). With the fast ones also

- letters with combining marks, and half-width kana with their voicing mark: the
  fast ones normalize both at once, otherwise than SentencePiece;
- several blanks before a `<mask>` that is cut out of the text: XLM-RoBERTa's
  fast one looks for it in the normalized text, where these blanks are a `▁`.

Offsets differ where the fast ones' do not say what a token stands for: of
characters that are dropped, of marks that became a part of their letter, and of
a `▁` at the beginning of a text, which has the white space there.
"""

import io
import pathlib
import sysconfig
import tempfile

import measure
import numpy as np
import sentencepiece
import tensorflow as tf
from sentencepiece import sentencepiece_model_pb2

from keras_longformer.tokenizers import LongformerSentencePieceTokenizer

LANGUAGES = (
    "Le renard brun saute par-dessus le chien paresseux, déjà fatigué.",
    "Der schnelle braune Fuchs springt über den faulen Hund; größer, schöner.",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "素早い茶色の狐がのろまな犬を飛び越える。カタカナも、ひらがなも。",
    "敏捷的棕色狐狸跳过了懒狗。中文没有空格。",
    "빠른 갈색 여우가 게으른 개를 뛰어넘는다.",
    "الثعلب البني السريع يقفز فوق الكلب الكسول",
    "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।",
    "Γρήγορη καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.",
    "השועל החום המהיר קופץ מעל הכלב העצלן",
)
CHARACTERS = {
    "ASCII": [chr(c) for c in range(32, 127)],
    "white space": [*" \t\n\r\u00a0\u1680\u2003\u2028\u202f\u3000\ufeffaA1!"],
    "control": [chr(c) for c in (*range(32), 127, 0x9F, 0xAD, 0x200D)] + ["a"],
    "emoji": [*"😀👍🏽👨👩👧🇩🇪❤é a", "\u200d", "\ufe0f"],
    "NFKC": [*"ﬁﬂ①Ⅷ½¼ｶﾞＡＢ㍿㎏…™ﷺ¨´ ax1"],
    "Hangul parts": [*"ᄀ각ᆨ한글 a가"],
    "combining marks": [*"aeıcn ", "\u0301", "\u0308", "\u0323", "\u0327"],
    "special tokens": ["<s>", "</s>", "<mask>", "<pad>", "<unk>", *"<>s a"],
}
VOCABULARY_SIZE = 8000
BATCH_SIZE = 32
TEXT_CHARACTERS = 20_000  # About the 4,096 tokens of one input.


def lines_of(paths, most=4_000_000):
    """Returns the lines of files, up to so many characters."""
    lines, size = [], 0
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        lines += [line for line in text.split("\n") if line.strip()]
        size += len(text)
        if size > most:
            break
    return lines


def mixed(generator, count):
    """Returns parts of sentences, of two languages each."""
    parts = []
    for _ in range(count):
        pair = generator.choice(len(LANGUAGES), 2)
        cuts = [
            sorted(generator.integers(0, len(LANGUAGES[i]) + 1, 2))
            for i in pair
        ]
        parts.append(
            " ".join(LANGUAGES[i][a:b] for i, (a, b) in zip(pair, cuts))
        )
    return parts


def train(lines, generator):
    """Returns the bytes of a model."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines + mixed(generator, 3000)),
        model_writer=written,
        vocab_size=VOCABULARY_SIZE,
        model_type="unigram",
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    return written.getvalue()


def strings(generator, held_out, count):
    """Returns `count` strings in all, by their classes."""
    each = count // (len(CHARACTERS) + 4)
    found = {
        "held-out text": [
            "\n".join(held_out[i : i + 3])
            for i in generator.integers(0, len(held_out), 2 * each)
        ],
        "ten languages": mixed(generator, each),
    }
    kinds = dict(CHARACTERS)
    points = generator.integers(0, 0x110000, 20_000)
    kinds["any character"] = [
        chr(c) for c in points if not 0xD800 <= c < 0xE000
    ]
    for name, pieces in kinds.items():
        found[name] = ["", " ", "\n \t"] + [
            "".join(generator.choice(pieces, generator.integers(1, 30)))
            for _ in range(each)
        ]
    return found


class Scores:
    """Says whether two splits have the same score."""

    def __init__(self, proto):
        model = sentencepiece_model_pb2.ModelProto.FromString(proto)
        self._scores = {p.piece: p.score for p in model.pieces}
        lowest = min(p.score for p in model.pieces if p.type == 1)
        self._unknown = lowest - 10

    def tie(self, ours, theirs):
        a, b = (
            sum(self._scores.get(piece, self._unknown) for piece in split)
            for split in (ours, theirs)
        )
        return abs(a - b) < 1e-3


def compare(ours, slow, fast, scores, texts, **options):
    """Returns mismatches: with slow, of these ties, with fast, of these ties,
    and of offsets with the fast one's where the ids are the same."""
    found = ours.tokenize_with_offsets(texts, **options)
    names = ours.get_vocabulary()
    counts = [0] * 5
    rows = zip(
        texts, found.ids.to_list(), found.starts.to_list(), found.ends.to_list()
    )
    for text, row, starts, ends in rows:
        for at, hugging_face in ((0, slow), (2, fast)):
            if hugging_face is None:
                continue
            wanted = hugging_face(text, add_special_tokens=False)["input_ids"]
            if row == wanted:
                continue
            counts[at] += 1
            pieces = ([names[i] for i in ids] for ids in (row, wanted))
            counts[at + 1] += scores.tie(*pieces)
        if fast is not None:
            wanted = fast(
                text, add_special_tokens=False, return_offsets_mapping=True
            )
            offsets = [
                # Theirs has one blank of a run, ours all of them.
                (trimmed(text, *a), trimmed(text, *b))
                for a, b in zip(zip(starts, ends), wanted["offset_mapping"])
            ]
            same_ids = row == wanted["input_ids"]
            counts[4] += same_ids and any(a != b for a, b in offsets)
    return counts


def trimmed(text, start, end):
    """Returns offsets without the white space at both ends."""
    part = text[start:end]
    blank = len(part) - len(part.lstrip())
    if blank == len(part):
        return "blank"
    return start + blank, end - (len(part) - len(part.rstrip()))


def check(ours, slow, fast, proto, found):
    """Prints a table of mismatches."""
    scores = Scores(proto)
    print("class: strings, differ from slow (ties), from fast (ties), offsets")
    total = np.zeros(5, int)
    for name, texts in found.items():
        options = {}
        if name == "special tokens":
            options["special_tokens_in_text"] = True
        counts = compare(ours, slow, fast, scores, texts, **options)
        total += counts
        print(
            f"  {name:16} {len(texts):5} {counts[0]:4} ({counts[1]}) "
            f"{counts[2]:4} ({counts[3]}) {counts[4]:4}"
        )
    size = sum(map(len, found.values()))
    print(
        f"  {'all':16} {size:5} {total[0]:4} ({total[1]}) "
        f"{total[2]:4} ({total[3]}) {total[4]:4}"
    )


def speed(ours, fast, lines, rounds):
    """Prints characters a second, and ratios to Rust."""
    content = "\n".join(lines)
    texts = [
        content[i : i + TEXT_CHARACTERS]
        for i in range(0, min(len(content), 1_000_000), TEXT_CHARACTERS)
    ]
    size = sum(map(len, texts))
    rust = fast.backend_tokenizer
    graph = tf.function(
        ours.tokenize, input_signature=[tf.TensorSpec([None], tf.string)]
    )
    for count in (1, BATCH_SIZE):
        batches = [texts[i : i + count] for i in range(0, len(texts), count)]
        calls = {
            "in the graph": lambda b=batches: [
                graph(tf.constant(x)) for x in b
            ],
            "with offsets": lambda b=batches: [
                ours.tokenize_with_offsets(tf.constant(x)) for x in b
            ],
            "tokenizers (Rust)": lambda b=batches: [
                rust.encode_batch(x, add_special_tokens=False) for x in b
            ],
        }
        for call in calls.values():
            call()
        medians = measure.medians(measure.interleaved(calls, rounds))
        print(f"{count} together, {TEXT_CHARACTERS} characters each:")
        for name, seconds in medians.items():
            ratio = medians["tokenizers (Rust)"] / seconds
            rate = size / seconds / 1e6
            print(f"  {name:20} {rate:6.2f} M characters/s {ratio:6.2f} x Rust")


def main() -> None:
    parser = measure.parser(__doc__)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--strings", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    import transformers

    library = pathlib.Path(sysconfig.get_path("stdlib"))
    lines = lines_of(arguments.files or sorted(library.glob("*.py")))
    generator = np.random.default_rng(0)
    proto = train(lines[::2], generator)
    found = strings(generator, lines[1::2], arguments.strings)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "sentencepiece.bpe.model")
        path.write_bytes(proto)
        for layout, name in (
            ("xlm_roberta", "XLMRobertaTokenizer"),
            ("camembert", "CamembertTokenizer"),
        ):
            ours = LongformerSentencePieceTokenizer(proto, layout)
            slow, fast = (
                getattr(transformers, name + kind)(str(path))
                for kind in ("", "Fast")
            )
            print(name)
            check(ours, slow, fast, proto, found)
    speed(ours, fast, lines[1::2], arguments.rounds)


if __name__ == "__main__":
    main()
