"""The tokenizer as a Keras layer: shapes, graphs, saving, errors."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer
from tests.vocabularies import tiny_vocabulary

TEXTS = ["hello hello", "", "well 😀"]


def test_shapes(tiny):
    one = tiny.tokenize("hello")
    assert one.dtype == tf.int32 and one.shape == [3]
    batch = tiny.tokenize(TEXTS)
    assert isinstance(batch, tf.RaggedTensor)
    rows = batch.to_list()
    assert rows[1] == []
    for inputs in (np.array(TEXTS), np.array(TEXTS, object), tuple(TEXTS)):
        assert tiny.tokenize(inputs).to_list() == rows
    nested = tiny.tokenize([TEXTS, TEXTS])
    assert nested.to_list() == [rows, rows] and nested.shape[:2] == [2, 3]
    ragged = tiny.tokenize([TEXTS, ["hello"]]).to_list()
    assert ragged == [rows, [one.numpy().tolist()]]
    assert tiny.tokenize(tf.constant([], tf.string)).to_list() == []
    assert tiny.tokenize("").shape == [0]
    assert tiny(TEXTS) == rows  # KerasHub's `__call__` gives Python lists.


def test_sequence_length():
    tokenizer = LongformerTokenizer(*tiny_vocabulary(), sequence_length=4)
    pad = tokenizer.pad_token_id
    rows = tokenizer.tokenize(TEXTS)
    assert rows.shape == [3, 4]
    assert rows[1].numpy().tolist() == [pad] * 4
    assert tokenizer.tokenize("hello").numpy()[-1] == pad
    assert tokenizer.tokenize([TEXTS] * 2).shape == [2, 3, 4]
    assert tokenizer.tokenize_with_offsets(TEXTS).ends.shape == [3, 4]


def test_graph_and_data_pipeline(tiny):
    rows = tiny.tokenize(TEXTS).to_list()

    @tf.function(input_signature=[tf.TensorSpec(None, tf.string)])
    def unknown_rank(texts):
        return tiny.tokenize(tf.reshape(texts, [-1]))

    assert unknown_rank(tf.constant(TEXTS)).to_list() == rows
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
    assert [x.tolist() for x in dataset.map(tiny).as_numpy_iterator()] == rows
    batched = dataset.batch(2).map(tiny.tokenize)
    assert [x.to_list() for x in batched] == [rows[:2], rows[2:]]


def test_offsets_index_the_text(tiny):
    text = "hé 😀 well"
    ids, starts, ends = tiny.tokenize_with_offsets(text)
    at = ids.numpy().tolist().index(tiny.token_to_id("ell"))
    assert text[starts[at] : ends[at]] == "ell"
    # The four bytes of the emoji are four tokens with its one character.
    assert [(3, 4)] * 4 == [
        (s, e)
        for s, e in zip(starts.numpy(), ends.numpy(), strict=True)
        if s == 3
    ]


def test_detokenize(tiny):
    ids = tiny.tokenize("hello 😀")
    assert tiny.detokenize(ids).numpy().decode() == "hello 😀"
    # Half an emoji.
    assert tiny.detokenize(ids[:-2]).numpy().decode() == "hello \ufffd"
    start, end = tiny.start_token_id, tiny.end_token_id
    rows = [[start, tiny.token_to_id("ell"), end], [tiny.pad_token_id]]
    written = [b"<s>ell</s>", b"<pad>"]
    assert tiny.detokenize(rows).numpy().tolist() == written
    plain = tiny.detokenize(rows, skip_special_tokens=True)
    assert plain.numpy().tolist() == [b"ell", b""]
    assert tiny.detokenize(end).numpy() == b"</s>"


def test_vocabulary(tiny):
    tokens, merges = tiny_vocabulary()
    assert tiny.vocabulary == tokens and tiny.merges == merges
    assert tiny.vocabulary_size() == len(tokens) == 264
    assert tiny.get_vocabulary() == list(tokens)
    assert tiny.id_to_token(tiny.token_to_id("Ġh")) == "Ġh"
    assert tiny.mask_token == "<mask>"
    assert tiny.id_to_token(tiny.unk_token_id) == "<unk>"
    assert sorted(tiny.special_token_ids) == [0, 1, 2, 3, 4]
    assert tiny.supports_jit
    with pytest.raises(ValueError, match="No token has id 999"):
        tiny.id_to_token(999)
    with pytest.raises(ValueError, match="not in the vocabulary"):
        tiny.token_to_id(" h")


def test_holes_count_as_ids():
    tokens, merges = tiny_vocabulary()
    tokens["<mask>"] = 1000
    tokenizer = LongformerTokenizer(tokens, merges)
    assert tokenizer.vocabulary_size() == 1001
    assert tokenizer.detokenize([[1000, 999]]).numpy() == [b"<mask>"]


def test_text_that_is_too_long():
    tokenizer = LongformerTokenizer(*tiny_vocabulary(), max_text_bytes=10)
    assert tokenizer.tokenize(["0123456789"]).shape[0] == 1
    message = "text 1 of the batch has 12 bytes.*max_text_bytes=10.*Cut it"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        tokenizer.tokenize(["short", "hello hello!", "hello"])
    dataset = tf.data.Dataset.from_tensors(["", "hello hello!"])
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        list(dataset.map(tokenizer.tokenize))
    unlimited = LongformerTokenizer(*tiny_vocabulary(), max_text_bytes=None)
    assert unlimited.tokenize("l" * 5000).shape == [2500]


def test_config_and_preset(tiny, tmp_path):
    tokenizer = LongformerTokenizer(
        *tiny_vocabulary(),
        sequence_length=7,
        add_prefix_space=True,
        special_tokens_in_text=["<mask>"],
        max_text_bytes=99,
    )
    config = json.loads(json.dumps(tokenizer.get_config()))
    again = LongformerTokenizer.from_config(config)
    assert again.get_config() == tokenizer.get_config()
    with pytest.raises(ValueError, match="has no vocabulary"):
        again.tokenize("hello")
    tokenizer.save_assets(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["merges.txt", "vocabulary.json"]
    again.load_assets(str(tmp_path))
    inputs = [*TEXTS, "a <mask>"]
    same = again.tokenize(inputs) == tokenizer.tokenize(inputs)
    assert bool(tf.reduce_all(same))
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(tokenizer)
    )
    assert isinstance(copy, LongformerTokenizer)
    with pytest.raises(ValueError, match="may not make the tokenizer read"):
        LongformerTokenizer.from_config({**config, "merges": "/etc/hostname"})


def test_preset_files(tiny, tmp_path):
    tiny.save_to_preset(tmp_path)
    config = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    assert config["registered_name"] == "keras_longformer>LongformerTokenizer"
    copy = keras.saving.deserialize_keras_object(config)
    copy.load_preset_assets(str(tmp_path))
    assert copy.tokenize(TEXTS).to_list() == tiny.tokenize(TEXTS).to_list()


LOAD_WITHOUT_US = """
import sys
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
tokens = loaded.serve(tf.constant(["hello hello", "", "well <mask>"]))
print(tokens["ids"].numpy().tolist(), tokens["ends"].numpy().tolist())
for name in ("tensorflow_text", "keras_hub", "keras_longformer"):
    assert name not in sys.modules, name
"""


def test_saved_model_needs_only_tensorflow(tiny, tmp_path):
    module = tf.Module()
    module.tokenizer = tiny

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(texts):
        tokens = tiny.tokenize_with_offsets(texts, ["<mask>"])
        return {
            "ids": tokens.ids.to_tensor(-1),
            "ends": tokens.ends.to_tensor(-1),
        }

    module.serve = serve
    tf.saved_model.save(module, str(tmp_path))
    graph = serve.get_concrete_function().graph.as_graph_def()
    nodes = [node for f in graph.library.function for node in f.node_def]
    used = {node.op for node in (*graph.node, *nodes)}
    assert "HashTableV2" not in used  # The table is captured, not made anew.
    assert not {name for name in used if "Mutable" in name or "Py" in name}

    environment = {**os.environ, "PYTHONPATH": "", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", LOAD_WITHOUT_US, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wanted = serve(tf.constant(["hello hello", "", "well <mask>"]))
    ids, ends = wanted["ids"].numpy().tolist(), wanted["ends"].numpy().tolist()
    assert done.stdout.strip() == f"{ids} {ends}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": {"<pad>": None, "<mask>": None}}, "missing: <pad> <mask>"),
        ({"tokens": {"new": 3}}, "'<unk>' and 'new' share id 3"),
        ({"tokens": {"new": -1}}, "'new' has id -1"),
        ({"tokens": {"new": "7"}}, "'new' has id '7'"),
        ({"tokens": {"▁the": 900}}, "SentencePiece"),
        ({"tokens": {"x中": 900, "中": 901}, "merges": ["x 中"]}, "no bytes"),
        ({"merges": ["a b"]}, r"merge 3, 'a b', needs .* missing: \['ab'\]"),
        ({"merges": ["a b c", "ab"]}, "(?s)merge 3, 'a b c'.*merge 4, 'ab'"),
        ({"merges": ["q r"] * 30}, "and 20 more"),
    ],
    ids=str,
)
def test_wrong_vocabulary(change, message):
    tokens, merges = tiny_vocabulary()
    tokens.update(change.get("tokens", {}))
    tokens = {token: i for token, i in tokens.items() if i is not None}
    with pytest.raises(ValueError, match=message):
        LongformerTokenizer(tokens, merges + change.get("merges", []))


def test_wrong_files(tmp_path):
    tokens, merges = tiny_vocabulary()
    path = tmp_path / "vocab.json"
    path.write_bytes(b"\x0a\x0b\xff")
    with pytest.raises(ValueError, match="vocab.json' is not a vocab.json"):
        LongformerTokenizer(str(path), merges)
    path.write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(TypeError, match="must be a dict from token to id"):
        LongformerTokenizer(path, merges)
    with pytest.raises(FileNotFoundError):
        LongformerTokenizer(tokens, pathlib.Path(tmp_path, "none.txt"))


def test_wrong_arguments(tiny):
    with pytest.raises(TypeError, match="takes strings.*float32"):
        tiny.tokenize(tf.constant([1.0]))
    with pytest.raises(TypeError, match="array or tensor of string"):
        tiny.tokenize([1, 2])
    for choice in ("<mask>", ["<cls>"]):
        with pytest.raises(ValueError, match="must be True, False or a list"):
            LongformerTokenizer(special_tokens_in_text=choice)
    for token in ({"content": "[E]", "id": 3}, {"content": "[E]", "id": "3"}):
        with pytest.raises(ValueError, match="'\\[E\\]' has id"):
            LongformerTokenizer(*tiny_vocabulary(), added_tokens=[token])
    with pytest.raises(ValueError, match="`dtype` must be an integer"):
        LongformerTokenizer(dtype="float32")
