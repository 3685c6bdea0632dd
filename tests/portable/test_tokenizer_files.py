"""The tokenizer beside a file: the rows that the model was fitted on."""

import hashlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tokenizers

import keras_longformer as klf
from tests.paths import ROOT
from tests.portable import files
from tests.tasks import small
from tests.tokenizers.word_piece import vocabularies as word_piece

TEXTS = [*small.TEXTS, " two  spaces ", "tab\tand\nlines"]
DOCS = (ROOT / "docs" / "onnx.md").read_text(encoding="utf-8")

# Only what is installed beside ONNX Runtime: no TensorFlow, no Keras.
ALONE = """
import sys
sys.modules.update(dict.fromkeys(
    ("tensorflow", "keras", "keras_hub", "keras_longformer", "onnx")))
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A classifier, and the folder with its files."""
    folder = tmp_path_factory.mktemp("exported")
    reader = klf.LongformerTextClassifierPreprocessor(
        small.shared_tokenizer(), sequence_length=48, pad_to="sequence_length"
    )
    task = klf.LongformerTextClassifier(
        small.make_backbone(num_layers=2),
        2,
        reader,
        class_names=["bad", "good"],
    )
    files.export(files.stirred(task), folder, "reviews.onnx")
    return task, folder


def test_lies_beside_the_file(exported):
    task, folder = exported
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["reviews.onnx", "reviews.tokenizer.json"]
    said = files.facts(str(folder / "reviews.onnx"))["tokenizer"]
    content = (folder / said["file"]).read_bytes()
    assert said["sha256"] == hashlib.sha256(content).hexdigest()


def test_rows_are_the_preprocessors(exported):
    task, folder = exported
    read = tokenizers.Tokenizer.from_file(
        str(folder / "reviews.tokenizer.json")
    )
    encoded = read.encode_batch(TEXTS)
    want = task.preprocessor(TEXTS)
    longest = len(encoded[0].ids)
    assert longest == 48  # One of them is cut off.
    np.testing.assert_array_equal(
        [row.ids for row in encoded], want["token_ids"]
    )
    np.testing.assert_array_equal(
        [row.attention_mask for row in encoded], want["padding_mask"]
    )


def test_word_pieces(tmp_path):
    own = klf.LongformerWordPieceTokenizer(word_piece.TINY)
    text = own.tokenizer_json(9)
    read = tokenizers.Tokenizer.from_str(text)
    template = own.row_template
    texts = ["hello world", "HELLO, hello!", "", "hello " * 20]
    got = [row.ids for row in read.encode_batch(texts)]
    for row, ids in zip(got, own.tokenize(texts).to_list(), strict=True):
        want = [*template.start, *ids[:7], *template.end]
        assert row == want + [template.pad] * (9 - len(want))


def test_the_documented_example_without_tensorflow(exported):
    """The code of docs/onnx.md, in a process that has no TensorFlow."""
    task, folder = exported
    blocks = re.findall(r"```python\n(.*?)```", DOCS, re.S)
    (block,) = [block for block in blocks if "Tokenizer.from_file" in block]
    assert len([line for line in block.splitlines() if line]) <= 12
    texts = small.TEXTS[:3]
    block = block.replace('["a long review ...", "short"]', repr(texts))
    assert repr(texts) in block
    code = ALONE + block + "\nprint(logits.tolist())\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert not done.returncode, done.stderr
    got = np.array(eval(done.stdout.splitlines()[-1]))  # Of our own making.
    want = task.predict(texts, verbose=0)
    assert np.abs(want[0] - want[1]).max() > 1e-2
    np.testing.assert_allclose(got, want, atol=2e-5)
