"""What a preprocessor has read: rows, and what is wrong with some texts."""

import typing
from collections.abc import Sequence

import tensorflow as tf

from keras_longformer.text.windows import Windows


class Problem(typing.NamedTuple):
    """Why some texts or rows cannot be read.

    Attributes:
        bad: bool `(b,)`, which ones.
        before: str, what is said of them before the number.
        number: int `(b,)`, what there is too much of.
        after: str, what is said after it.
    """

    bad: tf.Tensor
    before: str
    number: tf.Tensor
    after: str

    def messages(self) -> tf.Tensor:
        """Returns string `(b,)`, what is wrong, "" where nothing is."""
        number = tf.strings.as_string(self.number)
        message = tf.strings.join([self.before, number, self.after])
        return tf.where(self.bad, message, "")


class Rows(typing.NamedTuple):
    """Texts as rows.

    Attributes:
        windows: the `Windows` of their tokens.
        problems: of texts that cannot be read: `fit` and `predict` fail with
            them, and a server says them.
        source: what an answer needs of the texts besides, such as the
            characters that tokens stand at.
    """

    windows: Windows
    problems: Sequence[Problem] = ()
    source: object = None


def first_message(problems: Sequence[Problem], errors: tf.Tensor) -> tf.Tensor:
    """Returns `errors`, string `(b,)`, with what is wrong where it is ""."""
    for problem in problems:
        errors = tf.where(tf.equal(errors, ""), problem.messages(), errors)
    return errors


def without_problems(rows: Rows) -> Rows:
    """Returns the rows, having checked that all texts can be read.

    Raises:
        InvalidArgumentError: says which text of the batch cannot, and why.
    """
    if not rows.problems:
        return rows
    errors = tf.fill(tf.shape(rows.problems[0].bad), "")
    errors = first_message(rows.problems, errors)
    bad = tf.concat([tf.not_equal(errors, ""), [False]], 0)
    index = tf.argmax(tf.cast(bad, tf.int32))
    message = tf.strings.join(
        [
            "Text ",
            tf.strings.as_string(index),
            " of the batch: ",
            tf.gather(tf.concat([errors, [""]], 0), index),
        ]
    )
    check = tf.debugging.Assert(~tf.reduce_any(bad), [message])
    with tf.control_dependencies([] if check is None else [check]):
        token_ids = tf.identity(rows.windows.token_ids.values)
    windows = rows.windows._replace(
        token_ids=rows.windows.token_ids.with_values(token_ids)
    )
    return rows._replace(windows=windows, problems=())
