"""Hugging Face tokenizer folders with quirks, made from three merges."""

import copy
import json
import pathlib

from keras_longformer.weights.readers import TOKENIZER_FILES
from tests.vocabularies import SPECIAL_TOKENS
from tests.vocabularies import tiny_vocabulary

VOCABULARY, MERGES = tiny_vocabulary()
MERGES_FILE = "\n".join(["#version: 0.2", *MERGES, ""])
NEXT = len(VOCABULARY)
BYTE_LEVEL = {"type": "ByteLevel", "trim_offsets": True, "use_regex": True}
ROBERTA = {"tokenizer_class": "RobertaTokenizer"}
PLAIN = {"tokenizer_class": "PreTrainedTokenizerFast"}
NAMED = dict(
    zip(
        ("cls_token", "pad_token", "sep_token", "unk_token", "mask_token"),
        SPECIAL_TOKENS,
        strict=True,
    )
)


def added(index, content, **flags):
    """Returns an entry of `added_tokens` or of `added_tokens_decoder`."""
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    token = {"id": index, "content": content, **dict.fromkeys(names, False)}
    return token | flags


def special(index, content, **flags):
    return added(index, content, special=True, **flags)


def decoder(*tokens):
    """Returns tokens as `added_tokens_decoder` has them."""
    tokens = copy.deepcopy(tokens)
    return {"added_tokens_decoder": {str(t.pop("id")): t for t in tokens}}


def roberta_rows(start="<s>", end="</s>", vocabulary=VOCABULARY, **options):
    return {
        "type": "RobertaProcessing",
        "cls": [start, vocabulary[start]],
        "sep": [end, vocabulary[end]],
        "trim_offsets": True,
        "add_prefix_space": False,
        **options,
    }


def template(single, pair, vocabulary=VOCABULARY):
    """Returns a TemplateProcessing; `"B:1"` is the second text, of type 1."""

    def steps(text):
        for word in text.split():
            name, _, kind = word.partition(":")
            key = "Sequence" if name in "AB" else "SpecialToken"
            yield {key: {"id": name, "type_id": int(kind or 0)}}

    names = {w.partition(":")[0] for w in pair.split()} - {"A", "B"}
    return {
        "type": "TemplateProcessing",
        "single": list(steps(single)),
        "pair": list(steps(pair)),
        "special_tokens": {
            n: {"id": n, "ids": [vocabulary[n]], "tokens": [n]} for n in names
        },
    }


def tokenizer_json(*more_tokens, prefix=False, model=None, **parts):
    """Returns RoBERTa's, with more added tokens and other parts."""
    tokens = [
        special(i, content, lstrip=content == "<mask>")
        for i, content in enumerate(SPECIAL_TOKENS)
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [*tokens, *more_tokens],
        "normalizer": None,
        "pre_tokenizer": {**BYTE_LEVEL, "add_prefix_space": prefix},
        "post_processor": roberta_rows(),
        "decoder": {**BYTE_LEVEL, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "vocab": VOCABULARY,
            "merges": MERGES,
            **(model or {}),
        },
        **parts,
    }


def renamed(names):
    """Returns a `tokenizer.json` whose special tokens have other names."""
    text = json.dumps(tokenizer_json())
    for old, new in names.items():
        text = text.replace(json.dumps(old), json.dumps(new))
    return json.loads(text)


def slow_files(merges=MERGES_FILE):
    """Returns `vocab.json` and `merges.txt`."""
    return {"vocab.json": VOCABULARY, "merges.txt": merges}


def write(folder: pathlib.Path, files: dict, model_type="roberta") -> dict:
    """Writes files by name, with a `config.json`; returns their paths."""
    folder.mkdir(exist_ok=True)
    files = dict(files)
    if model_type is not None:
        files.setdefault("config.json", {"model_type": model_type})
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, encoding="utf-8")
    return paths(folder)


def paths(folder: pathlib.Path) -> dict[str, str]:
    """Returns what `open_tokenizer` is given of a folder."""
    found = {name: folder / name for name in TOKENIZER_FILES}
    return {name: str(path) for name, path in found.items() if path.is_file()}


# What `AutoTokenizer` and we open, with equal ids.
EQUAL = {
    "plain": {"tokenizer.json": tokenizer_json()},
    "slow": slow_files(),
    "both": {"tokenizer.json": tokenizer_json(), **slow_files()},
    "prefix in config": {
        "tokenizer.json": tokenizer_json(),
        "tokenizer_config.json": {**ROBERTA, "add_prefix_space": True},
    },
    "prefix in tokenizer, not in config": {
        "tokenizer.json": tokenizer_json(prefix=True),
        "tokenizer_config.json": {**ROBERTA, "add_prefix_space": False},
    },
    "prefix in a list": {
        "tokenizer.json": tokenizer_json(
            pre_tokenizer={
                "type": "Sequence",
                "pretokenizers": [{**BYTE_LEVEL, "add_prefix_space": True}],
            }
        ),
    },
    "slow, prefix, lower case": {
        **slow_files(),
        "tokenizer_config.json": {
            **ROBERTA,
            "add_prefix_space": True,
            "do_lower_case": True,
            "errors": "strict",
        },
    },
    "added": {
        "tokenizer.json": tokenizer_json(
            added(NEXT, "[E]", normalized=True),
            added(NEXT + 1, "[E]x", lstrip=True, rstrip=True),
            added(NEXT + 2, "hell", single_word=True),
        ),
    },
    "added in decoder, other flags": {
        "tokenizer.json": tokenizer_json(added(NEXT, "[E]")),
        "tokenizer_config.json": {
            **ROBERTA,
            **decoder(added(NEXT, "[E]", lstrip=True, rstrip=True)),
        },
    },
    "additional special": {
        "tokenizer.json": tokenizer_json(),
        "special_tokens_map.json": {"additional_special_tokens": ["[E]", "é"]},
    },
    "extra special": {
        "tokenizer.json": tokenizer_json(),
        "tokenizer_config.json": {
            **ROBERTA,
            "extra_special_tokens": {"entity_token": "[E]"},
        },
    },
    "slow, added_tokens.json": {
        **slow_files(),
        "added_tokens.json": {"[E]": NEXT, "[X]": NEXT + 1},
        "special_tokens_map.json": {"additional_special_tokens": ["[X]"]},
    },
    "slow, mask as object": {
        **slow_files(),
        "special_tokens_map.json": {
            "mask_token": {
                "content": "<mask>",
                "lstrip": False,
                "normalized": True,
            }
        },
    },
    "slow, names that the vocabulary lacks": {
        **slow_files(),
        "special_tokens_map.json": {"pad_token": "[PAD]", "bos_token": "[B]"},
    },
    "other names": {
        "tokenizer.json": renamed(
            {
                "<s>": "[PAD]",
                "<pad>": "[CLS]",
                "</s>": "[SEP]",
                "<mask>": "[MASK]",
            }
        )
        | {
            "post_processor": roberta_rows(
                "[CLS]", "[SEP]", {"[CLS]": 1, "[SEP]": 2}
            )
        },
        "tokenizer_config.json": {
            **PLAIN,
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "pad_token": "[PAD]",
            "mask_token": "[MASK]",
        },
    },
    "one token for all": {
        "tokenizer.json": tokenizer_json(
            post_processor=template("<s> A <s>", "<s> A <s> B <s>")
        ),
        "tokenizer_config.json": {
            **PLAIN,
            "bos_token": "<s>",
            "eos_token": "<s>",
            "pad_token": "<s>",
        },
    },
    "bert rows": {
        "tokenizer.json": tokenizer_json(
            post_processor=template("<s> A </s>", "<s> A </s> B:1 </s>:1")
        ),
        "tokenizer_config.json": {**PLAIN, **NAMED},
    },
    "template in a list, long": {
        "tokenizer.json": tokenizer_json(
            post_processor={
                "type": "Sequence",
                "processors": [
                    {**BYTE_LEVEL, "add_prefix_space": True},
                    template(
                        "<s> <unk> A </s>", "<s> <unk> A </s> <unk> B </s>"
                    ),
                ],
            }
        ),
        "tokenizer_config.json": {**PLAIN, **NAMED},
    },
    "truncation and padding": {
        "tokenizer.json": tokenizer_json(
            truncation={
                "direction": "Right",
                "max_length": 4,
                "strategy": "LongestFirst",
                "stride": 0,
            },
            padding={
                "strategy": {"Fixed": 12},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 1,
                "pad_type_id": 0,
                "pad_token": "<pad>",
            },
        ),
    },
    "ignore_merges, of no effect": {
        "tokenizer.json": tokenizer_json(model={"ignore_merges": True}),
    },
}

# What we refuse, and the words that name why.
REFUSED = {
    "prefix that transformers overrules": (
        {"tokenizer.json": tokenizer_json(prefix=True)},
        "add_prefix_space true",
    ),
    "normalizer": (
        {
            "tokenizer.json": tokenizer_json(
                normalizer={
                    "type": "Sequence",
                    "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}],
                }
            )
        },
        "normalizer NFC\n.*normalizer Lowercase",
    ),
    "digits": (
        {
            "tokenizer.json": tokenizer_json(
                pre_tokenizer={
                    "type": "Sequence",
                    "pretokenizers": [
                        {"type": "Digits", "individual_digits": True},
                        {**BYTE_LEVEL, "add_prefix_space": False},
                    ],
                }
            )
        },
        r"Digits\(individual_digits=True\)",
    ),
    "metaspace": (
        {
            "tokenizer.json": tokenizer_json(
                pre_tokenizer={"type": "Metaspace", "replacement": "▁"}
            )
        },
        "pre_tokenizer Metaspace",
    ),
    "use_regex": (
        {
            "tokenizer.json": tokenizer_json(
                pre_tokenizer={**BYTE_LEVEL, "use_regex": False}
            )
        },
        "use_regex false",
    ),
    "model": (
        {
            "tokenizer.json": tokenizer_json(
                model={"dropout": 0.1, "end_of_word_suffix": "</w>"}
            )
        },
        "dropout 0.1\n.*end_of_word_suffix '</w>'",
    ),
    "bytes left out": (
        {
            "tokenizer.json": tokenizer_json(
                model={
                    "vocab": {t: i for t, i in VOCABULARY.items() if t != "z"}
                }
            )
        },
        "no token for 1 bytes .0x7A.*leaves out",
    ),
    "unknown of another name": (
        {
            "tokenizer.json": tokenizer_json(
                model={
                    "unk_token": "<pad>",
                    "vocab": {t: i for t, i in VOCABULARY.items() if t != "z"},
                }
            )
        },
        "become model.unk_token '<pad>', not the unk_token '<unk>'",
    ),
    "ignore_merges": (
        {
            "tokenizer.json": tokenizer_json(
                model={
                    "ignore_merges": True,
                    "vocab": {**VOCABULARY, "hell": NEXT},
                }
            )
        },
        "ignore_merges true.*'hell'",
    ),
    "decoder": (
        {"tokenizer.json": tokenizer_json(decoder={"type": "BPEDecoder"})},
        "decoder BPEDecoder",
    ),
    "no rows": (
        {"tokenizer.json": tokenizer_json(post_processor=None)},
        "post_processor none puts no special tokens",
    ),
    "byte-level rows": (
        {
            "tokenizer.json": tokenizer_json(
                post_processor={**BYTE_LEVEL, "add_prefix_space": True}
            )
        },
        "post_processor ByteLevel puts no special tokens",
    ),
    "rows of another form": (
        {
            "tokenizer.json": tokenizer_json(
                post_processor=template("<s> A </s>", "<s> B </s> A </s>")
            )
        },
        "another form.*pair <s> B </s> A </s>",
    ),
    "rows of other ids": (
        {
            "tokenizer.json": tokenizer_json(
                post_processor=roberta_rows(vocabulary={"<s>": 7, "</s>": 2})
            )
        },
        "gives '<s>' id 7, and the vocabulary 0",
    ),
    "rows of other names": (
        {
            "tokenizer.json": tokenizer_json(),
            "tokenizer_config.json": {**ROBERTA, "cls_token": "<pad>"},
        },
        "cls_token '<pad>', where the post_processor puts '<s>'",
    ),
    "an id with a hole": (
        {"tokenizer.json": tokenizer_json(added(NEXT + 5, "[E]"))},
        f"id {NEXT + 5}, and Hugging Face's tokenizers gives it {NEXT}",
    ),
    "two ids": (
        {
            "tokenizer.json": tokenizer_json(added(NEXT, "[E]")),
            "added_tokens.json": {"[E]": NEXT + 1},
        },
        "do not agree",
    ),
    "files that disagree": (
        {
            "tokenizer.json": tokenizer_json(model={"merges": MERGES[:2]}),
            **slow_files(),
        },
        "has 2 merges, merges.txt 3; the first to differ is merge 2",
    ),
    "vocabularies that disagree": (
        {
            "tokenizer.json": tokenizer_json(
                model={"vocab": {**VOCABULARY, "hell": NEXT}}
            ),
            **slow_files(),
        },
        f"has 'hell' as {NEXT}, vocab.json as None",
    ),
    "a merge that transformers drops": (
        slow_files("\n".join([*MERGES, ""])),
        "begins with a merge, which transformers drops",
    ),
    "a last merge that transformers drops": (
        slow_files("\n".join(["#version: 0.2", *MERGES])),
        "drops the merge 'Ġ h'",
    ),
    "left": (
        {
            "tokenizer.json": tokenizer_json(),
            "tokenizer_config.json": {**ROBERTA, "truncation_side": "left"},
        },
        "truncation_side 'left'",
    ),
    "a class of other rules": (
        {
            **slow_files(),
            "tokenizer_config.json": {"tokenizer_class": "HerbertTokenizer"},
        },
        "tokenizer_class HerbertTokenizer without tokenizer.json",
    ),
    "no padding": (
        {
            "tokenizer.json": tokenizer_json(),
            "tokenizer_config.json": {**PLAIN, "cls_token": "<s>"},
        },
        "no pad_token",
    ),
}
