"""Hugging Face folders of WordPiece tokenizers with quirks."""

from tests.tokenizers.folders import PLAIN
from tests.tokenizers.folders import added
from tests.tokenizers.folders import decoder
from tests.tokenizers.folders import special
from tests.tokenizers.folders import template
from tests.tokenizers.word_piece.vocabularies import SPECIAL_TOKENS
from tests.tokenizers.word_piece.vocabularies import TINY

VOCABULARY = {token: i for i, token in enumerate([*TINY, "Hello", "é", "e"])}
NEXT = len(VOCABULARY)
VOCAB_TXT = "".join(f"{token}\n" for token in VOCABULARY)
BERT = {"tokenizer_class": "BertTokenizer"}
ROWS = ("[CLS] A [SEP]", "[CLS] A [SEP] B:1 [SEP]:1")


def tokenizer_json(*more_tokens, model=None, normalizer=None, **parts):
    """Returns BERT's, with more added tokens and other parts."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            *(special(i, t) for i, t in enumerate(SPECIAL_TOKENS)),
            *more_tokens,
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
            **(normalizer or {}),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template(*ROWS, VOCABULARY),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": VOCABULARY,
            **(model or {}),
        },
        **parts,
    }


def slow(**config):
    """Returns `vocab.txt` and a `tokenizer_config.json`."""
    return {"vocab.txt": VOCAB_TXT, "tokenizer_config.json": BERT | config}


def fast(*tokens, config=BERT, **parts):
    """Returns `tokenizer.json` and a `tokenizer_config.json`."""
    return {
        "tokenizer.json": tokenizer_json(*tokens, **parts),
        "tokenizer_config.json": config,
    }


# What `AutoTokenizer` and we open, with equal ids.
EQUAL = {
    "slow": slow(),
    "slow, cased": slow(do_lower_case=False),
    "slow, other options": slow(
        strip_accents=False, tokenize_chinese_chars=False
    ),
    "slow, added": {
        **slow(),
        "added_tokens.json": {"[E]": NEXT, "[X]": NEXT + 1},
        "special_tokens_map.json": {"additional_special_tokens": ["[X]"]},
    },
    "slow, other special tokens": {
        "vocab.txt": VOCAB_TXT.replace("[PAD]", "<pad>").replace(
            "[CLS]", "<s>"
        ),
        "tokenizer_config.json": {
            **BERT,
            "pad_token": "<pad>",
            "cls_token": "<s>",
        },
    },
    "slow, no mask in the vocabulary": {
        "vocab.txt": VOCAB_TXT.replace("[MASK]", "[M]"),
        "tokenizer_config.json": BERT,
    },
    "slow, a token twice": {
        "vocab.txt": VOCAB_TXT.replace("\n!\n", "\nhello\n") + "hello\n",
        "tokenizer_config.json": BERT,
    },
    "never_split, of no effect": slow(never_split=["[SEP]"]),
    "fast": fast(),
    "fast, both": {**slow(), **fast()},
    "fast, options in both": fast(
        config={
            **BERT,
            "do_lower_case": False,
            "strip_accents": True,
            "tokenize_chinese_chars": False,
        },
        normalizer={
            "lowercase": False,
            "strip_accents": True,
            "handle_chinese_chars": False,
            "clean_text": False,
        },
    ),
    "fast, the config overrules": fast(
        config={**BERT, "do_lower_case": False},
    ),
    "fast, nobody overrules": fast(
        config={
            **PLAIN,
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "pad_token": "[PAD]",
            "mask_token": "[MASK]",
            "unk_token": "[UNK]",
        },
        normalizer={"lowercase": False},
    ),
    "fast, no normalizer": {
        "tokenizer.json": tokenizer_json() | {"normalizer": None},
        "tokenizer_config.json": {
            **PLAIN,
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "pad_token": "[PAD]",
            "unk_token": "[UNK]",
        },
    },
    "fast, in lists": fast(
        pre_tokenizer={
            "type": "Sequence",
            "pretokenizers": [{"type": "BertPreTokenizer"}],
        },
    )
    | {
        "tokenizer_config.json": {**BERT, "do_lower_case": True},
    },
    "fast, added": fast(
        added(NEXT, "[Ent]", normalized=True),
        added(NEXT + 1, "Hell", normalized=True, single_word=True),
        added(NEXT + 2, "中文", normalized=True),
        added(NEXT + 3, "[X]", lstrip=True, rstrip=False),
        added(NEXT + 4, "é", normalized=True, lstrip=True),
    ),
    "fast, added in the decoder": fast(
        added(NEXT, "[E]"),
        config={**BERT, **decoder(added(NEXT, "[E]", rstrip=True))},
    ),
    "fast, model": fast(
        model={
            "continuing_subword_prefix": "l",
            "max_input_chars_per_word": 4,
        }
    ),
    "fast, RoBERTa's rows": fast(
        post_processor=template(
            "[CLS] A [SEP]", "[CLS] A [SEP] [SEP] B [SEP]", VOCABULARY
        )
    ),
    "fast, DistilBERT": fast(
        config={"tokenizer_class": "DistilBertTokenizerFast"}
    ),
}

# What we refuse, and the words that name why.
REFUSED = {
    "case that transformers overrules": (
        fast(normalizer={"lowercase": False}),
        'normalizer.lowercase False.*Write "do_lower_case"',
    ),
    "normalizers": (
        fast(
            config=PLAIN,
            normalizer={
                "type": "Sequence",
                "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}],
            },
        ),
        "normalizer NFKC\n.*normalizer Lowercase",
    ),
    "pre-tokenizer": (
        fast(pre_tokenizer={"type": "Whitespace"}),
        "pre_tokenizer Whitespace, not BertPreTokenizer",
    ),
    "rows": (
        fast(post_processor=None),
        "post_processor none puts no special tokens",
    ),
    "unknown": (
        fast(model={"unk_token": "[PAD]"}),
        r"model.unk_token '\[PAD\]', where unk_token is '\[UNK\]'",
    ),
    "vocabularies that disagree": (
        {
            **fast(model={"vocab": {**VOCABULARY, "zz": NEXT}}),
            **{"vocab.txt": VOCAB_TXT},
        },
        f"has 'zz' as {NEXT}, vocab.txt as None",
    ),
    "basic": (
        slow(do_basic_tokenize=False),
        "do_basic_tokenize false",
    ),
    "never split": (slow(never_split=["hello"]), r"never_split \['hello'\]"),
    "left": (slow(padding_side="left"), "padding_side 'left'"),
    "class": (
        slow(tokenizer_class="BertJapaneseTokenizer"),
        "tokenizer_class BertJapaneseTokenizer without tokenizer.json",
    ),
    "an id with a hole": (
        fast(added(NEXT + 5, "[E]")),
        f"id {NEXT + 5}, and Hugging Face's tokenizers gives it {NEXT}",
    ),
}
