"""A WordPiece vocabulary: tokens and ids, read and checked."""

import collections
from collections.abc import Mapping

from keras_longformer.tokenizers.word_piece.characters import is_whitespace
from keras_longformer.tokenizers.word_piece.characters import is_word_alone


class Vocabulary:
    def __init__(self, tokens: Mapping[str, int], prefix="##", unknown="[UNK]"):
        self.tokens = dict(tokens)
        self.prefix = prefix
        self.unknown_id = self.tokens[unknown]
        cuts = is_whitespace() | is_word_alone(False)
        self._cuts = cuts

    def _can_be_word(self, piece):
        return len(piece) == 1 or not self._cuts[[*map(ord, piece)]].any()

    def first_pieces(self) -> dict[str, int]:
        return {
            t: i for t, i in self.tokens.items() if t and self._can_be_word(t)
        }

    def other_pieces(self) -> dict[str, int]:
        n = len(self.prefix)
        return {
            t[n:]: i
            for t, i in self.tokens.items()
            if t.startswith(self.prefix)
            and t[n:]
            and self._can_be_word("x" + t[n:])
        }

    def characters(self) -> list[str]:
        """Returns the characters of all pieces, the most frequent first."""
        counts = collections.Counter()
        for pieces in (self.first_pieces(), self.other_pieces()):
            for piece in pieces:
                counts.update(piece)
        return [c for c, _ in counts.most_common()]
