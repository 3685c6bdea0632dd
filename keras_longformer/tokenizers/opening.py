"""Which kind of tokenizer a folder's files are."""

import contextlib
import os
from collections.abc import Mapping

from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer
from keras_longformer.tokenizers.contract import GraphTokenizer
from keras_longformer.tokenizers.hugging_face import read_folder
from keras_longformer.tokenizers.sentence_piece.tokenizer import (
    LongformerSentencePieceTokenizer,
)
from keras_longformer.tokenizers.word_piece.tokenizer import (
    LongformerWordPieceTokenizer,
)

KINDS = (
    LongformerTokenizer,
    LongformerWordPieceTokenizer,
    LongformerSentencePieceTokenizer,
)
# What Python raises of files whose values are of other kinds than they are.
UNREADABLE = (
    AttributeError,
    IndexError,
    KeyError,
    OSError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
# Files that need no tokenizer of their own, and so say nothing of its kind.
BESIDE = (
    "config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


def open_tokenizer(files: Mapping[str, str]) -> GraphTokenizer | None:
    """Opens the tokenizer of a Hugging Face folder.

    Args:
        files: mapping of file name to path, those of `vocab.json`,
            `merges.txt`, `vocab.txt`, `tokenizer.json`, ... that are there.

    Returns:
        The tokenizer, or `None` where it is of a kind that is not known here.

    Raises:
        ValueError: a broken file, or all that a folder says which would change
            ids and cannot be followed.
    """
    with _naming(files):
        for kind in KINDS:
            tokenizer = kind.from_hugging_face(files)
            if tokenizer is not None:
                return tokenizer
    return None


@contextlib.contextmanager
def _naming(files):
    """Names the files in what is said of them, whatever they hold."""
    try:
        yield
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        message = str(error)
        if not isinstance(error, ValueError) or isinstance(error, UnicodeError):
            message = f"{type(error).__name__}: {message}"
        if any(path in message for path in files.values()):
            raise ValueError(message) from error
        folders = sorted({os.path.dirname(path) for path in files.values()})
        raise ValueError(
            f"{message}\n(While the tokenizer was opened of "
            f"{', '.join(sorted(files))} in '{', '.join(folders)}'.)"
        ) from error


def no_tokenizer(source: str, files: Mapping[str, str]) -> str:
    """Returns what is said of a folder of which no tokenizer can be opened.

    Args:
        source: str, the folder.
        files: as for `open_tokenizer`, which gave `None`.
    """
    found = [name for name in sorted(files) if name not in BESIDE]
    if not found:
        what = "has no tokenizer beside it"
    else:
        what = f"has a tokenizer of no kind that is known: {', '.join(found)}"
    folder = read_folder(files)
    if folder.tokenizer is not None:
        kind = folder.part("model").get("type")
        what += f"; tokenizer.json's model is of type {kind!r}"
    if folder.tokenizer_class is not None:
        what += f"; its tokenizer_class is {folder.tokenizer_class}"
    return (
        f"'{source}' {what}. Looked for: byte-level BPE (tokenizer.json, or "
        "vocab.json and merges.txt), WordPiece (tokenizer.json or vocab.txt) "
        "and SentencePiece (tokenizer.json, sentencepiece.bpe.model or "
        "spiece.model)."
    )
