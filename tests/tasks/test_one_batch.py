"""A few texts are read at once, without graphs that are made for them."""

import numpy as np
import pytest

from keras_longformer.tasks import batches
from tests.tasks import small


@pytest.mark.parametrize("pad_to", ["longest", "sequence_length"])
def test_equals_several_batches(pad_to, monkeypatch):
    task = small.scaled(small.make_classifier(pad_to=pad_to))
    task.compile("sgd")
    y = np.arange(len(small.TEXTS)) % 2
    want = task.predict(small.TEXTS, batch_size=1, verbose=0)
    losses = task.evaluate(small.TEXTS, y, batch_size=1, verbose=0)
    traces = task.predict_function.experimental_get_tracing_count()

    def refused(*_):
        raise AssertionError("A dataset is made that calls the preprocessor.")

    monkeypatch.setattr(batches, "batches_of", refused)
    got = task.predict(small.TEXTS, verbose=0)
    np.testing.assert_allclose(got, want, atol=1e-5)
    for row, text in zip(want, small.TEXTS):
        one = task.predict([text], verbose=0)
        np.testing.assert_allclose(one[0], row, atol=1e-5)
    again = task.evaluate(small.TEXTS, y, verbose=0)
    np.testing.assert_allclose(again, losses, atol=1e-5)
    # Of any number and length of texts, there is one graph more at most.
    found = task.predict_function.experimental_get_tracing_count()
    assert found <= traces + 1
    monkeypatch.undo()
    # Some are refused as before.
    with pytest.raises(Exception, match="atch"):
        task.predict(small.TEXTS, batch_size=0, verbose=0)
