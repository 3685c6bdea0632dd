"""What a graph asserts reaches the user as its sentence."""

import contextlib
import functools
from collections.abc import Callable
from collections.abc import Iterator
from typing import ParamSpec
from typing import TypeVar

import tensorflow as tf

from keras_longformer.text.assertions import sentence_of

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Raises what a graph asserts without where in the graph it does.

    Raises:
        InvalidArgumentError: its message is the sentence alone, where one is
            known. `__context__` has the whole.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        said = sentence_of(str(error))
        if said is None:
            raise
        raise tf.errors.InvalidArgumentError(None, None, said) from None


def says_plainly(
    method: Callable[_Arguments, _Result],
) -> Callable[_Arguments, _Result]:
    """Returns a method that raises as `plain_errors` does."""

    @functools.wraps(method)
    def plain(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with plain_errors():
            return method(*args, **kwargs)

    return plain


class SaysPlainly:
    """A mixin before `keras.Model` whose methods raise such errors."""

    @says_plainly
    def fit(self, *args, **kwargs):
        return super().fit(*args, **kwargs)

    @says_plainly
    def evaluate(self, *args, **kwargs):
        return super().evaluate(*args, **kwargs)

    @says_plainly
    def predict(self, *args, **kwargs):
        return super().predict(*args, **kwargs)

    @says_plainly
    def train_on_batch(self, *args, **kwargs):
        return super().train_on_batch(*args, **kwargs)

    @says_plainly
    def test_on_batch(self, *args, **kwargs):
        return super().test_on_batch(*args, **kwargs)

    @says_plainly
    def predict_on_batch(self, *args, **kwargs):
        return super().predict_on_batch(*args, **kwargs)
