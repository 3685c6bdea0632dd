"""What an exported model that chooses returns."""

import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.serving import exports
from tests.tasks import small


def test_choices(tmp_path):
    task = klf.LongformerMultipleChoice(
        small.make_backbone(max_global_tokens=None),
        preprocessor=klf.LongformerMultipleChoicePreprocessor(
            small.shared_tokenizer(), sequence_length=64
        ),
    )
    exported = exports.export(
        small.scaled(task), tmp_path / "m", bad_texts="report", **exports.QUICK
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
