"""Question answering: Hugging Face's numbers, fit, long contexts, saving."""

import json
import logging
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.tasks.question_answering.spans import EXCLUDED
from keras_longformer.tasks.question_answering.spans import best_spans
from tests.golden.reading import GOLDEN
from tests.golden.reading import assert_near
from tests.golden.reading import call
from tests.tasks import small

X = {"question": small.QUESTIONS, "context": small.CONTEXTS}
CUT = {"long_questions": "truncate"}


def golden_cases():
    with np.load(GOLDEN / "question_answering.npz") as file:
        arrays = {name: file[name] for name in file.files}
    for case in ("one", "padded", "no_question"):
        ids = arrays[f"{case}/token_ids"]
        inputs = {
            "token_ids": ids,
            "padding_mask": arrays[f"{case}/padding_mask"],
            # What transformers' model chooses where it is not told.
            "global_mask": np.cumsum(ids == 2, axis=1) == 0,
        }
        logits = [arrays[f"{case}/{part}_logits"] for part in ("start", "end")]
        yield inputs, np.stack(logits, -1)


@pytest.mark.parametrize("file", ["model.safetensors", "tf_model.h5"])
def test_hugging_face(file, tmp_path):
    folder = GOLDEN / "longformer-question_answering"
    shutil.copy(folder / "config.json", tmp_path)
    shutil.copy(folder / file, tmp_path)
    task = klf.LongformerQuestionAnswering.from_preset(
        tmp_path, preprocessor=None
    )
    assert task.backbone.max_global_tokens == 65
    # The ids of its special tokens are those of the golden files.
    reader = small.make_question_answering().preprocessor
    for inputs, want in golden_cases():
        everywhere = np.ones_like(inputs["padding_mask"])
        assert_near(call(task, inputs, span_mask=everywhere), want)
        # What can be no answer is excluded, and nothing else changes.
        made = reader.model_inputs(inputs["token_ids"], inputs["padding_mask"])
        mask = made["span_mask"].numpy()
        got = call(task, inputs, span_mask=mask).numpy()
        assert_near(got, np.where(mask[..., None], want, EXCLUDED))
    klf.save_hugging_face(task, tmp_path / "again")
    config = json.loads((tmp_path / "again" / "config.json").read_text())
    assert config["architectures"] == ["LongformerForQuestionAnswering"]
    again = klf.LongformerQuestionAnswering.from_preset(
        tmp_path / "again", preprocessor=None
    )
    for one, other in zip(task.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.own_process
def test_transformers_opens_what_we_write(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    task = klf.LongformerQuestionAnswering.from_preset(
        GOLDEN / "longformer-question_answering", preprocessor=None
    )
    klf.save_hugging_face(task, tmp_path)
    theirs = transformers.AutoModelForQuestionAnswering.from_pretrained(
        tmp_path
    ).eval()
    for inputs, want in golden_cases():
        with torch.no_grad():
            got = theirs(
                torch.tensor(inputs["token_ids"], dtype=torch.long),
                torch.tensor(inputs["padding_mask"], dtype=torch.long),
            )
        got = np.stack([got.start_logits, got.end_logits], -1)
        assert_near(got, want)


def test_a_preset_without_this_head(caplog):
    with caplog.at_level(logging.WARNING, logger="keras_longformer"):
        klf.LongformerQuestionAnswering.from_preset(
            GOLDEN / "longformer-masked_lm", preprocessor=None
        )
    assert "no weights for qa_outputs/" in caplog.text


@pytest.mark.parametrize(
    "jit_compile, dtype",
    [(False, "float32"), (True, "float32"), (False, "mixed_bfloat16")],
)
def test_fit_on_strings(jit_compile, dtype):
    task = small.make_question_answering(CUT, dtype=dtype, dropout=0.0)
    task.compile(
        optimizer=keras.optimizers.AdamW(1e-2), jit_compile=jit_compile
    )
    x = {name: texts * 6 for name, texts in X.items()}
    y = {name: values * 6 for name, values in small.ANSWERS.items()}
    history = task.fit(x, y, batch_size=6, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][1] < 0.95 * history["loss"][0]
    assert set(history) == {"loss", "span_accuracy"}


def make_learned():
    """A task that finds `Ada`, wherever it stands, if it stands there."""
    task = small.make_question_answering(
        {"pad_to": [32, 64]}, dropout=0.0, window_size=6
    )
    rng = np.random.default_rng(0)
    contexts, starts = [], []
    for i in range(192):
        words = [*rng.choice(["yes", "no", "it", "é🙂"], 7)]
        if i % 4:
            words.insert(rng.integers(8), "Ada")
        contexts.append(" ".join(words))
        starts.append([contexts[-1].find("Ada")] if i % 4 else [])
    y = {"text": [["Ada"] * len(s) for s in starts], "start": starts}
    task.compile(optimizer=keras.optimizers.Adam(1e-2))
    x = {"question": ["who?"] * 192, "context": contexts}
    history = task.fit(x, y, batch_size=16, epochs=8, verbose=0).history
    assert history["span_accuracy"][-1] > 0.95
    return task


def test_learns_and_answers_from_texts_of_any_length():
    task = make_learned()
    filler = "no yes it é🙂 " * 60
    contexts = ["it Ada no", filler + "Ada " + filler, filler, "", "\u3000 "]
    got = task.answer(["who?"] * 5, contexts, num_best=3)
    assert got["answer"][:2].tolist() == ["Ada", "Ada"]
    for name in ("answer", "start", "end", "score"):
        assert got[name].tolist() == got[f"{name}s"][:, 0].tolist()
    for name in ("starts", "ends", "scores", "answers"):
        assert got[name].shape == (5, 3)
    for i, context in enumerate(contexts):
        for j in range(3):
            start, end = got["starts"][i, j], got["ends"][i, j]
            assert context[start:end] == got["answers"][i, j]
    assert (np.diff(got["scores"]) <= 0).all()
    has_answer = got["scores"][:, 0] > got["no_answer_score"]
    assert has_answer.tolist()[:4] == [True, True, False, False]
    # A short context: one window, and the spans of its logits.
    inputs = task.preprocessor(x=(["who?"], contexts[:1]))
    spans = best_spans(task(inputs), 3)
    np.testing.assert_allclose(got["scores"][:1], spans.scores, atol=1e-4)
    spans = task.predict_windows(
        {"question": ["who?"] * 2, "context": contexts[:2]},
        stride=5,
        verbose=0,
    )
    assert spans.first.shape == (2, 5)
    for questions, texts in (("who?", ["Ada"]), (["who?"], "Ada")):
        with pytest.raises(ValueError, match="put it into a list"):
            task.answer(questions, texts)


def test_pretrained_then_asked(tmp_path):
    """A masked LM's preset opens with room for a question's tokens."""
    small.make_masked_lm().save_to_preset(tmp_path)
    task = klf.LongformerQuestionAnswering.from_preset(
        tmp_path, max_sequence_length=100, window_size=16
    )
    assert task.backbone.max_global_tokens == 65
    assert task.preprocessor.sequence_length == 100
    assert task.preprocessor.question_limit == 25
    assert task.answer(["who?"], ["Ada " * 99])["answers"].shape == (1, 5)


def test_errors():
    task = small.make_question_answering(max_global_tokens=16)
    for run in (task.predict, lambda x: task.answer(*x.values())):
        with pytest.raises(ValueError, match="`max_global_tokens=17`, or the"):
            run(X)
    task = small.make_question_answering()
    with pytest.raises(ValueError, match="`fit` needs answers"):
        task.fit(X)
    data = tf.data.Dataset.from_tensors((X["question"], X["context"]))
    with pytest.raises(ValueError, match="lone tuple"):
        task.fit(data, verbose=0)
