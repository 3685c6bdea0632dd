"""Every task's numbers in ONNX Runtime, from its preprocessor's inputs."""

import keras
import numpy as np
import pytest

import keras_longformer as klf
from tests.portable import files
from tests.tasks import small
from tests.tasks import table
from tests.tasks.char_lm.small import make as make_char_lm

LONG = 160  # Beyond a window and a chunk.


# That of texts is below, and in test_tokenizer_files.py.
KINDS = [k.name for k in table.KINDS if k.name != "text_classification"]


@pytest.mark.parametrize("name", KINDS)
def test_equals_the_model(tmp_path, name):
    kind = table.BY_NAME[name]
    task = files.stirred(kind.make(num_layers=1, max_sequence_length=LONG))
    path = files.export(task, tmp_path)
    said = files.facts(path)
    assert said["model"] == type(task).__name__
    assert said["largest_difference"] < 1e-5
    (output,) = said["outputs"]
    inputs = kind.inputs(task)
    opened = files.session(path)
    got = files.run(opened, inputs)
    want = keras.Model.predict(task, inputs, verbose=0)
    assert np.ptp(want[want > -1e8]) > 0.1
    files.assert_same(got, {output: want})
    assert output == ("embedding" if name == "embedding" else "logits")
    # Rows as long as they may be, which the small preprocessor's are not.
    inputs = task.example_inputs(2, LONG - 3, np.random.default_rng(5))
    files.assert_same(files.run(opened, inputs), {output: task(inputs)})


@pytest.mark.slow
def test_candidates_in_one_sequence(tmp_path):
    task = table.make(
        klf.LongformerMultipleChoice,
        {"scoring": "candidates", "candidate_token": "<mask>"},
        {"scoring": "candidates"},
        num_layers=1,
    )
    files.stirred(task)
    opened = files.session(files.export(task, tmp_path))
    inputs = task.example_inputs(3, 31, np.random.default_rng(5))
    files.assert_same(files.run(opened, inputs), {"logits": task(inputs)})


def test_probabilities_and_names(tmp_path):
    reader = klf.LongformerTextClassifierPreprocessor(
        small.shared_tokenizer(), sequence_length=64
    )
    task = klf.LongformerTextClassifier(
        small.make_backbone(max_sequence_length=64),
        2,
        reader,
        activation="softmax",
        class_names=["bad", "good"],
    )
    path = files.export(files.stirred(task), tmp_path)
    said = files.facts(path)
    assert said["class_names"] == ["bad", "good"]
    assert list(said["outputs"]) == ["probabilities"]
    assert said["token_ids"] == {
        **{"start": 0, "pad": 1, "end": 2, "unk": 3},
        "mask": small.shared_tokenizer().mask_token_id,
    }
    got = files.run(files.session(path), reader(small.TEXTS))
    np.testing.assert_allclose(
        got["probabilities"], task.predict(small.TEXTS, verbose=0), atol=1e-5
    )


def test_character_language_model(tmp_path):
    task = make_char_lm(
        alphabet="text8", num_layers=1, window_size=6, dilation=[[3, 1]]
    )
    files.stirred(task)
    path = files.export(task, tmp_path)
    opened = files.session(path)
    for batch, length in ((3, 1), (2, 137)):
        inputs = task.example_inputs(batch, length, np.random.default_rng(3))
        files.assert_same(files.run(opened, inputs), {"logits": task(inputs)})
    # Bytes are no tokens of `tokenizers`: the file says which id each has.
    said = files.facts(path)
    assert "tokenizer" not in said
    ids = task.preprocessor.tokenizer.tokenize("a z").numpy()
    assert [said["byte_ids"][byte] for byte in b"a z"] == list(ids)
