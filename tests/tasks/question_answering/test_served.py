"""Exported question answering: two inputs, spans, and their characters."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.client.client import ServingClient
from keras_longformer.serving import warmup
from keras_longformer.serving.signatures import ServedModel
from keras_longformer.tasks.question_answering.spans import best_spans
from tests.serving import checks
from tests.serving import exports
from tests.serving.stand_in import batching
from tests.tasks import small

PREPROCESSOR = {"max_question_length": 8}
QUESTIONS = ["who?", "🙂?", "why", "", "where?", "how?"]
LONG = "Ünïcödé 日本語 🙂 and a good text. " * 20
CONTEXTS = [*small.CONTEXTS[:5], LONG]


def make_task():
    task = small.make_question_answering(
        PREPROCESSOR, max_global_tokens=9, window_size=6
    )
    for weight in task.trainable_weights:  # So that spans differ.
        if len(weight.shape) > 1:
            weight.assign(weight * 10)
    return task


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Long contexts by windows; bad texts are reported."""
    return exports.export(
        make_task(),
        tmp_path_factory.mktemp("models") / "reader",
        over_long="windows",
        bad_texts="report",
        buckets=[32, 64],
    )


def ask(exported, questions, contexts):
    outputs = exported.signature("serving_default")(
        question=tf.constant(questions), context=tf.constant(contexts)
    )
    return {name: x.numpy() for name, x in outputs.items()}


def test_answers_are_those_of_the_task(reader):
    got = ask(reader, QUESTIONS, CONTEXTS)
    want = reader.model.answer(QUESTIONS, CONTEXTS)
    assert set(got.pop("error")) == {b""}
    assert set(got) == set(want)
    for name, x in want.items():
        assert got[name].shape == x.shape
        if x.dtype.kind == "f":
            np.testing.assert_allclose(got[name], x, atol=1e-3)
    for i, context in enumerate(CONTEXTS):
        for j in range(5):
            start, end = got["starts"][i, j], got["ends"][i, j]
            answer = got["answers"][i, j].decode()
            assert context[start:end] == answer
            assert answer == want["answers"][i, j]
    assert got["answer"].tolist() == got["answers"][:, 0].tolist()
    assert got["scores"][4].tolist() == [-1e9] * 5  # An empty context.
    assert got["end"].max() > 64


def test_alone_and_together(reader):
    together = ask(reader, QUESTIONS, CONTEXTS)
    for i in (1, 5):
        alone = ask(reader, QUESTIONS[i : i + 1], CONTEXTS[i : i + 1])
        for name, x in alone.items():
            if x.dtype.kind == "f":
                np.testing.assert_allclose(x[0], together[name][i], atol=1e-3)
            else:
                np.testing.assert_array_equal(x[0], together[name][i])
    none = ask(reader, np.array([], str), np.array([], str))
    assert none["answers"].shape == (0, 5)


def test_bad_questions_and_contexts_are_reported(reader):
    questions = ["a much too long question", "who?", "who?"]
    contexts = ["Ada", "x" * (2**20 + 1), "Ada"]
    got = ask(reader, questions, contexts)
    assert b"tokens, more than max_question_length=8" in got["error"][0]
    assert b"the context has 1048577 bytes" in got["error"][1]
    assert got["error"][2] == b""
    assert got["scores"][:2].tolist() == [[0.0] * 5] * 2
    alone = ask(reader, ["who?"], ["Ada"])
    np.testing.assert_allclose(got["scores"][2], alone["scores"][0], atol=1e-3)


def test_special_tokens_cannot_be_injected(reader):
    got = ask(reader, ["</s>"], ["</s></s> Ada </s>"])
    assert got["error"][0] == b""
    start, end = got["start"][0], got["end"][0]
    assert "</s></s> Ada </s>"[start:end] == got["answer"][0].decode()


def test_tokens(reader):
    task = reader.model
    inputs = task.preprocessor(x=(QUESTIONS[:5], CONTEXTS[:5]))
    call = reader.signature("tokens")
    got = call(token_ids=inputs["token_ids"])
    want = best_spans(task(inputs, training=False))
    np.testing.assert_allclose(got["scores"], want.scores, atol=1e-3)
    assert set(got["error"].numpy()) == {b""}
    np.testing.assert_array_equal(got["first_token"], want.first[:, 0])
    np.testing.assert_array_equal(got["last_tokens"], want.last)
    bad = [[0, 5, 2, 6, 6, 2, 1], [0, 5, 2, 2, 6, 6, 2], [0, *[5] * 6]]
    got = call(token_ids=tf.constant(bad))
    assert (
        b"is not <s> question </s></s> context </s>" in got["error"][0].numpy()
    )
    assert got["error"][1] == b""
    assert b"it has 0 times" in got["error"][2].numpy()
    long = [0, *[5] * 9, 2, 2, 6, 2]
    got = call(token_ids=tf.constant([long]))
    assert b"the question has 9 tokens" in got["error"][0].numpy()


def test_the_folder_is_whole(reader):
    """The probe and the warm-up, replayed as TF Serving would."""
    report = klf.verify_saved_model(reader.folder)
    assert report["largest_difference"] <= 1e-3
    assert report["warmup"]["requests"] == 3 * 2 * 2
    path = os.path.join(reader.folder, "manifest.json")
    with open(path, encoding="utf-8") as file:
        manifest = json.load(file)
    inputs = manifest["signatures"]["serving_default"]["inputs"]
    assert inputs == {
        name: {"dtype": "string", "shape": [None]}
        for name in ("question", "context")
    }
    assert manifest["text"]["max_question_length"] == 8
    assert "code points" in manifest["text"]["offsets"]


def test_warm_up_fills_each_bucket(reader):
    preprocessor = reader.model.preprocessor
    tokenizer = preprocessor.tokenizer
    for _, inputs in warmup.warmup_inputs(
        {"serving_default": ["question", "context"], "tokens": ["token_ids"]},
        ServedModel(reader.model, preprocessor, [16, 64]),
        [3],
    ):
        if "token_ids" in inputs:
            length = inputs["token_ids"].shape[1]
            assert inputs["token_ids"].shape == (3, length)
        else:
            sizes = [
                len(tokenizer.tokenize(inputs[name][0].decode()))
                for name in ("question", "context")
            ]
            length = sum(sizes) + 4
        assert length in (16, 64)


def test_options(tmp_path):
    task = make_task()
    with pytest.raises(ValueError, match="cannot read question and context by"):
        exports.export(task, tmp_path / "x", over_long="head_tail")
    with pytest.raises(ValueError, match="must hold it, a context and 4"):
        exports.export(task, tmp_path / "x", buckets=[12])


def test_client_and_batching_server(reader):
    """Questions of many clients in one batch, and of one in several."""
    want = ask(reader, QUESTIONS, CONTEXTS)
    inputs = {"question": QUESTIONS, "context": CONTEXTS}
    runner = batching.BatchingRunner
    with checks.serving(reader, "reader", make_runner=runner) as addresses:
        for protocol in ("grpc", "rest"):
            with ServingClient(
                addresses[protocol], "reader", protocol=protocol, batch_size=4
            ) as client:
                got = client.predict(inputs)
                assert set(got) == set(want)
                for name, x in want.items():
                    if x.dtype.kind == "f":
                        np.testing.assert_allclose(got[name], x, atol=1e-3)
                    else:
                        assert got[name].tolist() == x.tolist()
                with pytest.raises(ValueError, match="must have one length"):
                    client.predict({"question": ["a"], "context": []})
