"""The tokens of a SentencePiece model, a layout and added tokens, and ids."""

from collections.abc import Sequence

from keras_longformer.tokenizers.sentence_piece.layout import IdLayout
from keras_longformer.tokenizers.sentence_piece.model import BYTE
from keras_longformer.tokenizers.sentence_piece.model import CONTROL
from keras_longformer.tokenizers.sentence_piece.model import SentencePieceModel
from keras_longformer.tokenizers.special_tokens import NO_ID
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import raise_for
from keras_longformer.tokenizers.special_tokens import with_ids


class Vocabulary:
    """All tokens with their ids.

    Args:
        model: the model.
        layout: which ids its pieces have.
        added_tokens: tokens of the model or others, with an id or `NO_ID`.

    Raises:
        ValueError: lists what does not fit together.

    Attributes:
        tokens: dict from token to id.
        by_id: dict from id to token.
        piece_ids: list of int, the id of each of the model's pieces.
        added_tokens: tuple of `AddedToken`, with their ids.
    """

    def __init__(
        self,
        model: SentencePieceModel,
        layout: IdLayout,
        added_tokens: Sequence[AddedToken] = (),
    ):
        self.model, self.layout = model, layout
        self.tokens = layout.ids(model.pieces)
        added_tokens = with_ids(
            added_tokens, self.tokens, layout.special_tokens()
        )
        self.added_tokens = added_tokens
        self.tokens |= {t.content: t.id for t in added_tokens if t.id != NO_ID}
        self.by_id = {i: token for token, i in self.tokens.items()}
        raise_for(
            [
                f"special token {token!r} is no piece of the model and has no "
                "id"
                for token in layout.special_tokens()
                if token not in self.tokens
            ]
        )
        unknown = self.tokens[layout.unk_token]
        shift = len(layout.head) - layout.replaced
        self.piece_ids = [
            i + shift
            if i >= layout.replaced
            else self.tokens.get(piece, unknown)
            for i, piece in enumerate(model.pieces)
        ]
        self.piece_ids[model.unknown_index] = unknown

    @property
    def size(self) -> int:
        """The number of ids, holes included: one more than the largest."""
        return max(self.by_id) + 1

    def special_tokens(self) -> list[str]:
        """Returns the tokens that stand for no text."""
        special = dict.fromkeys(self.layout.special_tokens())
        for token in self.added_tokens:
            if token.special:
                special[token.content] = None
        for piece, kind, i in zip(
            self.model.pieces, self.model.types, self.piece_ids
        ):
            if kind == CONTROL and self.by_id.get(i) == piece:
                special[piece] = None
        return [*special]

    def texts_by_id(self) -> list[bytes]:
        """Returns each id's text, none for an id that no token has."""
        texts = [b""] * self.size
        whole = {token.content for token in self.added_tokens}
        for token, i in self.tokens.items():
            text = token if token in whole else token.replace("▁", " ")
            texts[i] = text.encode("utf-8")
        for kind, piece, i in zip(
            self.model.types, self.model.pieces, self.piece_ids
        ):
            if kind == BYTE:
                texts[i] = bytes([int(piece[3:-1], 16)])
        return texts
