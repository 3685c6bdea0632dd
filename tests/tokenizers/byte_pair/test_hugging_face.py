"""The files that Hugging Face keeps a byte-level BPE in."""

import json

import pytest

from keras_longformer.tokenizers import open_tokenizer
from keras_longformer.tokenizers.byte_pair.hugging_face import read_files
from tests.vocabularies import tiny_vocabulary


def test_byte_pair_files(tmp_path):
    vocabulary, merges = {"a": 0, "b": 1, "ab": 2}, ["a b"]
    vocab, merges_file = tmp_path / "vocab.json", tmp_path / "merges.txt"
    vocab.write_text(json.dumps(vocabulary))
    merges_file.write_text("#version: 0.2\na b\n")
    arguments = {"vocabulary": vocabulary, "merges": merges}
    files = {"vocab.json": str(vocab), "merges.txt": str(merges_file)}
    assert read_files(files) == arguments
    for written in (["a b"], [["a", "b"]]):
        model = {"type": "BPE", "vocab": vocabulary, "merges": written}
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps({"model": model}))
        files = {"tokenizer.json": str(path)}
        assert read_files(files) == arguments
    path.write_text(json.dumps({"model": {"type": "Unigram", "vocab": []}}))
    assert read_files(files) is None
    assert read_files({}) is None


def write(tokenizer, folder):
    files = {}
    for name, text in tokenizer.hugging_face_files(4096).items():
        (folder / name).write_text(text, "utf-8")
        files[name] = str(folder / name)
    return files


@pytest.mark.parametrize("add_prefix_space", [False, True])
def test_written_and_read(tiny, add_prefix_space, tmp_path):
    made = type(tiny)(*tiny_vocabulary(), add_prefix_space=add_prefix_space)
    again = open_tokenizer(write(made, tmp_path))
    assert type(again) is type(tiny)
    assert again.vocabulary == made.vocabulary and again.merges == made.merges
    assert again.add_prefix_space == add_prefix_space
    for text in ("hello", " hello", ""):
        got, want = again.tokenize(text), made.tokenize(text)
        assert got.numpy().tolist() == want.numpy().tolist()
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "LongformerTokenizer"
    assert config["model_max_length"] == 4096
    tokens = json.loads((tmp_path / "special_tokens_map.json").read_text())
    assert tokens["cls_token"] == "<s>" and tokens["mask_token"] == "<mask>"


def test_other_kinds_are_not_opened(tmp_path):
    path = tmp_path / "sentencepiece.bpe.model"
    path.write_bytes(b"")
    assert open_tokenizer({path.name: str(path)}) is None
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{")
    with pytest.raises(ValueError, match="tokenizer.json' is not valid JSON"):
        open_tokenizer({"tokenizer.json": str(broken)})
