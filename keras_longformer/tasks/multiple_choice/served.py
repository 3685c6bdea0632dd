"""The answers of an exported model that chooses."""

import tensorflow as tf

from keras_longformer.ops.masks import EXCLUDED
from keras_longformer.serving.answer import Answer
from keras_longformer.serving.answer import Problem
from keras_longformer.serving.answer import Reading
from keras_longformer.tasks.multiple_choice.preprocessor import without_empty
from keras_longformer.text.packing import pack
from keras_longformer.text.windows import Windows

# Each is a row of its own, with the whole context.
MAX_CHOICES = 128


class ChoiceAnswer(Answer):
    """The best of a question's choices.

    Takes `question`, `context` and `choices`, string `(b,)` each, the choices
    one a line: so requests with different numbers can be batched, where TF
    Serving would fill up a `(b, c)` tensor with choices that nobody gave.

    From texts, `probabilities` and `logits` float32 `(b, c)`, 0 and -1e9
    behind a question's last choice, `choice_index` int32 and `choice` string
    `(b,)`; -1 and "" without any choices. From token ids, rows `<s> context
    </s></s> question choice </s>`, `logits` `(b,)`.
    """

    inputs = ("question", "context", "choices")
    over_long = ("truncate",)

    def __init__(self, task, preprocessor, class_names=None):
        if task.scoring != "choices":
            raise ValueError(
                "A LongformerMultipleChoice can be exported with "
                f'`scoring="choices"` only. Received: {task.scoring!r}. Take '
                "its `predict`."
            )
        self.task = task
        self.preprocessor = preprocessor

    def read(self, texts, rules):
        lines = tf.strings.split(texts["choices"], "\n")
        lines = lines.with_values(tf.strings.strip(lines.values))
        choices = without_empty(lines)
        count = choices.row_lengths()
        choices = choices[:, :MAX_CHOICES]
        row = tf.cast(choices.value_rowids(), tf.int32)
        segments = self.preprocessor.segments(
            texts["question"], texts["context"], choices
        )
        tokenizer = rules.tokenizer
        packed = pack(
            *(tokenizer.tokenize(segment) for segment in segments),
            start_id=tokenizer.start_token_id,
            end_id=tokenizer.end_token_id,
            pad_id=tokenizer.pad_token_id,
            sequence_length=rules.longest,
            pad_to="longest",
            truncate=self.preprocessor.truncate,
        )
        rows = tf.ragged.boolean_mask(packed.token_ids, packed.padding_mask)
        windows = Windows(
            token_ids=tf.cast(rows, tf.int32),
            text_index=row,
            first_token=tf.zeros_like(row),
            first_column=tf.zeros_like(row),
            num_tokens=tf.cast(rows.row_lengths(), tf.int32),
            num_texts=choices.nrows(tf.int32),
        )
        problem = Problem(
            count > MAX_CHOICES,
            "the question has ",
            count,
            f" choices, more than {MAX_CHOICES}.",
        )
        return Reading(windows, [problem], choices)

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

    def finish_texts(self, outputs, document):
        logits, choices = outputs["logits"], document
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

    def rules(self):
        return {
            "choices": "One a line, without the whitespace around it; empty "
            "lines are none.",
            "max_choices": MAX_CHOICES,
        }
