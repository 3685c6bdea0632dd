"""Merges the bytes of words into tokens, all words at once.

Byte pair encoding merges the adjacent pair of lowest rank, the leftmost where
there are several, until no rule applies. Here every round of a loop does that
for all words together: their tokens lie in one vector, with a second vector
saying which word each belongs to.
"""

import tensorflow as tf

from keras_longformer.tokenizers.byte_pair.merge_tables import MergeTables
from keras_longformer.tokenizers.characters import cpu_constant
from keras_longformer.tokenizers.characters import shifted_right

NO_RULE = tf.int32.max
# A longer word, seldom text, gets its own loop: fewer rounds, dearer ones.
LONG_WORD_BYTES = 512
VECTOR = tf.TensorShape([None])
SCALAR = tf.TensorShape([])


class MergeLoop:
    """Applies the rules of `tables` to the bytes of words.

    Exact for any rules. Rules that are not `tables.in_order` take one round
    for every merge of a word instead of one for every rule that applies.
    """

    def __init__(self, tables: MergeTables):
        self._longest = tables.longest
        self._in_order = tables.in_order
        self._displacements = cpu_constant(tables.displacements)
        self._rules = cpu_constant(tables.rules)
        self._lefts = cpu_constant(tables.lefts)
        self._results = cpu_constant(tables.results)

    def __call__(
        self, tokens: tf.Tensor, words: tf.Tensor, sizes: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the tokens that are left when no rule applies any more.

        Args:
            tokens: int32 `(tokens,)`, the bytes of all words.
            words: int32 `(tokens,)`, ascending, the word of each byte.
            sizes: int32 `(words,)`, the number of bytes of each word.

        Returns:
            The tokens and the word of each. The words' own order is lost;
            within a word the tokens are in order.
        """
        num_words = tf.size(sizes)
        if not self._in_order:
            return self._merge_words(tokens, words, num_words)
        is_long = sizes > LONG_WORD_BYTES
        return tf.cond(
            tf.reduce_any(is_long),
            lambda: self._merge_separately(tokens, words, is_long),
            lambda: self._merge_words(tokens, words, num_words),
        )

    def _merge_separately(self, tokens, words, is_long):
        """Merges long words in the loop that is made for them."""
        is_long_token = tf.gather(is_long, words)
        long = tf.where(is_long_token)[:, 0]
        short = tf.where(~is_long_token)[:, 0]
        short_tokens, short_words = self._merge_words(
            tf.gather(tokens, short), tf.gather(words, short), tf.size(is_long)
        )
        long_tokens, long_words = self._merge_long_words(
            tf.gather(tokens, long), tf.gather(words, long)
        )
        return (
            tf.concat([short_tokens, long_tokens], 0),
            tf.concat([short_words, long_words], 0),
        )

    def _merge_words(self, tokens, words, num_words):
        """Merges each word's best pair; a word that has none leaves the loop.

        A word of `s` tokens takes at most `s - 1` rounds, and the number of
        rounds is that of the word that needs the most.
        """

        def merge_once(tokens, words, done_tokens, done_words, _):
            rules, applies = self._rules_of_pairs(tokens, words)
            ranks = tf.where(applies, rules, NO_RULE)
            best = tf.math.unsorted_segment_min(ranks, words[:-1], num_words)
            is_best = tf.equal(ranks, tf.gather(best, words[:-1]))
            taken = self._one_at_a_time(applies & is_best, words, num_words)
            tokens, swallowed = self._replaced(tokens, rules, taken)
            is_done = tf.gather(
                tf.cast(tf.equal(best, NO_RULE), tf.int32), words
            )
            # 0 goes on, 1 is done, 2 is gone.
            fate = tf.where(swallowed, 2, is_done)
            tokens, tokens_now_done, _ = tf.dynamic_partition(tokens, fate, 3)
            words, words_now_done, _ = tf.dynamic_partition(words, fate, 3)
            return (
                tokens,
                words,
                tf.concat([done_tokens, tokens_now_done], 0),
                tf.concat([done_words, words_now_done], 0),
                tf.size(tokens) > 1,
            )

        nothing = tf.zeros([0], tf.int32)
        tokens, words, done_tokens, done_words, _ = tf.while_loop(
            lambda *state: state[-1],
            merge_once,
            [tokens, words, nothing, nothing, tf.size(tokens) > 1],
            [VECTOR, VECTOR, VECTOR, VECTOR, SCALAR],
            parallel_iterations=1,
        )
        return (
            tf.concat([done_tokens, tokens], 0),
            tf.concat([done_words, words], 0),
        )

    def _merge_long_words(self, tokens, words):
        """Merges every pair that is the best of its surroundings.

        A lower rank further away than the longest token's number of bytes
        cannot matter: the token that grows from there would have to be longer
        than any token is. So a long word takes few rounds, not one for each
        of its different pairs.
        """

        def merge_once(tokens, words, _):
            rules, applies = self._rules_of_pairs(tokens, words)
            ranks = tf.where(applies, rules, NO_RULE)
            best = _minimum_around(ranks, self._longest)
            taken = _every_second(applies & tf.equal(ranks, best), ranks)
            tokens, swallowed = self._replaced(tokens, rules, taken)
            kept = tf.where(~swallowed)[:, 0]
            return (
                tf.gather(tokens, kept),
                tf.gather(words, kept),
                tf.reduce_any(taken),
            )

        tokens, words, _ = tf.while_loop(
            lambda *state: state[-1],
            merge_once,
            [tokens, words, tf.size(tokens) > 1],
            [VECTOR, VECTOR, SCALAR],
            parallel_iterations=1,
        )
        return tokens, words

    def _rules_of_pairs(self, tokens, words):
        """Returns each pair's one possible rule and whether it applies."""
        left, right = tokens[:-1], tokens[1:]
        place = tf.gather(self._displacements, left) + right
        rules = tf.gather(self._rules, place)
        applies = tf.equal(tf.gather(self._lefts, rules), left)
        return rules, applies & tf.equal(words[:-1], words[1:])

    def _replaced(self, tokens, rules, taken):
        """Puts what a taken pair makes where its left token was.

        Returns:
            The tokens, and whether each is the right one of a taken pair,
            which has to go.
        """
        left = tf.where(taken, tf.gather(self._results, rules), tokens[:-1])
        tokens = tf.concat([left, tokens[-1:]], 0)
        return tokens, tf.concat([[False], taken], 0)

    def _one_at_a_time(self, best, words, num_words):
        """Returns which of the words' best pairs may be merged together."""
        if not self._in_order:
            return _first_of_word(best, words[:-1], num_words)
        return tf.cond(
            tf.reduce_any(best & shifted_right(best, False)),
            lambda: _without_overlaps(best),
            lambda: best,
        )


def _without_overlaps(best: tf.Tensor) -> tf.Tensor:
    """Keeps every second pair of a run: `aaaa` has `aa` twice, not thrice.

    Two best pairs of a word that touch are equal pairs of equal tokens.
    """
    return best & _is_even(best & ~shifted_right(best, False))


def _every_second(best: tf.Tensor, ranks: tf.Tensor) -> tf.Tensor:
    """`_without_overlaps` where a part of a run may be best: the run counts
    from its first pair, and is left alone if that one is not best."""
    run_starts = tf.not_equal(ranks, shifted_right(ranks, -1))
    run_of = tf.cumsum(tf.cast(run_starts, tf.int32)) - 1
    first = tf.gather(tf.where(run_starts)[:, 0], run_of)
    return best & tf.gather(best, first) & _is_even(run_starts)


def _is_even(run_starts: tf.Tensor) -> tf.Tensor:
    """Returns whether a position is an even number after its run's start."""
    run_of = tf.cumsum(tf.cast(run_starts, tf.int32)) - 1
    starts = tf.cast(tf.where(run_starts)[:, 0], tf.int32)
    start = tf.gather(starts, tf.maximum(run_of, 0))
    return tf.equal((tf.range(tf.size(run_starts)) - start) % 2, 0)


def _first_of_word(
    taken: tf.Tensor, words: tf.Tensor, num_words: tf.Tensor
) -> tf.Tensor:
    """Keeps the leftmost taken pair of each word."""
    position = tf.range(tf.size(taken))
    ranked = tf.where(taken, position, tf.int32.max)
    first = tf.math.unsorted_segment_min(ranked, words, num_words)
    return taken & tf.equal(position, tf.gather(first, words))


def _minimum_around(values: tf.Tensor, reach: int) -> tf.Tensor:
    """Returns the least value from `reach` to the left to `reach` to the
    right, or a little further, by doubling."""
    before = behind = values
    size = tf.size(values)
    for step in range(reach.bit_length()):
        distance = tf.minimum(1 << step, size)
        filler = tf.fill([distance], NO_RULE)
        before = tf.minimum(
            before, tf.concat([filler, before[: size - distance]], 0)
        )
        behind = tf.minimum(behind, tf.concat([behind[distance:], filler], 0))
    return tf.minimum(before, behind)
