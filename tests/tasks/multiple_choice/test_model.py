"""Choices: each in a row of its own, or all in one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.golden.reading import GOLDEN
from tests.golden.reading import TOLERANCE
from tests.tasks import small

QUESTIONS = {
    "context": ["it is good", "it is bad. " * 9, "x", "the good"],
    "question": ["what is it?", "what?", "", "which?"],
    "choices": [["good", "bad"], ["a", "good", "bad"], ["x"], ["bad", "good"]],
}
LABELS = [0, 2, 0, 1]


def make(scoring="choices", preprocessor=None, **config):
    preprocessor = {"sequence_length": 48, **(preprocessor or {})}
    return klf.LongformerMultipleChoice(
        small.make_backbone(
            **{"max_global_tokens": None, "dropout": 0.0, **config}
        ),
        preprocessor=klf.LongformerMultipleChoicePreprocessor(
            small.shared_tokenizer(), scoring=scoring, **preprocessor
        ),
        scoring=scoring,
    )


def repeated(times):
    return {name: values * times for name, values in QUESTIONS.items()}


@pytest.mark.parametrize(
    "scoring, jit_compile, dtype",
    [
        ("choices", False, "float32"),
        ("choices", True, "float32"),
        ("choices", False, "mixed_bfloat16"),
        ("candidates", False, "float32"),
    ],
)
def test_fit_on_questions(scoring, jit_compile, dtype):
    task = make(
        scoring, max_global_tokens=48 if jit_compile else None, dtype=dtype
    )
    task.compile(
        optimizer=keras.optimizers.AdamW(5e-3), jit_compile=jit_compile
    )
    history = task.fit(
        repeated(6),
        LABELS * 6,
        batch_size=4,
        epochs=3,
        verbose=0,
        shuffle=False,
    ).history
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < history["loss"][0]
    logits = task.predict(QUESTIONS, verbose=0)
    assert logits.dtype == np.float32 and logits.shape == (4, 3)
    is_there = [[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 0]]
    np.testing.assert_array_equal(logits > -1e8, np.array(is_there, bool))


def test_choices_do_not_see_each_other():
    task = make()
    want = task.predict(QUESTIONS, verbose=0)
    one = {
        "context": QUESTIONS["context"][1:2],
        "question": QUESTIONS["question"][1:2],
        "choices": [["good"]],
    }
    got = task.predict(one, verbose=0)
    np.testing.assert_allclose(got[0, 0], want[1, 1], atol=1e-5)
    data = tf.data.Dataset.from_tensor_slices(
        (
            {**QUESTIONS, "choices": tf.ragged.constant(QUESTIONS["choices"])},
            LABELS,
        )
    )
    assert np.isfinite(task.evaluate(data.batch(2), verbose=0)).all()


def test_candidates_are_the_mean_of_windows():
    task = make("candidates")
    for weight in task.trainable_weights:  # So that windows differ.
        weight.assign(weight * 10)
    inputs = task.preprocessor(QUESTIONS)
    inputs = {name: x.numpy() for name, x in inputs.items()}
    logits = task.predict(QUESTIONS, verbose=0)
    windows = np.flatnonzero(inputs["padding_mask"][1].any(-1))
    assert len(windows) > 2
    states = task.backbone(
        {
            name: inputs[name][1, windows]
            for name in ("token_ids", "padding_mask", "global_mask")
        }
    ).numpy()
    kernel, bias = task.output_dense.get_weights()
    for choice, column in enumerate(inputs["candidate_positions"][1]):
        want = states[:, column].mean(0) @ kernel + bias
        np.testing.assert_allclose(logits[1, choice], want[0], rtol=1e-3)


@pytest.mark.parametrize("scoring", ["choices", "candidates"])
@pytest.mark.parametrize("file", ["task.keras", "preset"])
def test_saved_and_loaded(scoring, file, tmp_path):
    task = make(scoring)
    want = task.predict(QUESTIONS, verbose=0)
    path = tmp_path / file
    if file == "task.keras":
        task.save(path)
        again = keras.saving.load_model(path)
    else:
        task.save_to_preset(path)
        again = klf.LongformerMultipleChoice.from_preset(path)
    assert again.scoring == again.preprocessor.scoring == scoring
    np.testing.assert_array_equal(again.predict(QUESTIONS, verbose=0), want)


@pytest.mark.parametrize("pooler", [True, False])
def test_hugging_face_and_back(pooler, tmp_path):
    task = make(pooler=pooler)
    klf.save_hugging_face(task, tmp_path)
    again = klf.LongformerMultipleChoice.from_preset(tmp_path)
    got = again.predict(QUESTIONS, verbose=0)
    # 64 tokens a row, not 48: compare where nothing was cut off.
    want = task.predict(QUESTIONS, verbose=0)
    np.testing.assert_allclose(got[[0, 2, 3]], want[[0, 2, 3]], atol=1e-5)
    candidates = klf.LongformerMultipleChoice.from_preset(
        tmp_path, scoring="candidates"
    )
    assert candidates.preprocessor.scoring == "candidates"
    with pytest.raises(ValueError, match="no candidates in one sequence"):
        klf.save_hugging_face(candidates, tmp_path)


@pytest.mark.parametrize("global_tokens", ["second", "none"])
def test_hugging_face_numbers(global_tokens):
    task = klf.LongformerMultipleChoice.from_preset(
        GOLDEN / "longformer-multiple_choice", preprocessor=None
    )
    preprocessor = klf.LongformerMultipleChoicePreprocessor(
        small.shared_tokenizer(), global_tokens=global_tokens
    )
    with np.load(GOLDEN / "multiple_choice.npz") as file:
        for case in ("one", "padded"):
            ids = file[f"{case}/token_ids"]
            mask = file[f"{case}/padding_mask"]
            b, c, n = ids.shape
            rows = preprocessor.model_inputs(
                ids.reshape(b * c, n), mask.reshape(b * c, n)
            )
            inputs = {
                name: tf.reshape(x, (b, c, n)) for name, x in rows.items()
            }
            got = task({**inputs, "token_type_ids": tf.zeros_like(ids)})
            want = file[f"{case}/{global_tokens}"]
            np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE)


def test_errors():
    with pytest.raises(ValueError, match="`scoring` must be one of"):
        klf.LongformerMultipleChoice(small.make_backbone(), scoring="all")
    with pytest.raises(ValueError, match="make both with the same"):
        klf.LongformerMultipleChoice(
            small.make_backbone(),
            preprocessor=make("candidates").preprocessor,
        )
    with pytest.raises(ValueError, match="indices of the right choices"):
        make().fit(QUESTIONS)
