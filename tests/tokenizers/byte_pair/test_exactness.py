"""The ids and offsets are Hugging Face's, on any text."""

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.tokenizers.byte_pair.merge_tables import (
    build_merge_tables,
)
from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer
from tests.vocabularies import KINDS
from tests.vocabularies import SPECIAL_TOKENS
from tests.vocabularies import random_texts
from tests.vocabularies import reference

ALL_KINDS = [*KINDS, "any"]


def assert_same_tokens(tokenizer, wanted, texts, **options):
    """Compares ids and offsets with those of Hugging Face's `wanted`."""
    ids, starts, ends = tokenizer.tokenize_with_offsets(texts, **options)
    assert tokenizer.tokenize(texts, **options).to_list() == ids.to_list()
    offsets = zip(starts.to_list(), ends.to_list(), strict=True)
    for text, row, (start, end) in zip(
        texts, ids.to_list(), offsets, strict=True
    ):
        expected = wanted.encode(text)
        assert row == expected.ids, repr(text)
        assert [*zip(start, end, strict=True)] == expected.offsets, repr(text)


def test_golden_files(roberta, shared_data):
    golden = json.loads(
        (shared_data / "golden/roberta-bpe-cases.json").read_text("utf-8")
    )
    cases = golden["cases"]
    ids = roberta.tokenize([case["text"] for case in cases])
    assert ids.to_list() == [case["ids"] for case in cases]
    cases = golden["special_tokens_split (mask lstrip=True)"]
    ids = roberta.tokenize(
        [case["text"] for case in cases], special_tokens_in_text=True
    )
    assert ids.to_list() == [case["ids"] for case in cases]


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_random_texts(roberta, roberta_files, kind):
    texts = random_texts(kind, 600)
    assert_same_tokens(roberta, reference(roberta_files), texts)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_small_vocabulary(small, small_files, kind):
    texts = random_texts(kind, 300)
    assert_same_tokens(small, reference(small_files), texts)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "prefix"])
def cutting(request, small_files):
    """Our tokenizer and Hugging Face's, cutting special tokens out of text,
    without and with a space before each piece."""
    options = {"add_prefix_space": request.param}
    options["special_tokens_in_text"] = True
    ours = LongformerTokenizer(*small_files, **options)
    return ours, reference(small_files, **options)


@pytest.mark.parametrize("kind", ["special", "whitespace", "contractions"])
def test_special_tokens_in_text(cutting, kind):
    generator = np.random.default_rng(5)
    texts = [
        "".join(
            piece + generator.choice([*SPECIAL_TOKENS, "", "", ""])
            for piece in text
        )
        for text in random_texts(kind, 400)
    ]
    assert_same_tokens(*cutting, texts)


def test_prefix_space(small_files):
    tokenizer = LongformerTokenizer(*small_files, add_prefix_space=True)
    wanted = reference(small_files, add_prefix_space=True)
    texts = [t for k in ALL_KINDS for t in random_texts(k, 100)]
    assert_same_tokens(tokenizer, wanted, texts)


def test_chosen_special_tokens(small):
    text = "a </s> <mask>"
    plain = small.tokenize(text).numpy().tolist()
    some = small.tokenize(text, ["<mask>"]).numpy().tolist()
    every = small.tokenize(text, True).numpy().tolist()
    assert not {small.end_token_id, small.mask_token_id} & set(plain)
    assert small.mask_token_id in some and small.end_token_id not in some
    assert {small.end_token_id, small.mask_token_id} <= set(every)


def test_special_tokens_do_not_cross_texts(small):
    ids = small.tokenize(["a<ma", "sk> ", "  <mask>"], True).to_list()
    assert ids[2] == [small.mask_token_id]
    assert ids[:2] == small.tokenize(["a<ma", "sk> "]).to_list()


def test_invalid_utf8(roberta, roberta_files):
    wanted = reference(roberta_files)
    generator = np.random.default_rng(3)
    valid = [text.encode() for text in random_texts("any", 300)]
    broken = []
    for text in valid:
        data = bytearray(text + b"ab")
        for at in generator.integers(0, len(data), 3):
            data[at] = generator.integers(0, 256)
        broken.append(bytes(data))
    broken += [generator.bytes(20) for _ in range(300)]
    ids = roberta.tokenize(tf.constant(broken)).to_list()
    for data, row in zip(broken, ids, strict=True):
        assert row == wanted.encode(data.decode("utf-8", "replace")).ids, data


def test_every_code_point(roberta, roberta_files):
    """Each beside a letter, a digit, a mark and a space, 200 a text."""
    wanted = reference(roberta_files)
    characters = [chr(c) for c in range(0x3100) if not 0xD800 <= c < 0xE000]
    characters += [chr(c) for c in range(0x10000, 0x10FFFF, 997)]
    texts = [
        "".join(f"a{c}1{c}!{c} {c}" for c in characters[i : i + 200])
        for i in range(0, len(characters), 200)
    ]
    assert_same_tokens(roberta, wanted, texts)


def test_long_words(roberta, roberta_files):
    """Words past the length at which another loop merges them."""
    generator = np.random.default_rng(4)
    letters = [*"etaoinshrdlu"]
    texts = ["".join(generator.choice(letters, 3_000)) for _ in range(5)]
    texts += ["a" * n for n in (511, 512, 513, 514, 1025)]
    texts += ["ab" * 700 + " short words " + "=" * 900, "the" * 400 + " end"]
    assert_same_tokens(roberta, reference(roberta_files), texts)


def random_vocabulary(seed: int) -> tuple[dict[str, int], list]:
    """Returns merges in no sensible order: parts that come after what they
    make, tokens made in several ways, rules that stand twice."""
    generator = np.random.default_rng(seed)
    known = ["a", "b", "c"]
    merges = []
    for _ in range(12):
        pair = tuple(str(token) for token in generator.choice(known, 2))
        if len("".join(pair)) <= 6:
            merges.append(pair)
            known.append("".join(pair))
    generator.shuffle(merges)
    merges = [tuple(str(token) for token in pair) for pair in merges]
    tokens = {token: i for i, token in enumerate(SPECIAL_TOKENS)}
    for token in known:
        tokens.setdefault(token, len(tokens))
    return tokens, merges


@pytest.mark.parametrize("seed", range(6))
def test_merges_in_any_order(seed):
    tokens, merges = random_vocabulary(seed)
    generator = np.random.default_rng(seed)
    texts = [
        "".join(generator.choice([*"aabc"], generator.integers(0, 40)))
        for _ in range(100)
    ]
    tables = build_merge_tables(merges, tokens, tokens["<unk>"])
    assert not tables.in_order  # So the careful loop is what runs here.
    tokenizer = LongformerTokenizer(tokens, merges)
    wanted = reference((tokens, merges))
    assert_same_tokens(tokenizer, wanted, texts)


def test_byte_without_token_is_unknown(tiny):
    tokens, merges = {**tiny.vocabulary}, tiny.merges
    del tokens["x"]
    tokenizer = LongformerTokenizer(tokens, merges)
    ids, starts, ends = tokenizer.tokenize_with_offsets("hxxello")
    unknown = tokenizer.unk_token_id
    names = [tokenizer.id_to_token(i) for i in ids]
    assert names == ["h", "<unk>", "<unk>", "ell", "o"]
    assert unknown == tokens["<unk>"]
    assert starts.numpy().tolist() == [0, 1, 2, 3, 6]
    assert ends.numpy().tolist() == [1, 2, 3, 6, 7]


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_detokenize_gives_the_text_back(small, kind):
    texts = random_texts(kind, 200)
    back = small.detokenize(small.tokenize(texts)).numpy()
    assert [data.decode() for data in back] == texts
