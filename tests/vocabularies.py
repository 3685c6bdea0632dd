"""Vocabularies to test with: RoBERTa's, and a small one trained here."""

import json
import pathlib
import sysconfig

import numpy as np
import pytest

from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer
from tests.paths import SHARED_DATA

SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
# Characters that have gone wrong in one tokenizer or another.
KINDS = {
    "ascii": [chr(c) for c in range(32, 127)],
    "control": [chr(c) for c in (*range(32), 127, 0x85, 0x9F, 97, 32)],
    "whitespace": [
        *" \t\n\r\v\f\u00a0\u1680\u2003\u2028\u202f\u3000\ufeffaA1!"
    ],
    "blanks": [*"    \n\na.1"],
    "marks": [*"aeı ́̈ःา्ेंｶﾞי֑"],
    "numbers": [*"0123456789½²①Ⅷ٣๔ .,-$a"],
    "contractions": [*"''''’sStTmMdDlLrRvVeE a!1\n"],
    "wide": [*"中文字かなカナ한글😀👍🏽\u200d🇩🇪 aé"],
    "sentinels": [*"६ĴAB ĠĊa"],
    "special": ["<s>", "</s>", "<mask>", "<pad>", "<unk>", "<", ">", "s", " "],
    "runs": ["a" * 9, "-" * 13, "=" * 6, " " * 7, "ab" * 5, "\n" * 4, "xX"],
}


def random_texts(kind: str, count: int, seed: int = 0) -> list[str]:
    """Returns texts of up to 30 random pieces of one kind, the first empty."""
    generator = np.random.default_rng([seed, len(kind), ord(kind[0])])
    if kind == "any":
        pieces = [chr(c) for c in generator.integers(0, 0xD800, 5000)]
        pieces += [chr(c) for c in generator.integers(0xE000, 0x110000, 5000)]
    else:
        pieces = KINDS[kind]
    return [""] + [
        "".join(generator.choice(pieces, generator.integers(0, 30)))
        for _ in range(count - 1)
    ]


@pytest.fixture(scope="session")
def roberta_files():
    """The paths of RoBERTa's `vocab.json` and `merges.txt`."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"there is no test data at {SHARED_DATA}")
    folder = SHARED_DATA / "bpe"
    return str(folder / "roberta-vocab.json"), str(
        folder / "roberta-merges.txt"
    )


@pytest.fixture(scope="session")
def roberta(roberta_files):
    """A tokenizer with RoBERTa's vocabulary."""
    return LongformerTokenizer(*roberta_files)


@pytest.fixture(scope="session")
def small_files(tmp_path_factory):
    """A vocabulary of 2,000 tokens, its special tokens' ids moved about."""
    tokenizers = pytest.importorskip("tokenizers")
    library = pathlib.Path(sysconfig.get_path("stdlib"))
    texts = [
        (library / name).read_text(encoding="utf-8")
        for name in ("argparse.py", "typing.py", "decimal.py")
    ]
    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator(texts, 2_000, show_progress=False)
    folder = tmp_path_factory.mktemp("vocabulary")
    vocabulary_path, merges_path = trained.save_model(str(folder))
    tokens = json.loads(pathlib.Path(vocabulary_path).read_text("utf-8"))
    tokens = {token: i + 7 for token, i in tokens.items()}
    for token, i in zip(SPECIAL_TOKENS, (5, 0, 2008, 2, 2011), strict=True):
        tokens[token] = i
    pathlib.Path(vocabulary_path).write_text(json.dumps(tokens), "utf-8")
    return vocabulary_path, merges_path


@pytest.fixture(scope="session")
def small(small_files):
    """A tokenizer with the small vocabulary."""
    return LongformerTokenizer(*small_files)


@pytest.fixture(scope="session")
def tiny():
    """A tokenizer that needs no other package: bytes and three merges."""
    return LongformerTokenizer(*tiny_vocabulary())


def tiny_vocabulary() -> tuple[dict[str, int], list[str]]:
    """Returns special tokens, all bytes, and `l l`, `e ll`, `Ġ h`."""
    from keras_longformer.tokenizers.byte_pair.vocabulary import byte_alphabet

    names = [*SPECIAL_TOKENS, *byte_alphabet(), "ll", "ell", "Ġh"]
    tokens = {token: i for i, token in enumerate(names)}
    return tokens, ["l l", "e ll", "Ġ h"]


def reference(files, **options):
    """Returns Hugging Face's tokenizer, special tokens in text recognised
    where `special_tokens_in_text` is given."""
    tokenizers = pytest.importorskip("tokenizers")
    cut = options.pop("special_tokens_in_text", False)
    kind = tokenizers.ByteLevelBPETokenizer
    make = kind.from_file if isinstance(files[0], str) else kind
    made = make(*files, **options)
    if cut:
        made.add_special_tokens(
            [
                *SPECIAL_TOKENS[:-1],
                tokenizers.AddedToken("<mask>", lstrip=True),
            ]
        )
    return made
