"""Beam's pipeline gives the documents that `prepare_corpus` gives."""

import importlib.util

import pytest

from keras_longformer.training.corpus.prepare import prepare_corpus
from keras_longformer.training.corpus.records import Corpus
from tests.training.corpus.test_prepare import documents_of
from tests.training.corpus.test_prepare import make_texts
from tests.training.corpus.test_prepare import tokenizer as tokenizer

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("apache_beam") is None,
        reason="there is no apache-beam: the extra `beam`",
    ),
    # Beam's own, and of what it imports.
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning"
    ),
]
# In this process; DirectRunner may start another that it downloads.
RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def test_same_documents(tmp_path, tokenizer):
    from keras_longformer.training.corpus import beam

    make_texts(tmp_path / "texts")
    arguments = (str(tmp_path / "texts"), tokenizer, tmp_path / "by_beam")
    beam.run(*arguments, shard_tokens=20, options=[f"--runner={RUNNER}"])
    made = Corpus.open(tmp_path / "by_beam")
    wanted = prepare_corpus(tmp_path / "texts", tokenizer, tmp_path / "here")
    assert len(made.shards) > 1
    assert sorted(documents_of(made)) == sorted(documents_of(wanted))
    for name in ("documents", "tokens", "characters", "left_out", "tokenizer"):
        assert made.facts[name] == wanted.facts[name]
    assert not list((tmp_path / "by_beam").glob("*unfinished*"))
    with pytest.raises(ValueError, match="There is a corpus"):
        beam.run(*arguments)
