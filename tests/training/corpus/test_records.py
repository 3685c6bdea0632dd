"""What is written is read; what is broken is named."""

import numpy as np
import pytest

from keras_longformer.tokenizers import LongformerTokenizer
from keras_longformer.training.corpus.fingerprint import tokenizer_fingerprint
from keras_longformer.training.corpus.records import Corpus
from keras_longformer.training.corpus.records import write_manifest
from keras_longformer.training.corpus.records import write_shard

SHARDS = [[[5, 6, 7], [], [2]], [], [[7] * 5000]]


def make_tokenizer(**arguments):
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", "a", "b"]
    tokens = {token: i for i, token in enumerate(tokens)}
    return LongformerTokenizer(tokens, [], **arguments)


@pytest.fixture
def folder(tmp_path):
    written = [
        write_shard(
            tmp_path / f"shard-{i:05}.tfrecord",
            [(np.array(ids, int), 3 * len(ids)) for ids in documents],
        )
        for i, documents in enumerate(SHARDS)
    ]
    write_manifest(tmp_path, make_tokenizer(), written)
    return tmp_path


def test_written_is_read(folder):
    corpus = Corpus.open(folder)
    assert corpus.lengths.tolist() == [3, 0, 1, 5000]
    assert corpus.characters.tolist() == [9, 0, 3, 15000]
    assert [s.first_document for s in corpus.shards] == [0, 3, 3]
    for i, documents in enumerate(SHARDS):
        ids, offsets = corpus.read_shard(i)
        assert ids.dtype == np.int32 and len(offsets) == len(documents) + 1
        read = np.split(ids, offsets[1:-1]) if documents else []
        assert [d.tolist() for d in read] == documents
    assert not list(folder.glob(".unfinished*"))


def test_broken(folder, tmp_path):
    path = folder / "shard-00002.tfrecord"
    corpus = Corpus.open(folder)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="shard-00002.tfrecord' is broken"):
        corpus.read_shard(2)
    path.write_bytes(data[:-1])
    (folder / "shard-00000.lengths.npz").unlink()
    with pytest.raises(ValueError) as error:
        Corpus.open(folder)
    assert "shard-00000.lengths.npz is missing" in str(error.value)
    assert "shard-00002.tfrecord has" in str(error.value)
    with pytest.raises(FileNotFoundError, match="no corpus"):
        Corpus.open(folder / "nothing")


def test_tokenizer(folder):
    corpus = Corpus.open(folder)
    corpus.check_tokenizer(make_tokenizer(max_text_bytes=7))
    with pytest.raises(ValueError, match="another tokenizer"):
        corpus.check_tokenizer(make_tokenizer(add_prefix_space=True))


def test_fingerprint_does_not_see_the_order(tmp_path):
    tokenizer = make_tokenizer()
    tokens = dict(reversed(tokenizer.vocabulary.items()))
    again = LongformerTokenizer(tokens, [])
    assert tokenizer_fingerprint(again) == tokenizer_fingerprint(tokenizer)
