"""A WordPiece vocabulary: tokens and ids, read and checked."""

import collections
import json
import pathlib
from collections.abc import Iterable
from collections.abc import Mapping

from keras_longformer.tokenizers.file_parts import id_problems
from keras_longformer.tokenizers.file_parts import raise_if_any
from keras_longformer.tokenizers.word_piece.characters import is_whitespace
from keras_longformer.tokenizers.word_piece.characters import is_word_alone

PathLike = str | pathlib.Path
NO_VOCABULARY = "`vocabulary` does not make a WordPiece vocabulary"


class Vocabulary:
    """Tokens with their ids.

    Args:
        tokens: dict from token to id, list of tokens in the order of their
            ids, or the path of a `vocab.txt` or of a JSON object.
        suffix_indicator: str, what pieces within a word begin with.
        needed: tokens that must be there.

    Raises:
        ValueError: lists what is wrong with the tokens.
    """

    def __init__(
        self,
        tokens: Mapping[str, int] | Iterable[str] | PathLike,
        *,
        suffix_indicator: str = "##",
        needed: Iterable[str] = (),
    ):
        self.tokens = read_tokens(tokens)
        self._suffix_indicator = suffix_indicator
        raise_if_any(id_problems(self.tokens, needed), NO_VOCABULARY)
        self.by_id = {i: token for token, i in self.tokens.items()}

    @property
    def size(self) -> int:
        """The number of ids, holes included: one more than the largest."""
        return max(self.by_id) + 1

    def pieces(
        self, handle_chinese_chars: bool
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Returns the ids of pieces that texts can have.

        The first of the two dicts has what words begin with, the other what
        follows, without `##`. Whitespace is in no word, and punctuation and
        Chinese characters are words by themselves: tokens of several
        characters that hold one, such as `[CLS]`, are in neither.
        """
        alone = is_word_alone(handle_chinese_chars)
        cuts = is_whitespace() | alone

        def holds_none(text):
            return not any(cuts[ord(character)] for character in text)

        skipped = len(self._suffix_indicator)
        first, other = {}, {}
        for token, i in self.tokens.items():
            if not token:
                continue
            if holds_none(token) or (len(token) == 1 and alone[ord(token)]):
                first[token] = i
            rest = token[skipped:]
            if token.startswith(self._suffix_indicator) and rest:
                if holds_none(rest):
                    other[rest] = i
        return first, other

    def texts(self) -> tuple[list[bytes], list[bytes]]:
        """Returns each id's text at the beginning of a text, and after it.

        As the decoder of Hugging Face's `tokenizers` writes them: words get
        blanks between them, punctuation and clitics none before them.
        """
        first, following = [b""] * self.size, [b""] * self.size
        for token, i in self.tokens.items():
            first[i] = _cleaned(token)
            if token.startswith(self._suffix_indicator):
                token = token.removeprefix(self._suffix_indicator)
            else:
                token = f" {token}"
            following[i] = _cleaned(token)
        return first, following


def characters_of(pieces: Iterable[Mapping[str, int]]) -> list[str]:
    """Returns the different characters of pieces, the most frequent first."""
    counts = collections.Counter()
    for group in pieces:
        for piece in group:
            counts.update(piece)
    return [character for character, _ in counts.most_common()]


def read_tokens(
    tokens: Mapping[str, int] | Iterable[str] | PathLike,
) -> dict[str, int]:
    """Returns the dict from token to id, reading a file if need be.

    Where a token stands twice in a list or in a `vocab.txt`, its last place is
    its id, as in transformers.
    """
    if isinstance(tokens, str | pathlib.Path):
        path = pathlib.Path(tokens)
        try:
            if path.suffix == ".json":
                tokens = json.loads(path.read_text(encoding="utf-8"))
            else:
                with open(path, encoding="utf-8") as file:
                    tokens = [line.rstrip("\n") for line in file]
        except ValueError as error:
            raise ValueError(
                f"'{path}' is not a WordPiece vocabulary, one token a line in "
                f"UTF-8, or a JSON object from token to id: {error}."
            ) from error
        if not tokens:
            raise ValueError(f"'{path}' holds no token.")
        if isinstance(tokens, list) and tokens[0].startswith("\ufeff"):
            raise ValueError(
                f"'{path}' begins with a byte-order mark, which its first "
                "token would have: save it as UTF-8 without one."
            )
    if isinstance(tokens, Mapping):
        return dict(tokens)
    if not isinstance(tokens, list | tuple):
        raise TypeError(
            "`vocabulary` must be a dict from token to id, a list of tokens, "
            "or the path of a vocab.txt. "
            f"Received: {type(tokens).__name__}."
        )
    return {token: i for i, token in enumerate(tokens)}


def _cleaned(text: str) -> bytes:
    """Drops blanks as `tokenizers`' WordPiece decoder does."""
    for old, new in (
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" do not", " don't"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ):
        text = text.replace(old, new)
    return text.encode("utf-8", errors="replace")
