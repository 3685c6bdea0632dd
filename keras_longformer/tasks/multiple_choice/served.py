"""The answers of an exported model that chooses."""

import tensorflow as tf

from keras_longformer.ops.masks import EXCLUDED
from keras_longformer.serving.answer import Answer
from keras_longformer.tasks.multiple_choice.preprocessor import without_empty
from keras_longformer.text.rows import Problem

# Each is a row of its own, with the whole context.
MAX_CHOICES = 128


class ChoiceAnswer(Answer):
    """The best of a question's choices.

    Takes `question`, `context` and `choices`, string `(b,)` each, the choices
    one a line: so requests with different numbers can be batched, where TF
    Serving would fill up a `(b, c)` tensor with choices that nobody gave.

    From texts, `probabilities` and `logits` float32 `(b, c)`, 0 and -1e9
    after a question's last choice, `choice_index` int32 and `choice` string
    `(b,)`; -1 and "" without any choices. From token ids, rows `<s> context
    </s></s> question choice </s>`, `logits` `(b,)`.
    """

    short_texts = {"choices": b"a"}
    probe_texts = {
        "choices": (
            "one\ntwo\nthree",
            "",
            "<mask>\n</s>",
            "a\n\n b",
            "🙂\nÜ",
            b"\xff\na",
            "the only one",
        ),
    }

    def __init__(self, task, preprocessor, class_names=None):
        super().__init__(task, preprocessor, class_names)
        if task.scoring != "choices":
            raise ValueError(
                "A LongformerMultipleChoice can be exported with "
                f'`scoring="choices"` only. Received: {task.scoring!r}. Take '
                "its `predict`."
            )

    def as_x(self, texts):
        lines = tf.strings.split(texts["choices"], "\n")
        lines = lines.with_values(tf.strings.strip(lines.values))
        return {**texts, "choices": without_empty(lines)}

    def read(self, texts, longest, over_long):
        x = self.as_x(texts)
        count = x["choices"].row_lengths()
        x["choices"] = x["choices"][:, :MAX_CHOICES]
        rows = self.preprocessor.rows(x, longest=longest, over_long=over_long)
        problem = Problem(
            count > MAX_CHOICES,
            "the question has ",
            count,
            f" choices, more than {MAX_CHOICES}.",
        )
        return rows._replace(problems=[*rows.problems, problem])

    def compute(self, token_ids, padding_mask):
        inputs = self.preprocessor.model_inputs(token_ids, padding_mask)
        inputs = {name: x[:, None] for name, x in inputs.items()}
        return {"logits": self.task(inputs, training=False)[:, 0]}

    def merge(self, outputs, windows):
        logits = tf.RaggedTensor.from_value_rowids(
            outputs["logits"],
            tf.cast(windows.text_index, tf.int64),
            nrows=tf.cast(windows.num_texts, tf.int64),
            validate=False,
        ).to_tensor(EXCLUDED)
        # A column at least, so that there is one to be the best.
        missing = 1 - tf.minimum(tf.shape(logits)[1], 1)
        return {
            "logits": tf.pad(
                logits, [[0, 0], [0, missing]], constant_values=EXCLUDED
            )
        }

    def finish_texts(self, outputs, source):
        logits, choices = outputs["logits"], source
        is_there = tf.sequence_mask(choices.row_lengths(), tf.shape(logits)[1])
        has_any = tf.reduce_any(is_there, 1)
        index = tf.argmax(logits, axis=-1, output_type=tf.int32)
        names = choices.to_tensor("", shape=[None, None])
        names = tf.pad(names, [[0, 0], [0, 1]], constant_values="")
        return {
            "probabilities": tf.where(is_there, tf.nn.softmax(logits), 0.0),
            "logits": logits,
            "choice_index": tf.where(has_any, index, -1),
            "choice": tf.gather(names, index, batch_dims=1),
        }

    def predicted(self, texts, over_long):
        texts = {name: tf.constant(x) for name, x in texts.items()}
        # One batch: Keras joins no batches of unequal widths.
        logits = self.task.predict(
            self.as_x(texts), batch_size=len(texts["choices"]), verbose=0
        )
        choices = self.as_x(texts)["choices"]
        is_there = tf.sequence_mask(choices.row_lengths(), logits.shape[1])
        return {"logits": tf.where(is_there, logits, EXCLUDED).numpy()}

    def rules(self):
        return {
            "choices": "One a line, without the whitespace around it; empty "
            "lines are none.",
            "max_choices": MAX_CHOICES,
        }
