"""Greedy and beam search, as transformers searches."""

import keras
import keras_hub
import tensorflow as tf

# A score that no sequence reaches, transformers' own.
WORST = -1.0e9
EARLY_STOPPING = (True, False, "never")


@keras.saving.register_keras_serializable(package="keras_longformer")
class BeamSearch(keras_hub.samplers.Sampler):
    """Looks for a likely text, with several beginnings at once.

    The same texts as transformers' `generate`. Each step extends the best
    `num_beams` beginnings by the best tokens of all. A beginning that ends,
    with `</s>` or at `max_length`, is finished; its score is the sum of its
    tokens' `log p`, divided by their number to the power `length_penalty`.
    KerasHub's `BeamSampler` has no finished texts, lengths or repetitions.

    For `LongformerSeq2SeqLM`, whose beams are rows of queries against one
    encoder's output: nothing is copied for a beam, or moved when beams change
    places.

    Args:
        num_beams: int; 1 is greedy search.
        length_penalty: float; above 0 favours longer texts.
        early_stopping: `True` ends at `num_beams` finished texts; `False` when
            none of the beginnings would, were it to end now, be better than
            the worst finished; `"never"` when none can become better.
        no_repeat_ngram_size: int, sequences of so many tokens come once only;
            0 for any.
        min_length: int, the fewest tokens before the one that ends, the first,
            `</s>`, included.
        forced_bos_token_id: int, the token after the first, or `None`.
        forced_eos_token_id: int, the token at `max_length`, or `None`.
        max_seconds: float, after which a batch ends with what it has, as by
            transformers' `max_time`; `None` for any. It is looked at after
            each token; reading the documents counts.

    Raises:
        ValueError: an argument that cannot be.

    Example:
    ```python
    summarizer.compile(sampler=keras_longformer.BeamSearch(
        num_beams=4, length_penalty=2.0, no_repeat_ngram_size=3))
    summarizer.generate(["A long document ..."], max_length=256)
    ```
    """

    def __init__(
        self,
        num_beams=1,
        length_penalty=1.0,
        early_stopping=False,
        no_repeat_ngram_size=0,
        min_length=0,
        forced_bos_token_id=None,
        forced_eos_token_id=None,
        max_seconds=None,
    ):
        super().__init__()
        for name, value, least in (
            ("num_beams", num_beams, 1),
            ("no_repeat_ngram_size", no_repeat_ngram_size, 0),
            ("min_length", min_length, 0),
        ):
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"`{name}` must be an integer, {least} or more. "
                    f"Received: {name}={value!r}"
                )
        if early_stopping not in EARLY_STOPPING:
            raise ValueError(
                f"`early_stopping` must be one of {EARLY_STOPPING}. "
                f"Received: early_stopping={early_stopping!r}"
            )
        if max_seconds is not None and not max_seconds > 0:
            raise ValueError(
                "`max_seconds` must be above 0, or `None`. "
                f"Received: max_seconds={max_seconds!r}"
            )
        self.num_beams = num_beams
        self.length_penalty = length_penalty
        self.early_stopping = early_stopping
        self.no_repeat_ngram_size = no_repeat_ngram_size
        self.min_length = min_length
        self.forced_bos_token_id = forced_bos_token_id
        self.forced_eos_token_id = forced_eos_token_id
        self.max_seconds = max_seconds

    def __call__(self, next, prompt, **kwargs):
        raise ValueError(
            "BeamSearch is for LongformerSeq2SeqLM, whose decoder takes beams "
            "as rows. For other models take `keras_hub.samplers.BeamSampler`."
        )

    def search(
        self,
        step,
        state,
        prompt,
        mask,
        stop_token_ids,
        pad_token_id,
        begun=None,
    ):
        """Fills rows, as a graph of one loop.

        Args:
            step: function of the last tokens int32 `(b, r)`, `state`, their
                place, int32 scalar, and `ancestry`, int32 `(b, r, n)`, which
                beam has the key of each place; returns logits `(b, r, v)` and
                the new state.
            state: nested tensors.
            prompt: int32 `(b, n)`, the beginnings, and room behind.
            mask: bool `(b, n)`, `True` at the beginnings' tokens.
            stop_token_ids: ints, which end a row, or `None`.
            pad_token_id: int, what stands behind the end.
            begun: float64 scalar, the `tf.timestamp` that `max_seconds` counts
                from; `None` without.

        Returns:
            int32 `(b, n)`, and float32 `(b,)`: the score; of greedy search,
            the sum of its tokens' `log p`.
        """
        stops = [int(i) for i in stop_token_ids or ()]
        args = step, state, prompt, mask, stops, pad_token_id, begun
        return (
            self._greedy(*args) if self.num_beams == 1 else self._beams(*args)
        )

    def _is_late(self, begun, *after):
        """Returns bool scalar: time is up once `after` are computed."""
        if self.max_seconds is None:
            return tf.constant(False)
        with tf.control_dependencies(after):
            return tf.timestamp() - begun >= self.max_seconds

    def _greedy(self, step, state, prompt, mask, stops, pad, begun):
        b, n = tf.shape(prompt)[0], tf.shape(prompt)[1]
        ancestry = tf.zeros([b, 1, n], tf.int32)

        def go_on(sequences, state, length, done, total):
            return ~tf.reduce_all(done)

        def extend(sequences, state, length, done, total):
            last = sequences[:, length - 1, None]
            logits, state = step(last, state, length - 1, ancestry)
            scores = tf.nn.log_softmax(logits)
            allowed = self._processed(
                logits, sequences[:, None], length, n, stops
            )
            token = tf.argmax(allowed[:, 0], -1, output_type=tf.int32)
            token = tf.where(done, pad, token)
            is_prompt = mask[:, length]
            token = tf.where(is_prompt, prompt[:, length], token)
            said = tf.gather(scores[:, 0], token, batch_dims=1)
            total += tf.where(done | is_prompt, 0.0, said)
            done |= ~is_prompt & _is_one_of(token, stops)
            done |= self._is_late(begun, token)
            sequences = _written(sequences[:, None], token[:, None], length)
            return sequences[:, 0], state, length + 1, done, total

        sequences, *_, total = tf.while_loop(
            go_on,
            extend,
            (
                _blank(prompt, mask, pad),
                state,
                tf.constant(1),
                tf.zeros([b], tf.bool),
                tf.zeros([b]),
            ),
            maximum_iterations=n - 1,
        )
        return sequences, total

    def _beams(self, step, state, prompt, mask, stops, pad, begun):
        b, n = tf.shape(prompt)[0], tf.shape(prompt)[1]
        beams = self.num_beams
        keep = max(2, 1 + len(stops)) * beams
        is_top = tf.range(keep) < beams
        start = tf.reduce_sum(tf.cast(mask, tf.int32), -1, keepdims=True)
        blank = _blank(prompt, mask, pad)
        blank = tf.tile(blank[:, None], [1, beams, 1])
        column = tf.range(beams)
        first = tf.where(column == 0, 0.0, WORST)
        running = {
            "ids": blank,
            "scores": tf.tile(first[None], [b, 1]),
            "ancestry": tf.zeros([b, beams, n], tf.int32),
        }
        finished = {
            "ids": blank,
            "scores": tf.fill([b, beams], WORST),
            "is": tf.zeros([b, beams], tf.bool),
        }

        def go_on(running, finished, state, length, can_improve, ended):
            goes_on = tf.reduce_any(can_improve) & ~ended
            if self.early_stopping is True:
                goes_on &= ~tf.reduce_all(finished["is"])
            return goes_on

        def extend(running, finished, state, length, can_improve, ended):
            ids = running["ids"]
            ancestry = tf.where(
                tf.range(n) == length - 1,
                column[:, None],
                running["ancestry"],
            )
            logits, state = step(
                ids[:, :, length - 1], state, length - 1, ancestry
            )
            scores = tf.nn.log_softmax(logits)
            scores = self._processed(scores, ids, length, n, stops)
            is_prompt = mask[:, length]
            scores = _forced(scores, prompt[:, length], is_prompt)
            scores += running["scores"][:, :, None]
            # The best of all beams' tokens.
            size = tf.shape(scores)[-1]
            top, index = tf.math.top_k(
                tf.reshape(scores, [b, beams * size]), keep
            )
            beam, token = index // size, index % size
            ids = _written(tf.gather(ids, beam, batch_dims=1), token, length)
            ends = _is_one_of(token, stops) & ~is_prompt[:, None]
            ends |= length + 1 >= n
            ends |= self._is_late(begun, top)
            # Those that go on.
            on = tf.where(ends, top + WORST, top)
            on, chosen = tf.math.top_k(on, beams)
            beam = tf.gather(beam, chosen, batch_dims=1)
            running = {
                "ids": tf.gather(ids, chosen, batch_dims=1),
                "scores": on,
                "ancestry": tf.gather(ancestry, beam, batch_dims=1),
            }
            # Those that are finished, with those from before.
            done = top / self._power(length + 1 - start)
            if self.early_stopping is True:
                full = tf.reduce_all(finished["is"], -1, keepdims=True)
                done = tf.where(full, done + WORST, done)
            done = tf.where(can_improve, done, done + WORST)
            is_done = ends & is_top
            done = tf.where(is_done, done, done + WORST)
            done = tf.concat([finished["scores"], done], 1)
            done, chosen = tf.math.top_k(done, beams)
            finished = {
                "ids": _chosen(finished["ids"], ids, chosen),
                "scores": done,
                "is": _chosen(finished["is"], is_done, chosen),
            }
            length += 1
            # Whether what goes on can still become better.
            reached = length - start
            if self.early_stopping == "never" and self.length_penalty > 0:
                reached = n - start
            best = on[:, :1] / self._power(reached)
            worst = tf.reduce_min(done, -1, keepdims=True)
            worst = tf.where(finished["is"], worst, WORST)
            better = tf.reduce_any(best > worst, -1, keepdims=True)
            can_improve &= better | (length <= start)
            ended = tf.reduce_all(ends)
            return running, finished, state, length, can_improve, ended

        _, finished, *_ = tf.while_loop(
            go_on,
            extend,
            (
                running,
                finished,
                state,
                tf.constant(1),
                tf.ones([b, 1], tf.bool),
                tf.constant(False),
            ),
            maximum_iterations=n - 1,
        )
        return finished["ids"][:, 0], finished["scores"][:, 0]

    def _power(self, length):
        """Returns float32, lengths to the power of the penalty."""
        # In float64, as Python computes it.
        length = tf.cast(tf.maximum(length, 1), tf.float64)
        return tf.cast(length**self.length_penalty, tf.float32)

    def _processed(self, scores, ids, length, n, stops):
        """Returns scores `(b, r, v)`, of what may not come minus infinity."""
        vocabulary = tf.range(tf.shape(scores)[-1])
        if self.no_repeat_ngram_size:
            scores = _without_repetition(
                scores, ids, length, self.no_repeat_ngram_size
            )
        if self.min_length and stops:
            is_too_early = _is_one_of(vocabulary, stops)
            is_too_early &= length < self.min_length
            scores = tf.where(is_too_early, float("-inf"), scores)
        for forced, place in (
            (self.forced_bos_token_id, 1),
            (self.forced_eos_token_id, n - 1),
        ):
            if forced is not None:
                here = tf.fill(tf.shape(scores)[:1], length == place)
                token = tf.fill(tf.shape(scores)[:1], forced)
                scores = _forced(scores, token, here)
        return scores

    def get_config(self):
        return {
            "num_beams": self.num_beams,
            "length_penalty": self.length_penalty,
            "early_stopping": self.early_stopping,
            "no_repeat_ngram_size": self.no_repeat_ngram_size,
            "min_length": self.min_length,
            "forced_bos_token_id": self.forced_bos_token_id,
            "forced_eos_token_id": self.forced_eos_token_id,
            "max_seconds": self.max_seconds,
        }


def _blank(prompt, mask, pad):
    return tf.where(mask, prompt, pad)


def _written(ids, token, place):
    """Writes `token`, `(b, r)`, at a place of `ids`, `(b, r, n)`."""
    is_here = tf.range(tf.shape(ids)[-1]) == place
    return tf.where(is_here, token[..., None], ids)


def _is_one_of(tokens, stops):
    """Returns bool of the shape of `tokens`."""
    found = tf.zeros_like(tokens, tf.bool)
    for stop in stops:
        found |= tf.equal(tokens, stop)
    return found


def _forced(scores, token, here):
    """Returns scores `(b, r, v)`; where `here`, `(b,)`, is `True`, 0 of
    `token`, `(b,)`, and minus infinity of all others."""
    is_it = tf.equal(tf.range(tf.shape(scores)[-1]), token[:, None])
    alone = tf.where(is_it, 0.0, float("-inf"))[:, None]
    return tf.where(here[:, None, None], alone, scores)


def _chosen(before, new, index):
    return tf.gather(tf.concat([before, new], 1), index, batch_dims=1)


def _without_repetition(scores, ids, length, size):
    """Returns scores without what would repeat `size` tokens of a row.

    Of the row a b c a b and `size` 3, the last two are `a b`, which `c`
    followed before: it may not again.
    """
    b, r, n = (tf.shape(ids)[axis] for axis in range(3))
    count = tf.maximum(n - size + 1, 0)  # Sequences of this size.
    starts = tf.range(count)
    is_same = starts + size <= length
    is_same = tf.tile(is_same[None, None], [b, r, 1])
    for offset in range(size - 1):
        last = tf.maximum(length - size + 1 + offset, 0)
        shifted = ids[:, :, offset : offset + count]
        is_same &= tf.equal(shifted, ids[:, :, last, None])
    follows = ids[:, :, size - 1 :]
    rows = tf.meshgrid(tf.range(b), tf.range(r), starts, indexing="ij")
    where = tf.stack([rows[0], rows[1], follows], axis=-1)
    limit = tf.where(is_same, float("-inf"), float("inf"))
    return tf.tensor_scatter_nd_min(scores, where, limit)
