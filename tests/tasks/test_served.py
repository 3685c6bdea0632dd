"""What exported classifiers of words, choices and several labels return."""

import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.serving import exports
from tests.tasks import small

NAMES = ["O", "GOOD", "BAD"]
TEXTS = ["a good  Ünïcödé text", "", "bad " * 70]


def options():
    return {"batch_sizes": [1], "buckets": [32, 64]}


def scaled(task):
    """So that answers differ."""
    for weight in task.trainable_weights:
        weight.assign(weight * 10)
    return task


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    preprocessor = klf.LongformerTokenClassifierPreprocessor(
        small.make_tokenizer(), sequence_length=64
    )
    task = klf.LongformerTokenClassifier(
        small.make_backbone(max_global_tokens=0),
        num_classes=3,
        preprocessor=preprocessor,
        class_names=NAMES,
    )
    return exports.export(
        scaled(task),
        tmp_path_factory.mktemp("models") / "tagger",
        over_long="windows",
        **options(),
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


def test_choices(tmp_path):
    task = klf.LongformerMultipleChoice(
        small.make_backbone(max_global_tokens=None),
        preprocessor=klf.LongformerMultipleChoicePreprocessor(
            small.make_tokenizer(), sequence_length=64
        ),
    )
    exported = exports.export(
        scaled(task), tmp_path / "m", bad_texts="report", **options()
    )
    questions = {
        "question": ["what?", "", "who?", "x"],
        "context": ["good " * 9, "bad", "none", "y"],
    }
    lines = ["good\nbad\n\n the ", "a\r\nb", "", "c\n" * 200]
    got = exported.signature("serving_default")(
        choices=tf.constant(lines),
        **{name: tf.constant(x) for name, x in questions.items()},
    )
    assert b"200 choices, more than 128" in got["error"][3].numpy()
    choices = [["good", "bad", "the"], ["a", "b"]]
    want = task.predict(
        {**{k: x[:2] for k, x in questions.items()}, "choices": choices},
        verbose=0,
    )
    logits = got["logits"].numpy()
    np.testing.assert_allclose(logits[:2, :3], want, atol=1e-4)
    index = want.argmax(-1)
    assert got["choice_index"].numpy().tolist() == [*index, -1, 0]
    names = [row[i].encode() for row, i in zip(choices, index, strict=True)]
    assert got["choice"].numpy().tolist() == [*names, b"", b""]
    total = got["probabilities"].numpy().sum(-1)
    np.testing.assert_allclose(total, [1, 1, 0, 0], atol=1e-5)
    rows = exported.signature("tokens")(
        token_ids=task.preprocessor(
            {k: x[:1] for k, x in questions.items()} | {"choices": [["bad"]]}
        )["token_ids"][0]
    )
    np.testing.assert_allclose(rows["logits"], want[0, 1:2], atol=1e-4)
    candidates = klf.LongformerMultipleChoice(
        small.make_backbone(), scoring="candidates"
    )
    with pytest.raises(ValueError, match='`scoring="choices"` only'):
        exports.export(
            candidates, tmp_path / "x", preprocessor=task.preprocessor
        )


def make_classifier(num_classes, **config):
    return scaled(
        klf.LongformerTextClassifier(
            small.make_backbone(),
            num_classes=num_classes,
            preprocessor=small.make_classifier().preprocessor,
            **config,
        )
    )


def test_several_labels(tmp_path):
    task = make_classifier(
        3, problem_type="multi_label", threshold=[0.5, 0.4, 0.6]
    )
    exported = exports.export(task, tmp_path, class_names=NAMES, **options())
    got = exported.signature("serving_default")(text=tf.constant(small.TEXTS))
    want = tf.sigmoid(task.predict(small.TEXTS, verbose=0)).numpy()
    np.testing.assert_allclose(got["probabilities"], want, atol=1e-4)
    above = want > [0.5, 0.4, 0.6]
    assert 0 < above.sum() < above.size
    np.testing.assert_array_equal(got["is_label"], above)
    for row, labels in enumerate(got["labels"].numpy()):
        best = [i for i in np.argsort(-want[row]) if above[row, i]]
        names = [NAMES[i].encode() for i in best]
        assert labels.tolist() == names + [b""] * (3 - len(names))


def test_numbers(tmp_path):
    task = make_classifier(1, problem_type="regression")
    exported = exports.export(task, tmp_path, **options())
    got = exported.signature("serving_default")(text=tf.constant(small.TEXTS))
    assert set(got) == {"value"}
    want = task.predict(small.TEXTS, verbose=0)[:, 0]
    np.testing.assert_allclose(got["value"], want, atol=1e-4)


def test_embeddings(tmp_path):
    task = klf.LongformerEmbedder(
        small.make_backbone(),
        preprocessor=klf.LongformerEmbedderPreprocessor(
            small.make_tokenizer(), sequence_length=64
        ),
    )
    exported = exports.export(
        scaled(task), tmp_path, over_long="windows", **options()
    )
    call = exported.signature("serving_default")
    got = call(text=tf.constant(TEXTS))["embedding"]
    want = task.predict_windows(TEXTS, verbose=0)
    np.testing.assert_allclose(got, want, atol=1e-4)
    embed = exported.signature("embed")(text=tf.constant(TEXTS))
    np.testing.assert_allclose(embed["mean_embedding"], want, atol=1e-4)
