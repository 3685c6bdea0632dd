"""Masked blocks whole and in parts, and bits against NumPy."""

import keras
import numpy as np
import pytest

from keras_longformer import LongformerTokenizer
from keras_longformer.tasks.masked_lm.metrics import BitsPerCharacter
from keras_longformer.tasks.masked_lm.metrics import masked_blocks

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


@pytest.fixture(scope="module")
def tokenizer():
    letters = [chr(i) for i in range(ord("a"), ord("z") + 1)]
    vocabulary = {token: i for i, token in enumerate(SPECIAL + letters)}
    return LongformerTokenizer(vocabulary, [])


@pytest.fixture
def token_ids():
    return np.random.default_rng(0).integers(5, 31, (3, 70)).astype("int32")


def unmasked(x, y, weights):
    """The text that masked inputs came from, `(b, n)` with `<s>`, `</s>`."""
    ids = x["token_ids"].numpy()
    for row, columns, targets, real in zip(
        ids,
        x["mask_positions"].numpy(),
        y.numpy(),
        weights.numpy(),
        strict=True,
    ):
        row[columns[real > 0]] = targets[real > 0]
    return ids


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_targets_are_what_stood_there(tokenizer, token_ids, parts):
    x, y, weights = masked_blocks(token_ids, tokenizer, parts=parts)
    assert x["token_ids"].shape == (3 * parts, 70 // parts + 2)
    ids = unmasked(x, y, weights)
    np.testing.assert_array_equal(ids[:, 1:-1].reshape(3, 70), token_ids)
    assert (ids[:, 0] == 0).all() and (ids[:, -1] == 2).all()
    assert x["padding_mask"].numpy().all()
    assert weights.numpy().sum() == 3 * 11  # ceil(0.15 * 70)


def test_parts_hide_the_same_tokens(tokenizer, token_ids):
    whole, whole_y, _ = masked_blocks(token_ids, tokenizer, seed=3)
    split, split_y, weights = masked_blocks(
        token_ids, tokenizer, parts=5, seed=3
    )
    np.testing.assert_array_equal(
        split["token_ids"][:, 1:-1].numpy().reshape(3, 70),
        whole["token_ids"][:, 1:-1],
    )
    np.testing.assert_array_equal(
        split_y.numpy()[weights.numpy() > 0], whole_y.numpy().reshape(-1)
    )


def test_the_seed_decides_the_masks(tokenizer, token_ids):
    def masked(seed):
        x, _, _ = masked_blocks(token_ids, tokenizer, seed=seed)
        return x["token_ids"].numpy()

    np.testing.assert_array_equal(masked(1), masked(1))
    assert (masked(1) != masked(2)).any()


def test_refuses_parts_that_do_not_divide(tokenizer, token_ids):
    with pytest.raises(ValueError, match="parts=3, 70 tokens"):
        masked_blocks(token_ids, tokenizer, parts=3)


def test_bits_are_those_of_numpy():
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(2, 3, 5)).astype("float32")
    ids = generator.integers(0, 5, (2, 3))
    weights = np.array([[1, 1, 0], [1, 0, 0]], "float32")
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    bits = -np.log2(np.take_along_axis(shares, ids[..., None], -1)[..., 0])
    want = (bits * weights).sum() / weights.sum()
    for characters in (1.0, 2.5):
        metric = BitsPerCharacter(characters)
        metric.update_state(ids, logits, weights)
        np.testing.assert_allclose(metric.result(), want / characters, 1e-5)


def test_the_metric_is_saved_with_a_model():
    metric = BitsPerCharacter(3.25, name="bpc")
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert isinstance(again, BitsPerCharacter)
    assert again.get_config() == metric.get_config()
