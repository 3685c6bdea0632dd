"""WordPiece vocabularies, texts and Hugging Face's tokenizer of them."""

import pathlib
import sysconfig

import numpy as np
import pytest

from keras_longformer.tokenizers.word_piece.tokenizer import (
    LongformerWordPieceTokenizer,
)
from tests.vocabularies import KINDS

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LANGUAGES = [
    "Zażółć gęślą jaźń, İstanbul'da IŞIK",
    "Ελληνικά ΣΊΣΥΦΟΣ Άέήί ΰ ς",
    "Русский ЁЖ Йод й ё",
    "Việt Nam tiếng Ệ ộ",
    "عَرَبِيٌّ اللغة עִבְרִית שלום",
    "हिन्दी क़ नमस्ते ड़ ภาษาไทย กำ",
    "日本語 ガギグ ｶﾞ が ㍿ 漢字かな",
    "한국어 각 낱말 ᄒ",
    "中文繁體简体𠀀㐀豈 Français œuvre ß ẞ ﬁ ǅ",
    "ქართული Ა Ⴀ ᏣᎳᎩ ꭰ Ꭰ",
]
TEXT_KINDS = {
    **{k: KINDS[k] for k in ("ascii", "control", "whitespace", "wide")},
    "languages": [*LANGUAGES, *"".join(LANGUAGES), *" " * 9],
    "compatibility": [
        chr(c)
        for first, behind in (
            (0xFB00, 0xFB50),
            (0xFF01, 0xFFEF),
            (0x2460, 0x2500),
            (0x2100, 0x2150),
            (0x3200, 0x3400),
            (0xF900, 0xFB00),
            (0x2F800, 0x2FA20),
        )
        for c in range(first, behind)
    ],
    # Marks that are dropped, that are not, that are sorted, that decompose,
    # and that are of a Unicode version between two that `tokenizers` has.
    "marks": [
        *"aeıiIoAEİéǖệ漢!, ",
        *"\u0301\u0308\u0345\u0334\u0327\u031b\u0323\u0307\u0344\u20dd",
        *"\u0d3e\u0903\u302e\u302f\u093c\u3099\u0f71\u0f73\u0f75\u1734",
        *"\U0001d165\U0001d15e\U0001d160\U0001d16d\U00016ff0\U000111c9",
        *"\u07fd\u1dfa각각",
    ],
    "emoji": [*"😀👍🏽\u200d🇩🇪❤\ufe0f☃a ", "👩\u200d👩\u200d👧", "1️⃣"],
    "words": [
        *("a" * 9, "ab" * 50, "x" * 101, "é" * 100, "self", "argument"),
        *("un", "able", "ness", "the", " ", " ", "-", "zz", "中中", "ing"),
    ],
}
NORMALIZATIONS = {
    "uncased": {},
    "cased": {"lowercase": False},
    "accents": {"strip_accents": False},
    "japanese": {"split_on_cjk": False},
    "raw": {
        "lowercase": False,
        "strip_accents": True,
        "clean_text": False,
        "split_on_cjk": False,
    },
}


def texts_of(kind: str, count: int, seed: int = 0) -> list[str]:
    """Returns texts of up to 30 random pieces of one kind, the first empty."""
    generator = np.random.default_rng([seed, len(kind), ord(kind[0])])
    if kind == "any":
        pieces = [chr(c) for c in generator.integers(0, 0xD800, 4000)]
        pieces += [chr(c) for c in generator.integers(0xE000, 0x20000, 3000)]
        pieces += [chr(c) for c in generator.integers(0x20000, 0x110000, 999)]
    else:
        pieces = TEXT_KINDS[kind]
    return [""] + [
        "".join(generator.choice(pieces, generator.integers(0, 30)))
        for _ in range(count - 1)
    ]


def trained(normalization: dict, size: int = 3000) -> list[str]:
    """Returns the tokens of a vocabulary of many scripts, trained here."""
    made = theirs(SPECIAL_TOKENS, **normalization)
    library = pathlib.Path(sysconfig.get_path("stdlib"))
    lines = (library / "argparse.py").read_text("utf-8").splitlines()
    lines += LANGUAGES * 3
    for kind in ("compatibility", "marks", "languages", "emoji"):
        lines += texts_of(kind, 150, seed=7)
    made.train_from_iterator(lines, size, min_frequency=1, show_progress=False)
    tokens = made.get_vocab()
    return sorted(tokens, key=tokens.get)


def theirs(tokens, **options):
    """Returns Hugging Face's tokenizer, with our names of its options."""
    tokenizers = pytest.importorskip("tokenizers")
    return tokenizers.BertWordPieceTokenizer(
        {token: i for i, token in enumerate(tokens)},
        clean_text=options.get("clean_text", True),
        handle_chinese_chars=options.get("split_on_cjk", True),
        strip_accents=options.get("strip_accents"),
        lowercase=options.get("lowercase", True),
    )


def without_special_tokens(tokenizer):
    """Makes Hugging Face's tokenizer take `[SEP]` in a text for text."""
    tokenizer._tokenizer.encode_special_tokens = True
    return tokenizer


# Pieces that let a word be finished, and not: greed matters here.
TINY = [*SPECIAL_TOKENS, *"hdw!,.中文", "hello", "wor", "##ld", "##l", "##or"]


def tiny(**options) -> LongformerWordPieceTokenizer:
    """Returns a tokenizer that needs no other package."""
    return LongformerWordPieceTokenizer(TINY, **options)
