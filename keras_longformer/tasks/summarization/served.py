"""The answer of an exported summariser: a text about a document."""

import keras_hub
import numpy as np
import tensorflow as tf

from keras_longformer.serving import probe
from keras_longformer.serving.checks import check_model
from keras_longformer.serving.signatures import BAD_TEXTS
from keras_longformer.serving.signatures import finished
from keras_longformer.serving.signatures import within_size
from keras_longformer.tasks.generating import until_stop
from keras_longformer.tasks.summarization import decoding
from keras_longformer.tasks.summarization.search import BeamSearch
from keras_longformer.text.coercion import check_one_of
from keras_longformer.text.packing import length_buckets
from keras_longformer.text.packing import pad_rows
from keras_longformer.text.rows import first_message

# Up to so many tokens the probe's longest text is longer than the model reads.
PROBED = 1024


class SummaryAnswer:
    """Documents, string `(b,)`, and what is written about them.

    `summary` string `(b,)`; `token_ids` int32 `(b, t)`, its tokens after the
    first `</s>`, then `<pad>`, `t` being the most there may be; and, where a
    `BeamSearch` chooses, `score` float32 `(b,)`, as it scores.

    The documents of a request run together, padded to the least of `buckets`
    that holds the longest; of a longer one the preprocessor's beginning is
    read. Each is written about until `</s>`, or for `max_new_tokens` tokens.

    Args:
        task: a `LongformerSeq2SeqLM` with a preprocessor.
        max_new_tokens: int, by default what its preprocessor allows.
        buckets: ints, ascending, the lengths that documents are padded to; by
            default 256, 512, ... up to the preprocessor's `sequence_length`.
        over_long: what is read of longer documents; by default the
            preprocessor's.
        bad_texts: what a document with more bytes than the tokenizer takes
            does: `"fail"` its request, or `"report"` in an output `error`.

    Raises:
        ValueError: no preprocessor, or options that cannot be.
    """

    options = ("buckets", "over_long", "bad_texts")
    inputs = ("text",)
    short_texts = {}

    def __init__(
        self,
        task,
        max_new_tokens=None,
        buckets=None,
        over_long=None,
        bad_texts=None,
    ):
        preprocessor = task.preprocessor
        check_model(task, preprocessor)
        room = preprocessor.decoder_sequence_length - 1
        most = task.backbone.max_decoder_sequence_length - 1
        if max_new_tokens is not None:
            room = max_new_tokens
        if not 1 <= room <= most:
            raise ValueError(
                "`max_new_tokens` must be from 1 up to what the decoder has "
                f"positions for, {most}. Received: {room}"
            )
        longest = task.backbone.max_sequence_length
        if preprocessor.sequence_length is not None:
            longest = min(longest, preprocessor.sequence_length)
        buckets = length_buckets(longest) if buckets is None else [*buckets]
        if (
            not buckets
            or buckets != sorted(set(buckets))
            or not 4 <= buckets[0] <= buckets[-1] <= longest
        ):
            raise ValueError(
                "`buckets` must be ascending lengths from 4 up to the model's "
                f"{longest} tokens. Received: buckets={buckets}"
            )
        over_long = over_long or preprocessor.over_long
        check_one_of("over_long", over_long, preprocessor.over_long_choices)
        check_one_of("bad_texts", bad_texts or "fail", BAD_TEXTS)
        self.task, self.preprocessor = task, preprocessor
        self.tokenizer = preprocessor.tokenizer
        self.sampler = task.sampler
        self.max_new_tokens = room
        self.buckets = buckets
        self.over_long = over_long
        self.bad_texts = bad_texts or "fail"
        self.answer = self  # To the warm-up.
        greedy = keras_hub.samplers.GreedySampler
        # What time ends may differ; its scores are looked at all the same.
        self.repeats = isinstance(self.sampler, BeamSearch | greedy)
        self.is_timed = getattr(self.sampler, "max_seconds", None) is not None
        self.probe = self._probe()

    def answers(self, texts):
        """Returns the outputs, dict of tensors, of documents, string `(b,)`."""
        preprocessor = self.preprocessor
        with tf.device("CPU"):
            limit = self.tokenizer.max_text_bytes
            texts, errors = within_size({"text": texts}, limit)
            rows = preprocessor.rows(
                texts["text"],
                longest=self.buckets[-1],
                over_long=self.over_long,
            )
            errors = first_message(rows.problems, errors)
            token_ids, mask = pad_rows(
                rows.windows.token_ids,
                pad_id=preprocessor.row_template.pad,
                sequence_length=self.buckets[-1],
                pad_to=self.buckets,
            )
        b = tf.shape(token_ids)[0]
        end = preprocessor.row_template.end[-1]
        width = self.max_new_tokens + 1
        inputs = {
            **preprocessor.model_inputs(token_ids, mask),
            "decoder_token_ids": tf.fill([b, width], end),
            "decoder_padding_mask": tf.tile(tf.range(width)[None] < 1, [b, 1]),
        }

        def run():
            ids, score = decoding.search(self.task, inputs, [end])
            is_prompt = inputs["decoder_padding_mask"]
            is_there = until_stop(ids, is_prompt, [end])
            outputs = {
                "summary": preprocessor.texts_of(ids, is_there),
                "token_ids": tf.where(
                    is_there, ids, preprocessor.row_template.pad
                )[:, 1:],
            }
            return outputs if score is None else {**outputs, "score": score}

        return finished(run, errors, self.bad_texts)

    def predicted(self, answers):
        """Returns what `generate` gives, where it gives it again, and what the
        whole model says of the tokens that were generated.

        Args:
            answers: dict of arrays, those of the probe.
        """
        if not self.repeats:
            return {}
        want = {}
        if not self.is_timed:
            summaries = self.task.generate(
                tf.constant(self.probe), max_length=self.max_new_tokens + 1
            )
            summaries = [summary.encode() for summary in summaries]
            want["summary"] = np.array(summaries, object)
        if isinstance(self.sampler, BeamSearch):
            want["score"] = np.array(
                [
                    self._score(text, ids)
                    for text, ids in zip(
                        self.probe, answers["token_ids"], strict=True
                    )
                ],
                np.float32,
            )
        return want

    def _score(self, text, token_ids):
        """The score of one text's tokens, by one call of the whole model."""
        template, sampler = self.preprocessor.row_template, self.sampler
        ids = token_ids[token_ids != template.pad]
        inputs = self.preprocessor.encoder_inputs(tf.constant([text]))
        before = np.concatenate([[template.end[-1]], ids[:-1]])
        inputs["decoder_token_ids"] = tf.constant(before[None], tf.int32)
        logits = tf.cast(self.task(inputs, training=False)[0], tf.float32)
        likely = tf.gather(tf.nn.log_softmax(logits), ids, batch_dims=1)
        likely = likely.numpy()
        if sampler.num_beams == 1:
            return likely.sum()
        if sampler.forced_bos_token_id is not None:
            likely[0] = 0.0  # What is forced costs nothing.
        is_full = len(ids) == self.max_new_tokens
        if sampler.forced_eos_token_id is not None and is_full:
            likely[-1] = 0.0
        return likely.sum() / len(ids) ** sampler.length_penalty

    def rules(self):
        """Returns what the manifest shall say."""
        return {
            "max_new_tokens": self.max_new_tokens,
            "buckets": list(self.buckets),
            "over_long": self.over_long,
            "bad_texts": self.bad_texts,
            "max_text_bytes": self.tokenizer.max_text_bytes,
            "sampler": type(self.sampler).__name__,
            "search": self.sampler.get_config(),
            "invalid_utf8": "Of `summary`, bytes that make no character are "
            "U+FFFD; `token_ids` has them all.",
        }

    def _probe(self):
        size = tf.size(self.tokenizer.tokenize(probe.LONG_UNIT)).numpy()
        length = next(
            (n for n in self.buckets[::-1] if n <= PROBED), self.buckets[0]
        )
        long = probe.LONG_UNIT * (length // max(int(size), 1) + 2)
        texts = [
            x if isinstance(x, bytes) else x.encode()
            for x in (*probe.TEXTS, long)
        ]
        return tuple(x[: self.tokenizer.max_text_bytes] for x in texts)
