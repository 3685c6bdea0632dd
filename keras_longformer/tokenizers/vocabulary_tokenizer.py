"""What tokenizers of all kinds do with tokens and ids."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from keras_longformer.text.template import RowTemplate
from keras_longformer.tokenizers.contract import GraphTokenizer
from keras_longformer.tokenizers.post_processors import RowTokens
from keras_longformer.tokenizers.special_tokens import NO_ID
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import as_added_token
from keras_longformer.tokenizers.special_tokens import check_tokens
from keras_longformer.tokenizers.special_tokens import raise_for
from keras_longformer.tokenizers.special_tokens import tokens_in_text
from keras_longformer.tokenizers.special_tokens import with_control_tokens
from keras_longformer.tokenizers.special_tokens import with_ids


class VocabularyTokenizer(GraphTokenizer):
    """A tokenizer with a vocabulary, special tokens and added ones.

    Its `_vocabulary` has `tokens` (dict from token to id), `by_id` (the
    reverse) and `size`.
    """

    # The constructor's arguments that are data, or the path of a file, what
    # they are together, and how tokens are written: for messages.
    data_arguments: tuple[str, ...] = ("vocabulary",)
    data_name = "vocabulary"
    token_notation = ""

    @staticmethod
    def starts_word(token: str) -> bool:
        """Returns whether a token, as the vocabulary writes it, does."""
        raise NotImplementedError

    def __init__(
        self,
        *,
        sequence_length: int | None,
        special_tokens_in_text: bool | Sequence[str],
        max_text_bytes: int | None,
        row_tokens: RowTokens | dict | None,
        dtype: str,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        # It has no weights, and Keras quantizes built models.
        self.built = True
        if not self.compute_dtype.startswith("int"):
            raise ValueError(
                "`dtype` must be an integer type, that of the token ids. "
                f"Received: dtype={dtype}."
            )
        self.sequence_length = sequence_length
        self.special_tokens_in_text = special_tokens_in_text
        self.max_text_bytes = max_text_bytes
        self.row_tokens = RowTokens.of(row_tokens)

    def _set_special_tokens(
        self,
        tokens: Mapping[str, str | None],
        added_tokens: Sequence[AddedToken | dict | str],
        mask_token: str | None,
    ) -> None:
        """Sets the tokens that KerasHub names, and the added ones.

        Args:
            tokens: mapping of attribute, such as `"start_token"`, to token.
            added_tokens: as in the constructors.
            mask_token: str or `None`, what takes the whitespace before it.
        """
        self._token_names = tuple(tokens)
        for name, token in tokens.items():
            if token is not None:
                self._add_special_token(token, name)
            else:
                setattr(self, name, None)
                setattr(self, f"{name}_id", None)
        self.added_tokens = with_control_tokens(
            [as_added_token(token) for token in added_tokens],
            self.control_tokens,
            mask_token,
        )
        tokens_in_text((), self.control_tokens, self.special_tokens_in_text)
        raise_for(check_tokens(self.added_tokens))

    # Special tokens

    @property
    def rows(self) -> RowTokens:
        """The tokens of rows, the usual ones where none were given."""
        return self.usual_rows if self.row_tokens is None else self.row_tokens

    @property
    def usual_rows(self) -> RowTokens:
        """RoBERTa's rows, `<s> a </s></s> b </s>`."""
        end = self.end_token
        return RowTokens((self.start_token,), (end, end), (end,))

    @property
    def row_template(self) -> RowTemplate:
        """The rows that the model was trained on, in ids."""
        return self.rows.template(self.token_to_id, self.pad_token_id)

    @property
    def control_tokens(self) -> list[str]:
        """The special tokens that no text may hold by default."""
        names = (*self._token_names, "bos_token", "eos_token")
        tokens = (getattr(self, name, None) for name in names)
        return [t for t in dict.fromkeys(tokens) if t is not None]

    @property
    def special_token_ids(self) -> list[int]:
        """The ids of control tokens and of added ones that are special."""
        self._check_vocabulary()
        control = self.control_tokens
        return sorted(
            token.id
            for token in self.added_tokens
            if token.special or token.content in control
        )

    @property
    def word_starts(self) -> np.ndarray:
        """bool `(v,)`, `True` for ids of tokens that start a word.

        Added tokens do, being recognised before anything else.
        """
        self._check_vocabulary()
        starts = np.zeros(self._vocabulary.size, bool)
        for token, i in self._vocabulary.tokens.items():
            starts[i] = self.starts_word(token)
        starts[[token.id for token in self.added_tokens]] = True
        return starts

    # Vocabulary

    @property
    def has_vocabulary(self) -> bool:
        """Whether there is one: while a file is loaded, it is to come."""
        return getattr(self, "_vocabulary", None) is not None

    def _unset_vocabulary(self) -> None:
        self._vocabulary = None

    def _with_added_tokens(self, tokens: Mapping[str, int]) -> dict[str, int]:
        """Returns `tokens` with the added ones, which get their ids."""
        self.added_tokens = with_ids(
            self.added_tokens, tokens, self.control_tokens
        )
        added = {token.content: token.id for token in self.added_tokens}
        return {**tokens, **{t: i for t, i in added.items() if i != NO_ID}}

    @property
    def vocabulary(self) -> dict[str, int] | None:
        """The dict from token to id."""
        return self._vocabulary and dict(self._vocabulary.tokens)

    def get_vocabulary(self) -> list[str]:
        """Returns all tokens, ordered by id."""
        self._check_vocabulary()
        by_id = self._vocabulary.by_id
        return [by_id[i] for i in sorted(by_id)]

    def vocabulary_size(self) -> int:
        """Returns the number of ids: one more than the largest."""
        self._check_vocabulary()
        return self._vocabulary.size

    def id_to_token(self, id: int) -> str:
        """Returns the token that has `id`, as the vocabulary writes it."""
        self._check_vocabulary()
        token = self._vocabulary.by_id.get(int(id))
        if token is None:
            raise ValueError(
                f"No token has id {id}; ids are below {self._vocabulary.size}."
            )
        return token

    def token_to_id(self, token: str) -> int:
        """Returns the id of `token`, written as in the vocabulary."""
        self._check_vocabulary()
        if token not in self._vocabulary.tokens:
            raise ValueError(
                f"{token!r} is not in the vocabulary. {self.token_notation}; "
                "`tokenize` takes text."
            )
        return self._vocabulary.tokens[token]

    def _check_vocabulary(self) -> None:
        # The base class asks for ids while the constructor still runs.
        if not self.has_vocabulary:
            arguments = " and ".join(
                f"`{name}`" for name in self.data_arguments
            )
            raise ValueError(
                f"This {type(self).__name__} has no {self.data_name}. Pass "
                f"{arguments}, or load one with `from_preset`."
            )

    # Saving

    def get_config(self) -> dict:
        """Returns the arguments but the vocabulary, which is an asset."""
        config = super().get_config()
        config.update(
            sequence_length=self.sequence_length,
            special_tokens_in_text=self.special_tokens_in_text,
            max_text_bytes=self.max_text_bytes,
            added_tokens=[dataclasses.asdict(t) for t in self.added_tokens],
            row_tokens=self.row_tokens and self.row_tokens.as_dict(),
        )
        return config

    @classmethod
    def from_config(cls, config: dict):
        for name in cls.data_arguments:
            if isinstance(config.get(name), str):
                raise ValueError(
                    "A saved config may not make the tokenizer read a file. "
                    f"Received: {name}={config[name]!r:.200}. Pass the path to "
                    "the constructor."
                )
        return super().from_config(config)
