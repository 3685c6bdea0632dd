"""Finds any of a set of strings in texts: of the leftmost the longest.

What an Aho-Corasick automaton gives, for a whole batch at once: a trie of the
strings is walked from every character that one of them begins with.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

STATE_BITS = 21  # All code points are below 2**21.


class Trie:
    """A set of strings, one character a step.

    Args:
        strings: str, different ones, none empty.
    """

    def __init__(self, strings: Sequence[str]):
        children = [{}]
        self.ends = {}  # The index of the string that ends in a state.
        for index, string in enumerate(strings):
            state = 0
            for character in string:
                if character not in children[state]:
                    children[state][character] = len(children)
                    children.append({})
                state = children[state][character]
            self.ends[state] = index
        self.firsts = sorted(ord(character) for character in children[0])
        steps = sorted(
            ((state << STATE_BITS) + ord(character), child)
            for state, of_state in enumerate(children)
            for character, child in of_state.items()
        )
        self.keys = np.array([key for key, _ in steps], np.int64)
        self.children = np.array([child for _, child in steps], np.int64)
        self.string_of = np.full(len(children), -1, np.int32)
        for state, index in self.ends.items():
            self.string_of[state] = index
        self.has_prefixes = any(children[state] for state in self.ends)
        # Whether one can begin within another, or within itself.
        self.may_overlap = any(
            ord(character) in self.firsts
            for string in strings
            for character in string[1:]
        )


def find_strings(
    code_points: tf.Tensor, barred: tf.Tensor, trie: Trie
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns where strings of a trie stand, from left to right.

    Args:
        code_points: int32 `(characters,)`.
        barred: bool `(characters + 1,)`, where no string may go on: the first
            character behind each piece of text. A string may begin there.
        trie: the strings.

    Returns:
        int64 `starts` and `ends`, and int32 `index`, one of each string found,
        without overlap.
    """
    firsts = tf.constant(trie.firsts, tf.int32)
    if len(trie.firsts) <= 4:  # So few comparisons cost less than a search.
        is_first = tf.equal(code_points, firsts[0])
        for first in trie.firsts[1:]:
            is_first |= tf.equal(code_points, first)
    else:
        is_first = _is_in(code_points, firsts)[1]
    starts = tf.where(is_first)[:, 0]
    ends, index = _walk(code_points, barred, trie, starts)
    found = index >= 0
    spans = [tf.boolean_mask(x, found) for x in (starts, ends, index)]
    if trie.may_overlap:
        kept = _one_behind_another(*spans[:2])
        spans = [tf.boolean_mask(x, kept) for x in spans]
    return tuple(spans)


def _walk(code_points, barred, trie, starts):
    """Returns the end and index of the longest string at each start, or -1."""
    keys = tf.constant(trie.keys)
    children = tf.constant(trie.children)
    string_of = tf.constant(trie.string_of)
    # One more character after all, at which every walk ends: it is barred.
    code_points = tf.concat([code_points, [0]], 0)

    def step(depth, rows, state, ends, index):
        at = tf.gather(starts, rows) + depth
        key = state * (1 << STATE_BITS) + tf.cast(
            tf.gather(code_points, at), tf.int64
        )
        slot, found = _is_in(key, keys)
        found &= ~tf.gather(barred, at) | tf.equal(depth, 0)
        rows = tf.boolean_mask(rows, found)
        state = tf.gather(children, tf.boolean_mask(slot, found))
        string = tf.gather(string_of, state)
        whole = tf.where(string >= 0)
        rows_here = tf.gather_nd(rows, whole)[:, None]
        ends = tf.tensor_scatter_nd_update(
            ends, rows_here, tf.gather_nd(tf.boolean_mask(at, found), whole) + 1
        )
        index = tf.tensor_scatter_nd_update(
            index, rows_here, tf.gather_nd(string, whole)
        )
        return depth + 1, rows, state, ends, index

    shape = tf.TensorShape([None])
    *_, ends, index = tf.while_loop(
        lambda depth, rows, *_: tf.size(rows) > 0,
        step,
        [
            tf.constant(0, tf.int64),
            tf.range(tf.size(starts)),
            tf.zeros_like(starts),
            starts,
            tf.fill(tf.shape(starts), -1),
        ],
        shape_invariants=[tf.TensorShape([]), shape, shape, shape, shape],
    )
    return ends, index


def _is_in(values, ordered):
    """Returns the place of each value among ordered ones, and if it is one."""
    slot = tf.searchsorted(ordered, values)
    slot = tf.minimum(slot, tf.size(ordered) - 1)
    return slot, tf.equal(tf.gather(ordered, slot), values)


def _one_behind_another(starts: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
    """Returns bool: which spans a search from left to right comes upon.

    The first, the first that begins behind it, and so on. Steps of this kind
    are doubled until one leads behind all spans, so a long text takes few.

    Args:
        starts, ends: int64, in ascending order of `starts`, all different.
    """
    count = tf.size(starts)
    step = tf.searchsorted(starts, ends)
    step = tf.concat([step, [count]], 0)  # The end leads to itself.
    reached = tf.one_hot(0, count + 1, True, False, dtype=tf.bool)

    def double(step, reached):
        targets = tf.boolean_mask(tf.range(count + 1), reached)
        targets = tf.gather(step, targets)[:, None]
        more = tf.ones_like(targets[:, 0])
        more = tf.scatter_nd(targets, more, [count + 1]) > 0
        return tf.gather(step, step), reached | more

    shape = tf.TensorShape([None])
    _, reached = tf.while_loop(
        lambda step, _: step[0] < count,
        double,
        [step, reached],
        shape_invariants=[shape, shape],
    )
    return reached[:-1]
