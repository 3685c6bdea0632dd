"""The answers of an exported classifier of texts, for each problem type."""

import tensorflow as tf

from keras_longformer.serving.answer import Answer
from keras_longformer.tasks.class_names import check_class_names


class ClassAnswer(Answer):
    """One class of each text.

    `probabilities` and `logits` float32 `(b, classes)`, `class_index` int32
    `(b,)`, with `class_names` also `label` string `(b,)`. A model that ends in
    a softmax gives no logits.
    """

    activation = "softmax"  # A model that has it gives probabilities.

    def __init__(self, task, preprocessor, class_names=None):
        super().__init__(task, preprocessor, class_names)
        class_names = check_class_names(class_names, task.num_classes)
        self.class_names = class_names or task.class_names
        activation = task.output_dense.activation.__name__
        is_probability = activation == self.activation
        self.output = "probabilities" if is_probability else "logits"

    def compute(self, token_ids, padding_mask):
        return {self.output: self.outputs(token_ids, padding_mask)}

    def finish(self, outputs):
        outputs = dict(outputs)
        if self.output == "logits":
            outputs["probabilities"] = tf.nn.softmax(outputs["logits"])
        index = tf.argmax(outputs[self.output], axis=-1, output_type=tf.int32)
        outputs["class_index"] = index
        if self.class_names is not None:
            outputs["label"] = tf.gather(list(self.class_names), index)
        return outputs

    def predicted(self, texts, over_long):
        return {self.output: self.predict(texts, over_long)}


class MultiLabelAnswer(ClassAnswer):
    """Any of the classes.

    `probabilities` and `logits` float32 and `is_label` bool `(b, classes)`,
    whether the probability is above the model's threshold; with `class_names`
    also `labels` string `(b, classes)`: the names of a text's labels, the
    likeliest first, then "".
    """

    activation = "sigmoid"

    def finish(self, outputs):
        outputs = dict(outputs)
        if self.output == "logits":
            outputs["probabilities"] = tf.sigmoid(outputs["logits"])
        probabilities = outputs["probabilities"]
        is_label = probabilities > tf.constant(self.task.threshold)
        outputs["is_label"] = is_label
        if self.class_names is not None:
            order = tf.argsort(
                tf.where(is_label, probabilities, -1.0),
                direction="DESCENDING",
                stable=True,
            )
            outputs["labels"] = tf.where(
                tf.gather(is_label, order, batch_dims=1),
                tf.gather(self.class_names, order),
                "",
            )
        return outputs


class NumberAnswer(ClassAnswer):
    """`value` float32, `(b,)` for one number, `(b, numbers)` for more."""

    def finish(self, outputs):
        return {"value": self._value(outputs[self.output])}

    def predicted(self, texts, over_long):
        return {"value": self._value(self.predict(texts, over_long))}

    def _value(self, outputs):
        return outputs[:, 0] if self.task.num_classes == 1 else outputs


ANSWERS = {
    "single_label": ClassAnswer,
    "multi_label": MultiLabelAnswer,
    "regression": NumberAnswer,
}


def answer_of_problem(task, preprocessor, class_names=None) -> Answer:
    """Returns the answer that the task's problem type has."""
    return ANSWERS[task.problem_type](task, preprocessor, class_names)
