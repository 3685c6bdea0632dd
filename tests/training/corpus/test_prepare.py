"""Texts of all kinds become a corpus, whoever makes it and however often."""

import errno
import gzip
import json
import os

import pytest
import tensorflow as tf

from keras_longformer.cli.main import main
from keras_longformer.tokenizers import LongformerTokenizer
from keras_longformer.training.corpus import prepare
from keras_longformer.training.corpus import shards
from keras_longformer.training.corpus.prepare import prepare_corpus
from keras_longformer.training.corpus.records import Corpus
from keras_longformer.training.corpus.sources import find_files
from keras_longformer.training.corpus.sources import read_documents

TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
TOKENS += [*"Ġabcdefghijklmnopqrstuvwxyz", "Ċ", "Ã", "¤"]


@pytest.fixture(scope="module")
def tokenizer():
    vocabulary = {token: i for i, token in enumerate(TOKENS)}
    return LongformerTokenizer(vocabulary, [], max_text_bytes=20)


def make_texts(folder):
    """Writes files of every kind; returns the texts of them, in order."""
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\nfile\n\nwhole\n")
    rows = [{"text": "a row"}, {"text": " "}, {"text": "ä" * 30}]
    rows += [{"text": "\ud800"}, {"text": "last\u2028one"}]
    lines = "\n".join(map(json.dumps, rows)) + "\n\n"
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    feature = tf.train.Feature(
        bytes_list=tf.train.BytesList(value=[b"of a record"])
    )
    example = tf.train.Example(
        features=tf.train.Features(feature={"text": feature})
    )
    with tf.io.TFRecordWriter(str(folder / "c.tfrecord")) as writer:
        writer.write(example.SerializeToString())
    (folder / "ignored.bin").write_bytes(b"\xff")
    return [
        "one\nfile\n\nwhole\n",
        "a row",
        "ä" * 30,
        "last\u2028one",
        "of a record",
    ]


def documents_of(corpus):
    found = []
    for index in range(len(corpus.shards)):
        ids, offsets = corpus.read_shard(index)
        found += [ids[a:b].tolist() for a, b in zip(offsets, offsets[1:])]
    return found


def contents(folder):
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.suffix == ".tfrecord" or path.name == "corpus.json"
    }


def test_every_kind_of_file(tmp_path, tokenizer, capsys):
    texts = make_texts(tmp_path / "texts")
    corpus = prepare_corpus(
        tmp_path / "texts", tokenizer, tmp_path / "corpus", shard_tokens=5
    )
    wanted = shards.corpus_tokenizer(tokenizer)
    assert documents_of(corpus) == [wanted(t).numpy().tolist() for t in texts]
    assert corpus.characters.tolist() == [len(text) for text in texts]
    assert len(corpus.shards) == 3
    assert corpus.facts["left_out"] == {"empty": 1, "not_unicode": 1}
    assert "b.jsonl.gz:2" in capsys.readouterr().err
    corpus.check_tokenizer(tokenizer)


def test_goes_on_and_refuses_others(tmp_path, tokenizer, monkeypatch):
    make_texts(tmp_path / "texts")
    arguments = (tmp_path / "texts", tokenizer, tmp_path / "corpus")
    made = []
    make_shard = shards.make_shard

    def fails(folder, index, *others):
        made.append(index)
        if made == [0, 1]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return make_shard(folder, index, *others)

    monkeypatch.setattr(shards, "make_shard", fails)
    with pytest.raises(OSError, match="no room left on the disk"):
        prepare_corpus(*arguments, shard_tokens=5)
    with pytest.raises(ValueError, match="shard_tokens: 5, now 6"):
        prepare_corpus(*arguments, shard_tokens=6)
    corpus = prepare_corpus(*arguments, shard_tokens=5)
    assert made == [0, 1, 1, 2]
    once = contents(tmp_path / "corpus")
    assert prepare_corpus(*arguments, shard_tokens=5).facts == corpus.facts
    assert len(made) == 4
    prepare_corpus(*arguments[:2], tmp_path / "again", shard_tokens=5)
    assert contents(tmp_path / "again") == once
    file = tmp_path / "texts" / "a.txt"
    file.write_bytes(file.read_bytes().replace(b"one", b"two"))
    with pytest.raises(ValueError, match="other texts.*\n  files: "):
        prepare_corpus(*arguments, shard_tokens=5)


@pytest.mark.slow
def test_processes_make_the_same(tmp_path, tokenizer):
    make_texts(tmp_path / "texts")
    for processes in (1, 2):
        prepare_corpus(
            tmp_path / "texts",
            tokenizer,
            tmp_path / str(processes),
            shard_tokens=5,
            processes=processes,
        )
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


@pytest.mark.slow
def test_a_killed_process(tmp_path, tokenizer, monkeypatch):
    """One that tokenizes is killed: it is said, and the rest is made later."""
    make_texts(tmp_path / "texts")
    arguments = (tmp_path / "texts", tokenizer, tmp_path / "corpus")
    monkeypatch.setattr(prepare, "_begin", os.abort)
    monkeypatch.setattr(prepare, "_make", os.abort)
    with pytest.raises(RuntimeError, match="fewer `processes`"):
        prepare_corpus(*arguments, processes=2)
    monkeypatch.undo()
    assert prepare_corpus(*arguments).facts["documents"] == 5


@pytest.mark.parametrize(
    "name, data, said",
    [
        ("a.txt", b"fine\nnot \xff\n", r"a\.txt:2: not UTF-8: byte 5"),
        ("a.jsonl", b'{"text": "a"}\n{', r"a\.jsonl:2: not JSON"),
        ("a.jsonl", b'{"body": "a"}', r"a\.jsonl:1: 'text' is missing.*'body'"),
        ("a.jsonl", b'{"text": 1}', r"a\.jsonl:1: 'text' is int"),
        ("a.jsonl", b"[1]", r"a\.jsonl:1: must be a JSON object"),
        (
            "a.txt.gz",
            gzip.compress(b"text", mtime=0)[:-3],
            "no whole gzip file",
        ),
        (
            "a.tfrecord",
            b"no record of any kind",
            "no whole TFRecord file after record 0",
        ),
        ("a.tfrecord", b"short", "5 bytes, and 0 to the end of record 0"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=said):
        list(read_documents(str(tmp_path / name)))


def test_splits_of_texts(tmp_path):
    file = tmp_path / "a"
    file.write_text("one\nis\n \n\n\ntwo\n")
    (path,) = find_files(file)

    def read(split):
        return [(d.text, d.place) for d in read_documents(path, split=split)]

    assert read("none") == [("one\nis\n \n\n\ntwo\n", path)]
    assert read("blank_lines") == [
        ("one\nis", path + ":1"),
        ("two", path + ":6"),
    ]
    lines = [text for text, _ in read("lines")]
    assert lines == ["one", "is", " ", "", "", "two"]
    with pytest.raises(ValueError, match="`split` must be one of"):
        read("sentences")
    with pytest.raises(FileNotFoundError, match="no text at '.*nothing"):
        find_files([file, tmp_path / "nothing*"])


def test_command(tmp_path, tokenizer, capsys):
    make_texts(tmp_path / "texts")
    tokenizer.save_to_preset(str(tmp_path / "preset"))
    arguments = ["prepare-corpus", str(tmp_path / "texts")]
    arguments += ["--tokenizer", str(tmp_path / "preset")]
    arguments += ["--output", str(tmp_path / "corpus")]
    assert main(arguments) == 0
    assert "documents" in capsys.readouterr().out
    assert Corpus.open(tmp_path / "corpus").facts["documents"] == 5
    with pytest.raises(SystemExit):
        main([*arguments, "--beam-option=--runner=DirectRunner"])
    assert "--beam-option needs --beam" in capsys.readouterr().err
