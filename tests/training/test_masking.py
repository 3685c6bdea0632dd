"""Random masking: how much, where, and the same for the same seed."""

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.training.masking import find_tokens
from keras_longformer.training.masking import mask_tokens

MASK, SIZE = 7, 1000


def masked(token_ids, selectable, seed=(1, 2), **options):
    result = mask_tokens(
        tf.constant(token_ids),
        tf.constant(selectable),
        mask_id=MASK,
        vocabulary_size=SIZE,
        seed=tf.constant(seed),
        **options,
    )
    return [tensor.numpy() for tensor in result]


@pytest.fixture
def batch():
    """Rows of 2,003 distinct-looking tokens, 0, 1, 40 and all selectable."""
    generator = np.random.default_rng(0)
    token_ids = generator.integers(10, SIZE, (4, 2003)).astype(np.int32)
    selectable = np.zeros(token_ids.shape, bool)
    selectable[1, 5] = True
    selectable[2, 100:140] = True
    selectable[3] = True
    return token_ids, selectable


@pytest.mark.parametrize("selection_length", [None, 305, 10])
def test_what_is_selected(batch, selection_length):
    token_ids, selectable = batch
    ids, positions, originals, weights = masked(
        *batch, selection_length=selection_length
    )
    limit = selection_length or 301
    counts = np.minimum([0, 1, 6, 301], limit)
    assert positions.shape == originals.shape == weights.shape == (4, limit)
    assert weights.sum(1).tolist() == counts.tolist()
    changed = token_ids.copy()
    for row, count in enumerate(counts):
        at = positions[row, :count]
        assert (np.diff(at) > 0).all() and selectable[row, at].all()
        assert (originals[row, :count] == token_ids[row, at]).all()
        assert not positions[row, count:].any()
        assert not originals[row, count:].any()
        changed[row, at] = ids[row, at]
    assert (ids == changed).all()  # Nothing else was touched.


def test_how_selected_tokens_are_replaced():
    token_ids = np.full((64, 1009), 500, np.int32)
    ids, positions, *_ = masked(token_ids, np.ones_like(token_ids, bool))
    new = np.take_along_axis(ids, positions, 1)
    assert abs((new == MASK).mean() - 0.8) < 0.02
    assert abs((new == 500).mean() - 0.1) < 0.02
    random = new[(new != MASK) & (new != 500)]
    assert abs(random.mean() - SIZE / 2) < 20
    # Every position is as likely as any other.
    assert abs(positions.mean() - 504) < 10


@pytest.mark.parametrize("rates", [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_rates(batch, rates):
    token_ids, selectable = batch
    ids, positions, originals, _ = masked(
        *batch, mask_token_rate=rates[0], random_token_rate=rates[1]
    )
    new = np.take_along_axis(ids, positions, 1)[3]
    if rates[0]:
        assert (new == MASK).all()
    else:
        assert (new == originals[3]).mean() == pytest.approx(
            1 - rates[1], abs=0.02
        )


def test_seed_decides(batch):
    first, again = masked(*batch), masked(*batch)
    other = masked(*batch, seed=(1, 3))
    for a, b in zip(first, again, strict=True):
        assert (a == b).all()
    assert (first[1] != other[1]).any()


def test_a_row_by_itself(batch):
    """With a seed for each row, the rows beside it do not matter."""
    token_ids, selectable = batch
    seeds = np.array([[9, i] for i in range(4)], np.int32)
    own = dict(selection_length=305)
    together = masked(token_ids, selectable, seeds, **own)
    for row in range(4):
        at = slice(row, row + 1)
        alone = masked(token_ids[at], selectable[at], seeds[at], **own)
        for a, b in zip(alone, together, strict=True):
            assert (a[0] == b[row]).all()
    at = np.sort(together[1][2:], 1)
    assert (at[0] != at[1]).any()


WORDS = [1, 3, 1, 2, 30, 1, 1, 5] * 20


@pytest.mark.parametrize("length", [None, 40])
def test_whole_words(length):
    n = sum(WORDS) + 3
    starts, selectable = np.zeros((2, n), bool), np.ones((2, n), bool)
    starts[0, np.cumsum([0, *WORDS])] = True
    selectable[:, [0, 50, n - 1]] = False
    ids = np.full((2, n), 500, np.int32)
    _, positions, _, weights = masked(
        ids, selectable, word_starts=starts, selection_length=length
    )
    # A plain loop over words, which are never longer than 12.
    for row in range(2):
        chosen = np.zeros(n, bool)
        chosen[positions[row, weights[row] == 1]] = True
        assert not (chosen & ~selectable[row]).any()
        words = []
        for i in range(n):
            if not selectable[row, i]:
                words.append([])
            elif starts[row, i] or not words[-1] or len(words[-1]) == 12:
                words.append([i])
            else:
                words[-1].append(i)
        assert all(len(set(chosen[word])) < 2 for word in words if word)
        most = length or np.ceil(selectable[row].sum() * 0.15)
        assert most - 12 < chosen.sum() <= most
    # Each word is as likely as any other.
    rows = [np.repeat(x[:1], 200, 0) for x in (ids, selectable, starts)]
    _, positions, _, weights = masked(*rows[:2], word_starts=rows[2])
    counts = np.bincount(positions[weights == 1], minlength=n)
    rate = counts[selectable[0]].mean() / 200
    assert 0.14 < rate <= 0.151
    halves = counts[1:400].mean(), counts[500:].mean()
    assert abs(halves[0] - halves[1]) < 3


def test_short_rows_and_long_selection():
    _, positions, _, weights = masked(
        [[3, 4]], [[True, True]], selection_length=5
    )
    assert positions.shape == (1, 5) and weights.sum() == 1
    empty = masked(np.zeros((0, 4), np.int32), np.zeros((0, 4), bool))
    assert empty[1].shape == (0, 0)


def test_find_tokens():
    positions, is_real = find_tokens(tf.constant([[7, 1, 7], [1, 1, 7]]), 7)
    assert positions.numpy().tolist() == [[0, 2], [2, 0]]
    assert is_real.numpy().tolist() == [[True, True], [True, False]]
    positions, is_real = find_tokens(tf.constant([[1, 2]]), 7)
    assert positions.shape == is_real.shape == [1, 0]
