"""A SentencePiece model, trained here, and what Hugging Face makes of it."""

import io
import pathlib
import sysconfig

import numpy as np
import pytest

from keras_longformer.tokenizers import LongformerSentencePieceTokenizer

LANGUAGES = (
    "Le renard brun saute par-dessus le chien paresseux, déjà fatigué.",
    "Der schnelle braune Fuchs springt über den faulen Hund; größer.",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "素早い茶色の狐がのろまな犬を飛び越える。カタカナも、ひらがなも。",
    "빠른 갈색 여우가 게으른 개를 뛰어넘는다.",
    "الثعلب البني السريع يقفز فوق الكلب الكسول",
    "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।",
)


def mixed(count, seed=0):
    """Returns parts of sentences in several languages."""
    generator = np.random.default_rng(seed)
    parts = []
    for _ in range(count):
        text = LANGUAGES[generator.integers(len(LANGUAGES))]
        start, end = sorted(generator.integers(0, len(text) + 1, 2))
        parts.append(text[start:end])
    return parts


def train(**options):
    """Returns the bytes of a model of 1,000 pieces."""
    import sentencepiece

    library = pathlib.Path(sysconfig.get_path("stdlib"))
    lines = (library / "argparse.py").read_text("utf-8").split("\n")
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines + mixed(500)),
        model_writer=written,
        minloglevel=2,
        **{
            "vocab_size": 1000,
            "normalization_rule_name": "nmt_nfkc",
            **options,
        },
    )
    return written.getvalue()


@pytest.fixture(scope="session")
def proto():
    return train()


@pytest.fixture(scope="session")
def model_path(proto, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "sentencepiece.bpe.model"
    path.write_bytes(proto)
    return str(path)


@pytest.fixture(scope="session")
def xlm_roberta(proto):
    return LongformerSentencePieceTokenizer(proto)


@pytest.fixture(scope="session")
def camembert(proto):
    return LongformerSentencePieceTokenizer(proto, "camembert")


@pytest.fixture(scope="session")
def slow_xlm_roberta(model_path):
    return slow("XLMRobertaTokenizer", model_path)


@pytest.fixture(scope="session")
def slow_camembert(model_path):
    return slow("CamembertTokenizer", model_path)


def slow(name, path):
    """Returns Hugging Face's tokenizer on SentencePiece's own library."""
    import transformers

    return getattr(transformers, name)(path)
