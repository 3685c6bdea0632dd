"""Documents in, summaries out of a SavedModel."""

import collections
import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.finetune import prediction
from tests.tasks import small
from tests.tasks.table import make_summarizer

TEXTS = ["a good text", "bad " * 40, "", "goo"]


def scattered():
    task = make_summarizer(dropout=0.0)
    generator = np.random.default_rng(0)
    for weight in task.trainable_weights:
        weight.assign(weight + generator.normal(0, 0.3, weight.shape))
    task.compile(
        sampler=klf.BeamSearch(
            num_beams=3, no_repeat_ngram_size=2, forced_bos_token_id=0
        )
    )
    return task


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    keras.utils.set_random_seed(2)
    task = scattered()
    path = str(tmp_path_factory.mktemp("served"))
    folder = klf.export_saved_model(
        task, path, buckets=[16, 64], max_new_tokens=9, bad_texts="report"
    )
    return task, folder


def test_says_what_generate_says(exported):
    task, folder = exported
    function = tf.saved_model.load(folder).signatures["serving_default"]
    want = task.generate(TEXTS, max_length=10)
    assert len({*want}) > 1
    for texts, summaries in ((TEXTS, want), (TEXTS[2:3], want[2:3])):
        got = function(text=tf.constant(texts))
        assert [x.decode() for x in got["summary"].numpy()] == summaries
        assert got["token_ids"].shape == (len(texts), 9)
        assert got["error"].numpy().tolist() == [b""] * len(texts)
    assert function(text=tf.constant([], tf.string))["score"].shape == (0,)


def test_one_loop_of_stock_operations(exported):
    _, folder = exported
    graph = tf.saved_model.load(folder).signatures["serving_default"].graph
    graph = graph.as_graph_def()
    counts = collections.Counter(
        node.op
        for nodes in (
            graph.node,
            *(function.node_def for function in graph.library.function),
        )
        for node in nodes
    )
    names = "\n".join(
        node.name
        for nodes in (
            graph.node,
            *(function.node_def for function in graph.library.function),
        )
        for node in nodes
        if "While" in node.op
    )
    # The tokenizer has loops of its own.
    assert "while" in names
    assert not {"PyFunc", "EagerPyFunc", "XlaDynamicUpdateSlice"} & {*counts}


def test_verified(exported):
    _, folder = exported
    report = klf.verify_saved_model(folder)
    assert report["largest_difference"] < 1e-3
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    assert manifest["text"]["buckets"] == [16, 64]
    assert manifest["text"]["search"]["num_beams"] == 3
    assert set(manifest["signatures"]["serving_default"]["outputs"]) == {
        *("summary", "score", "token_ids", "error")
    }
    assert os.path.exists(os.path.join(folder, "batching_params.pbtxt"))


def test_time_is_up(tmp_path):
    task = scattered()
    search = {**task.sampler.get_config(), "max_seconds": 1e-9}
    task.compile(sampler=klf.BeamSearch(**search))
    folder = klf.export_saved_model(task, str(tmp_path), buckets=[64])
    function = tf.saved_model.load(folder).signatures["serving_default"]
    ids = function(text=tf.constant(TEXTS))["token_ids"].numpy()
    assert ((ids != 1).sum(-1) == 1).all()
    klf.verify_saved_model(folder)


def test_a_difference_is_refused(tmp_path, monkeypatch):
    task = scattered()
    monkeypatch.setattr(
        type(task), "generate", lambda self, texts, **_: ["no"] * len(texts)
    )
    with pytest.raises(RuntimeError, match="`summary` is not what"):
        klf.export_saved_model(task, str(tmp_path), buckets=[64])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "options, match",
    [
        ({"max_new_tokens": 32}, "positions for, 31"),
        ({"buckets": [16, 65]}, "up to the model's 64"),
        ({"over_long": "windows"}, "over_long"),
        ({"xla": True}, "without `xla`"),
    ],
    ids=str,
)
def test_options_that_cannot_be(options, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        klf.export_saved_model(make_summarizer(), str(tmp_path), **options)


def test_texts_that_are_too_long(tmp_path):
    """One bad document, and the others of its request are answered."""
    task = make_summarizer()
    task.preprocessor.tokenizer = small.make_tokenizer(max_text_bytes=50)
    served = type(task).served_cls(task, bad_texts="report")
    outputs = served.answers(tf.constant(["a", "a" * 51]))
    errors = outputs["error"].numpy()
    assert errors[0] == b"" and b"51 bytes" in errors[1]
    assert outputs["summary"].numpy()[1] == b""
    served = type(task).served_cls(task)
    with pytest.raises(tf.errors.InvalidArgumentError, match="51 bytes"):
        served.answers(tf.constant(["a", "a" * 51]))


def test_a_folder_of_texts(exported, tmp_path):
    """By a preset and by the SavedModel, the same."""
    task, folder = exported
    task.preprocessor.decoder_sequence_length = 10
    task.save_to_preset(tmp_path / "preset")
    (tmp_path / "texts").mkdir()
    for i, text in enumerate(TEXTS):
        (tmp_path / "texts" / f"{i}.txt").write_text(text)
    answers = []
    for model in (tmp_path / "preset", folder):
        output = tmp_path / "out.jsonl"
        prediction.predict(str(model), str(tmp_path / "texts"), str(output))
        rows = [json.loads(x) for x in output.read_text().splitlines()]
        answers.append([row["summary"] for row in rows])
        output.unlink()
    # The preset's search is that of `generation`, the usual one.
    assert len(answers[0]) == len(TEXTS)
    assert answers[1] == task.generate(TEXTS, max_length=10)
