"""The answers of an exported classifier of words."""

import tensorflow as tf

from keras_longformer.serving.answer import Answer
from keras_longformer.tasks.class_names import check_class_names
from keras_longformer.tasks.token_classification.words import words_of_tokens
from keras_longformer.text.merging import tokens_of_windows


class WordAnswer(Answer):
    """A class for each word of a text.

    From texts, `words` string `(b, w)`, what whitespace separates, their
    `starts` and `ends` int32 `(b, w)` in characters (code points) of the text,
    `probabilities` float32 `(b, w, classes)`, `class_index` int32 `(b, w)` and,
    with class names, `labels` string `(b, w)`. After a text's last word there
    are "" and 0; a word that was cut off has a `class_index` of -1, the label
    "" and probabilities of 0, as those after the last.

    From token ids, `probabilities` `(b, n, classes)`, `class_index` and
    `labels` `(b, n)`, of each token, special ones too.
    """

    def __init__(self, task, preprocessor, class_names=None):
        super().__init__(task, preprocessor, class_names)
        class_names = check_class_names(class_names, task.num_classes)
        self.class_names = class_names or task.class_names
        activation = task.output_dense.activation.__name__
        self.gives_logits = activation != "softmax"

    def compute(self, token_ids, padding_mask):
        outputs = self.outputs(token_ids, padding_mask)
        if self.gives_logits:
            outputs = tf.nn.softmax(outputs)
        # Rows of all buckets get the same width, so that they can be joined.
        width = self.task.backbone.max_sequence_length
        missing = width - tf.shape(token_ids)[1]
        return {
            "probabilities": tf.pad(outputs, [[0, 0], [0, missing], [0, 0]]),
            "num_tokens": tf.reduce_sum(tf.cast(padding_mask, tf.int32), 1),
        }

    def merge(self, outputs, windows):
        return {
            "probabilities": tokens_of_windows(
                outputs["probabilities"], windows
            )
        }

    def finish(self, outputs):
        sizes = outputs["num_tokens"]
        width = tf.reduce_max(tf.concat([sizes, [0]], 0))
        is_there = tf.sequence_mask(sizes, width)
        probabilities = outputs["probabilities"][:, :width]
        return self._named(probabilities, is_there)

    def finish_texts(self, outputs, source):
        words, tokens = source
        probabilities, is_there = words_of_tokens(
            outputs["probabilities"], tokens, words.words
        )
        return {
            "words": words.words.to_tensor(""),
            "starts": words.starts.to_tensor(0),
            "ends": words.ends.to_tensor(0),
            **self._named(
                probabilities.to_tensor(0.0), is_there.to_tensor(False)
            ),
        }

    def _named(self, probabilities, is_there):
        is_there = is_there[..., None]
        index = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        outputs = {
            "probabilities": tf.where(is_there, probabilities, 0.0),
            "class_index": tf.where(is_there[..., 0], index, -1),
        }
        if self.class_names is not None:
            label = tf.gather(list(self.class_names), index)
            outputs["labels"] = tf.where(is_there[..., 0], label, "")
        return outputs

    def predicted(self, texts, over_long):
        x = tf.constant(texts["text"])
        if over_long == "windows":
            rows = self.task.predict_words(x, batch_size=4, verbose=0)
            lengths = [len(row) for row in rows]
            words = tf.RaggedTensor.from_row_lengths(
                tf.concat(rows, 0), tf.constant(lengths, tf.int64)
            )
            is_there = tf.ones_like(words[..., :1])
        else:
            rows = self.preprocessor.rows(x)
            outputs = self.predict_together(texts, at_once=len(texts["text"]))
            outputs = tokens_of_windows(outputs.astype("float32"), rows.windows)
            of, tokens = rows.source
            words, is_there = words_of_tokens(outputs, tokens, of.words)
            is_there = tf.cast(is_there, tf.float32)[..., None]
        if self.gives_logits:
            words = words.with_flat_values(tf.nn.softmax(words.flat_values))
        return {"probabilities": (words * is_there).to_tensor(0.0).numpy()}

    def rules(self):
        return {
            "words": "What whitespace separates, Unicode's too. Each is read "
            "as if it stood after one blank; its first token answers for it.",
            "offsets": "Characters, as code points of the text, each invalid "
            "byte sequence counting as one.",
        }
