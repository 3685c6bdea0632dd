"""The answer of an exported character language model: how a text goes on."""

import keras_hub
import numpy as np
import tensorflow as tf

from keras_longformer.tasks.char_lm import generation

MAX_NEW_TOKENS = 256


class PromptAnswer:
    """Prompts, string `(b,)`, gone on with.

    `completion` string `(b,)`, what follows each prompt; `text` string `(b,)`,
    the prompt and what follows; `log_probability` float32 `(b,)`, the sum of
    the model's `log p` over the tokens that follow, <end> included;
    `token_ids` int32 `(b, max_new_tokens)`, those tokens, then <pad>.

    Each prompt is gone on with for `max_new_tokens` tokens, or to the
    tokenizer's <end>; memory is that of the windows, not of the length. An
    empty prompt fails its request, unless rows begin with <end>
    (`add_start_token` of the preprocessor).

    Args:
        task: a `LongformerCharLM` with a preprocessor, whose `sampler` chooses.
        max_new_tokens: int, by default 256.

    Raises:
        ValueError: no preprocessor, or a sampler that looks at several tokens
            at once.
    """

    options = ()
    probe = ("a", "b c", "once upon a time " * 5)

    def __init__(self, task, max_new_tokens=None):
        if task.preprocessor is None:
            raise ValueError(
                f"'{task.name}' has no preprocessor to turn texts into token "
                "ids with. Set `preprocessor`."
            )
        sampler = getattr(task, "sampler", None)
        if sampler is None:
            raise ValueError(
                f"'{task.name}' has no sampler. Say how tokens are chosen: "
                '`compile(sampler="greedy")`.'
            )
        base = keras_hub.samplers.Sampler
        if (
            type(sampler).__call__ is not base.__call__
            or type(sampler).get_next_token is base.get_next_token
        ):
            raise ValueError(
                "An export chooses token by token: by greedy, top_k, top_p or "
                f"random. Received: {type(sampler).__name__}."
            )
        self.task = task
        self.sampler = sampler
        self.max_new_tokens = max_new_tokens or MAX_NEW_TOKENS
        self.repeats = isinstance(sampler, keras_hub.samplers.GreedySampler)
        alphabet = task.preprocessor.tokenizer.get_vocabulary()
        kept = (
            "".join(c for c in text if c in alphabet) for text in self.probe
        )
        fallback = task.preprocessor.tokenizer.id_to_token(0)
        self.probe = tuple(text or fallback for text in kept)

    def answers(self, texts):
        """Returns the outputs, dict of tensors, of prompts, string `(b,)`."""
        preprocessor, room = self.task.preprocessor, self.max_new_tokens
        with tf.device("CPU"):
            token_ids, lengths = preprocessor.prompts(texts, room)
        token_ids, log_probability = self._filled(token_ids, lengths)
        column = tf.range(tf.shape(token_ids)[1])
        is_prompt = column < lengths[:, None]
        is_new = ~is_prompt & (column < lengths[:, None] + room)
        return {
            "completion": preprocessor.texts_of(token_ids, is_new),
            "text": preprocessor.texts_of(token_ids, is_prompt | is_new),
            "log_probability": log_probability,
            "token_ids": tf.gather(
                token_ids,
                lengths[:, None] + tf.range(room),
                batch_dims=1,
            ),
        }

    def _filled(self, token_ids, lengths):
        """Generates in one loop; behind <end> all is padding."""
        tokenizer = self.task.preprocessor.tokenizer
        backbone, room = self.task.backbone, self.max_new_tokens
        b, n = tf.shape(token_ids)[0], tf.shape(token_ids)[1]
        first = tf.reduce_min(tf.concat([lengths, [n - room]], 0))
        check = tf.debugging.Assert(first > 0, [generation.EMPTY])
        with tf.control_dependencies([] if check is None else [check]):
            first = tf.identity(first)
        cache = generation.build_cache(backbone, token_ids[:, :first])
        keys = generation.position_keys(backbone)

        def go_on(token_ids, cache, index, done, total):
            return ~tf.reduce_all(done)

        def fill(token_ids, cache, index, done, total):
            place = index - 1
            logits, _, cache = generation.step(
                backbone,
                token_ids[:, place : place + 1],
                cache,
                place,
                keys,
            )
            logits = tf.cast(logits[:, 0], tf.float32)
            chances = self.sampler.compute_probabilities(logits)
            chosen = self.sampler.get_next_token(chances)
            chosen = tf.cast(chosen, token_ids.dtype)
            is_prompt = index < lengths
            token = tf.where(done, tokenizer.pad_token_id, chosen)
            token = tf.where(is_prompt, token_ids[:, index], token)
            log_chance = -tf.nn.sparse_softmax_cross_entropy_with_logits(
                chosen, logits
            )
            total += tf.where(is_prompt | done, 0.0, log_chance)
            ends = tf.equal(chosen, tokenizer.end_token_id)
            ends |= index + 1 >= lengths + room
            done |= ends & ~is_prompt
            where = tf.stack([tf.range(b), tf.fill([b], index)], axis=1)
            token_ids = tf.tensor_scatter_nd_update(token_ids, where, token)
            return token_ids, cache, index + 1, done, total

        token_ids, _, _, _, total = tf.while_loop(
            go_on,
            fill,
            (
                token_ids,
                cache,
                first,
                tf.zeros([b], tf.bool),
                tf.zeros([b], tf.float32),
            ),
            maximum_iterations=n - first,
        )
        return token_ids, total

    def predicted(self, answers):
        """Returns what `generate` gives, where it gives it again, and what the
        whole model says of the tokens that were generated.

        Args:
            answers: dict of arrays, those of the probe.
        """
        task, room = self.task, self.max_new_tokens
        likely, texts = [], []
        for prompt, new in zip(self.probe, answers["token_ids"], strict=True):
            rows, lengths = task.preprocessor.prompts(tf.constant([prompt]), 0)
            size = int(lengths[0])
            if self.repeats:
                text = task.generate(prompt, max_length=size + room)
                texts.append(text.encode())
            new = new[new != task.preprocessor.tokenizer.pad_token_id]
            ids = tf.concat([rows, [new]], axis=1)
            logits = task({"token_ids": ids[:, :-1]}, training=False)
            nats = tf.nn.sparse_softmax_cross_entropy_with_logits(
                ids[:, size:], tf.cast(logits, tf.float32)[:, size - 1 :]
            )
            likely.append(-tf.reduce_sum(nats).numpy())
        want = {"log_probability": np.array(likely, np.float32)}
        if self.repeats:
            want["text"] = np.array(texts, object)
        return want

    def rules(self):
        """Returns what the manifest shall say."""
        return {
            "max_new_tokens": self.max_new_tokens,
            "sampler": type(self.sampler).__name__,
            "invalid_utf8": "Of `completion` and `text`, bytes that make no "
            "character are U+FFFD; `token_ids` has them all.",
            "empty": "An empty prompt fails its request.",
        }
