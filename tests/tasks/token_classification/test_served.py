"""What an exported classifier of words returns."""

import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.serving import exports
from tests.tasks import small

NAMES = ["O", "GOOD", "BAD"]
TEXTS = ["a good  Ünïcödé text", "", "bad " * 70]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    preprocessor = klf.LongformerTokenClassifierPreprocessor(
        small.shared_tokenizer(), sequence_length=64
    )
    task = klf.LongformerTokenClassifier(
        small.make_backbone(max_global_tokens=0),
        num_classes=3,
        preprocessor=preprocessor,
        class_names=NAMES,
    )
    return exports.export(
        small.scaled(task),
        tmp_path_factory.mktemp("models") / "tagger",
        over_long="windows",
        **exports.QUICK,
    )


def test_words(tagger):
    got = tagger.signature("serving_default")(text=tf.constant(TEXTS))
    words = got["words"].numpy()
    assert words.shape == (3, 70)
    assert words[0, :5].tolist() == [
        b"a",
        b"good",
        "Ünïcödé".encode(),
        b"text",
        b"",
    ]
    starts, ends = got["starts"].numpy()[0], got["ends"].numpy()[0]
    pairs = zip(starts[:4], ends[:4], strict=True)
    assert [TEXTS[0][a:b] for a, b in pairs] == TEXTS[0].split()
    want = tagger.model.predict_words(TEXTS, verbose=0)
    for row, logits in enumerate(want):
        count = len(logits)
        np.testing.assert_allclose(
            got["probabilities"][row, :count],
            tf.nn.softmax(logits),
            atol=1e-4,
        )
        assert (got["class_index"][row, count:].numpy() == -1).all()
        assert not got["probabilities"][row, count:].numpy().any()
        labels = got["labels"][row].numpy().tolist()
        (names,) = tagger.model.decode_predictions([logits])
        assert labels[:count] == [name.encode() for name in names]
        assert set(labels[count:]) <= {b""}


def test_tokens_of_words(tagger):
    inputs = tagger.model.preprocessor(TEXTS[:2])
    got = tagger.signature("tokens")(token_ids=inputs["token_ids"])
    count = int(inputs["padding_mask"][0].numpy().sum())
    assert got["class_index"].shape == (2, count)
    want = tf.nn.softmax(tagger.model(inputs))
    np.testing.assert_allclose(
        got["probabilities"][0], want[0, :count], atol=1e-4
    )
    assert got["labels"][1].numpy().tolist()[2:] == [b""] * (count - 2)
