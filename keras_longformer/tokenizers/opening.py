"""Which kind of tokenizer a folder's files are."""

from collections.abc import Mapping

from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer
from keras_longformer.tokenizers.contract import GraphTokenizer
from keras_longformer.tokenizers.word_piece.tokenizer import (
    LongformerWordPieceTokenizer,
)

KINDS = (LongformerTokenizer, LongformerWordPieceTokenizer)


def open_tokenizer(files: Mapping[str, str]) -> GraphTokenizer | None:
    """Opens the tokenizer of a Hugging Face folder.

    Args:
        files: mapping of file name to path, those of `vocab.json`,
            `merges.txt`, `vocab.txt`, `tokenizer.json`, ... that are there.

    Returns:
        The tokenizer, or `None` where it is of a kind that is not known here.

    Raises:
        ValueError: a broken file.
    """
    for kind in KINDS:
        tokenizer = kind.from_hugging_face(files)
        if tokenizer is not None:
            return tokenizer
    return None
