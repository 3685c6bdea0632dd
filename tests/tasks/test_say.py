"""What tasks say in words, against what they predict."""

import numpy as np
import pytest

import keras_longformer as klf
from keras_longformer.tasks import saying
from tests.tasks import small
from tests.tasks.table import BY_NAME
from tests.tasks.table import CHOICES
from tests.tasks.table import make_summarizer


def test_classifier_says_labels():
    task = small.scaled(small.make_classifier(pad_to="longest"))
    task.class_names = ["bad", "good"]
    rows = task.say(small.TEXTS, batch_size=4)
    probabilities = np.exp(task.predict(small.TEXTS, verbose=0))
    probabilities /= probabilities.sum(-1, keepdims=True)
    for row, want in zip(rows, probabilities, strict=True):
        assert row["label"] == ["bad", "good"][want.argmax()]
        got = [row["probabilities"][name] for name in ("bad", "good")]
        np.testing.assert_allclose(got, want, atol=1e-5)
    one = task.say(small.TEXTS[0])
    assert one["label"] == rows[0]["label"]
    # Weights are the model's, also those that are new since.
    task.output_dense.bias.assign([99.0, -99.0])
    assert task.say("good")["label"] == "bad"
    with pytest.raises(ValueError, match="made of text"):
        task.say((["a"], ["b"]))
    with pytest.raises(ValueError, match="'text_pair'.* would not be read"):
        task.say({"text": "good", "text_pair": "bad"})
    for batch_size in (0, -1, None):
        with pytest.raises(ValueError, match="`batch_size` must be"):
            task.say("good", batch_size=batch_size)
    # The graph has the names and the length, and both may be changed.
    task.class_names[0] = "poor"
    task.preprocessor.sequence_length = 5
    assert task.say("good")["label"] == "poor"
    short = task.predict([small.TEXTS[1]], verbose=0)[0]
    short = np.exp(short - short.max())
    got = [*task.say(small.TEXTS[1])["probabilities"].values()]
    np.testing.assert_allclose(got, short / short.sum(), atol=1e-5)


def test_the_graph_is_no_part_of_the_model(monkeypatch):
    task = small.make_classifier(pad_to="longest")
    counts = [len(task.layers), len(task._flatten_layers())]
    made = []
    trace = saying.text_answers
    monkeypatch.setattr(
        saying, "text_answers", lambda *x: made.append(0) or trace(*x)
    )
    task.say("good")
    task.say(["bad"])
    assert len(made) == 1
    assert counts == [len(task.layers), len(task._flatten_layers())]
    assert "_answers" not in dict(task._trackable_children())
    task.preprocessor = None
    with pytest.raises(ValueError, match="has no preprocessor"):
        task.say("good")


def test_masked_lm_says_tokens():
    task = BY_NAME["masked_lm"].scaled()
    said = task.say(["a <mask> text <mask>", "none"])
    assert [len(row["tokens"]) for row in said] == [2, 0]
    inputs = task.preprocessor.fill_mask_preprocess(["a <mask> text <mask>"])
    best = task.predict_packed(inputs, verbose=0)[0].argmax(-1)
    words = task.preprocessor.tokenizer.detokenize(best[:, None]).numpy()
    assert [row[0] for row in said[0]["tokens"]] == [
        word.decode("utf-8", "replace") for word in words
    ]


@pytest.mark.slow
def test_chooser_says_choices():
    task = BY_NAME["multiple_choice"].scaled()
    said = task.say(CHOICES)
    want = task.predict(CHOICES, verbose=0).argmax(-1)
    for row, choices, index in zip(said, CHOICES["choices"], want, strict=True):
        assert row["choice"] == choices[index]
        assert len(row["probabilities"]) == len(choices)
    words = BY_NAME["token_classification"].make()
    with pytest.raises(ValueError, match="one string each"):
        words.say([["a", "word"]])


def test_long_questions_are_said():
    task = small.make_question_answering()
    with pytest.raises(ValueError, match="Text 1: the question has"):
        task.say({"question": ["who?", "who " * 40], "context": ["a", "b"]})


def test_what_writes_has_its_own_way():
    with pytest.raises(ValueError, match="generate"):
        make_summarizer().say("a document")
    assert not hasattr(klf.LongformerCharLM, "say")
