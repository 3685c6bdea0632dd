"""Compares a tokenizer with `AutoTokenizer` of the same folder."""

import pytest
import tensorflow as tf

from keras_longformer.text.packing import pack


@pytest.fixture
def eagerly():
    """Runs graphs op by op: most of a new tokenizer's time is tracing."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def theirs(folder):
    return pytest.importorskip("transformers").AutoTokenizer.from_pretrained(
        str(folder)
    )


def check_rows(ours, wanted, texts):
    """Compares rows and pairs, special tokens recognised in the texts.

    Yields each text with our offsets and theirs, `[(start, end), ...]`.
    """
    tokens = ours.tokenize_with_offsets(texts, True)
    template = ours.row_template
    got = pack(tokens.ids, template=template, pad_to="longest")
    want = wanted(texts, padding=True)
    assert got.token_ids.numpy().tolist() == want["input_ids"]
    second = tokens.ids[::-1]
    got = pack(tokens.ids, second, template=template, pad_to="longest")
    want = wanted(texts, texts[::-1], padding=True)
    assert got.token_ids.numpy().tolist() == want["input_ids"]
    if template.token_types is None and "token_type_ids" in want:
        assert not any(map(any, want["token_type_ids"]))
    offsets = zip(tokens.starts.to_list(), tokens.ends.to_list(), strict=True)
    backend = wanted.backend_tokenizer
    return [
        (
            text,
            [*zip(*spans, strict=True)],
            backend.encode(text, add_special_tokens=False).offsets,
        )
        for text, spans in zip(texts, offsets, strict=True)
    ]


def check_texts(ours, wanted, texts):
    """Compares ids, and types of pairs, of texts without control tokens."""
    control = ours.control_tokens
    plain = [t for t in texts if not any(c in t for c in control)]
    assert len(plain) > 5
    ids = ours.tokenize(plain)
    assert ids.to_list() == wanted(plain, add_special_tokens=False)["input_ids"]
    template = ours.row_template
    if template.token_types is not None:
        got = pack(ids, ids[::-1], template=template, pad_to="longest")
        types = template.token_type_ids(got.token_ids, got.padding_mask)
        want = wanted(plain, plain[::-1], padding=True)["token_type_ids"]
        assert types.numpy().tolist() == want
