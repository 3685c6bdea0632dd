"""Tasks read texts with it, and what is exported reads them alike."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.tasks import small
from tests.tokenizers.word_piece.vocabularies import TINY
from tests.tokenizers.word_piece.vocabularies import tiny
from tests.tolerances import assert_close

PAIRS = (
    ["Hello, world!", "中文 WORLD " * 40, "", "he\u0301llo\x7f wor"],
    ["héllo", "world", "😀 [SEP] hello", "!"],
)
SERVE = """
import json, sys
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
texts, pairs = json.loads(sys.argv[2])
outputs = served.signatures["serving_default"](
    text=tf.constant(texts), text_pair=tf.constant(pairs))
assert not any(name.startswith(("keras_longformer", "keras_hub", "keras",
                                "tensorflow_text")) for name in sys.modules
               if not name.startswith("keras.") and name != "keras")
print(json.dumps(outputs["logits"].numpy().tolist()))
"""


def make_backbone(**config):
    return small.make_backbone(
        vocabulary_size=len(TINY), num_token_types=2, pad_token_id=0, **config
    )


def test_served_equals_predicted(tmp_path):
    """Pairs have two token types, in the export as in `predict`."""
    reader = klf.LongformerTextClassifierPreprocessor(
        tiny(), sequence_length=64, num_texts=2
    )
    task = klf.LongformerTextClassifier(
        make_backbone(), num_classes=2, preprocessor=reader
    )
    task = small.scaled(task)
    inputs = reader(x=PAIRS)
    types = inputs["token_type_ids"].numpy()
    ids = inputs["token_ids"].numpy()
    sep = TINY.index("[SEP]")
    assert ids[0, 0] == TINY.index("[CLS]") and (ids == sep).sum(1).max() == 2
    for row, kinds in zip(ids, types, strict=True):
        first, last = np.flatnonzero(row == sep)
        assert kinds.sum() == last - first and not kinds[: first + 1].any()
    want = task.predict(tf.data.Dataset.from_tensors((PAIRS,)), verbose=0)
    folder = klf.export_saved_model(
        task, str(tmp_path / "model"), buckets=[32, 64], batch_sizes=[1]
    )
    result = subprocess.run(
        [sys.executable, "-c", SERVE, folder, json.dumps(PAIRS)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert_close(json.loads(result.stdout.splitlines()[-1]), want)


def test_spans_and_words():
    """Answers are cut out of the text as it was given; words have labels."""
    answering = klf.LongformerQuestionAnswering(
        make_backbone(max_global_tokens=17),
        preprocessor=klf.LongformerQuestionAnsweringPreprocessor(
            tiny(), sequence_length=64
        ),
    )
    context = "HÉLLO, WORLD! 中文 " * 3
    found = answering.answer(["Hello?"], [context], num_best=3)
    for answer, start, end in zip(
        found["answers"][0], found["starts"][0], found["ends"][0], strict=True
    ):
        assert answer == context[start:end] != ""
        assert answer[-1] in "OD!,中文R"  # No token ends elsewhere.
    reader = klf.LongformerTokenClassifierPreprocessor(
        tiny(), sequence_length=16
    )
    words = tf.ragged.constant([["Hello", "WORLD", "!"]])
    ids = reader(words)["token_ids"].numpy()[0]
    tokens = "[CLS] hello wor ##ld ! [SEP]".split()
    assert [TINY[i] for i in ids[:6]] == tokens


def test_opened_from_a_folder(tmp_path):
    """With a model, from Hugging Face's files and from a preset."""
    masked = klf.LongformerMaskedLM(
        make_backbone(max_global_tokens=0),
        preprocessor=klf.LongformerMaskedLMPreprocessor(
            tiny(added_tokens=[]), sequence_length=64, seed=1
        ),
    )
    klf.save_hugging_face(masked, tmp_path / "theirs")
    assert (tmp_path / "theirs" / "vocab.txt").is_file()
    masked.save_to_preset(str(tmp_path / "preset"))
    texts = [*PAIRS[0]]
    want = masked.preprocessor.tokenizer.tokenize(texts).to_list()
    for name in ("theirs", "preset"):
        opened = klf.LongformerTokenizer.from_preset(tmp_path / name)
        assert type(opened) is klf.LongformerWordPieceTokenizer
        assert opened.tokenize(texts).to_list() == want
        task = klf.LongformerMaskedLM.from_preset(str(tmp_path / name))
        ids = task.preprocessor.tokenizer.tokenize(texts).to_list()
        assert ids == want
    with pytest.raises(ValueError, match="has a LongformerWordPieceTokenizer"):
        klf.LongformerSentencePieceTokenizer.from_preset(tmp_path / "theirs")
