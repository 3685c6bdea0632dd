"""The longest pieces, against the loop that WordPiece is defined by."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_longformer.tokenizers.word_piece.matching import Matcher
from keras_longformer.tokenizers.word_piece.trie import NO_PARENT
from keras_longformer.tokenizers.word_piece.trie import REST
from keras_longformer.tokenizers.word_piece.trie import WORD
from keras_longformer.tokenizers.word_piece.trie import build_trie

UNKNOWN = 999
SYMBOLS = st.integers(2, 4)
PIECES = st.sets(
    st.tuples(SYMBOLS) | st.lists(SYMBOLS, min_size=1, max_size=5).map(tuple),
    max_size=12,
)
WORDS = st.lists(
    st.lists(st.integers(1, 4), min_size=1, max_size=12), max_size=6
)


def defined(word, first, other, longest):
    """Returns (id, start, end) of each piece."""
    unknown = [(UNKNOWN, 0, len(word))]
    if len(word) > longest:
        return unknown
    found, start = [], 0
    while start < len(word):
        pieces = other if start else first
        for end in range(len(word), start, -1):
            if tuple(word[start:end]) in pieces:
                found.append((pieces[tuple(word[start:end])], start, end))
                start = end
                break
        else:
            return unknown
    return found


@settings(max_examples=30, deadline=None)
@given(first=PIECES, other=PIECES, words=WORDS, apart=st.booleans())
def test_as_defined(first, other, words, apart):
    """With blanks between words or without, where only starts tell."""
    first = {piece: i for i, piece in enumerate(sorted(first))}
    other = {piece: 100 + i for i, piece in enumerate(sorted(other))}
    match = Matcher(
        first,
        other,
        num_symbols=5,
        unknown_id=UNKNOWN,
        max_word_characters=10,
    )
    text, starts, wanted = [], [], []
    for word in words:
        at = len(text)
        starts.append(at)
        text += word + [0] * apart
        for i, start, end in defined(word, first, other, 10):
            wanted.append((i, at + start, end - start))
    ends = [s + len(w) for s, w in zip(starts, words, strict=True)]
    got = match(*(tf.constant(x, tf.int32) for x in (text, starts, ends)))
    got = np.stack(got, -1).tolist()
    assert [tuple(row) for row in got] == wanted


@pytest.mark.parametrize("num_symbols", [3, 500])
def test_trie(num_symbols):
    """Every piece is at the end of its path, and nothing else is a child."""
    generator = np.random.default_rng(0)
    pieces = {
        tuple(generator.integers(2, num_symbols, generator.integers(1, 7))): i
        for i in range(300)
    }
    pieces = {tuple(map(int, piece)): i for piece, i in pieces.items()}
    trie = build_trie(pieces, {}, num_symbols)
    num_edges = len({p[: i + 1] for p in pieces for i in range(len(p))})
    assert (trie.parents != NO_PARENT).sum() == num_edges
    assert len(trie.parents) >= trie.bases.max() + num_symbols
    for piece, i in pieces.items():
        node = WORD
        for symbol in piece:
            child = trie.bases[node] + symbol
            assert trie.parents[child] == node
            node = child
        assert (trie.piece_ids[node], trie.piece_sizes[node]) == (i, len(piece))
    below = trie.bases[REST] + np.arange(2, num_symbols)
    assert REST not in trie.parents[below]
