"""What tokenizers of all kinds do with texts."""

import tensorflow as tf

from keras_longformer.text.coercion import as_ids
from keras_longformer.text.coercion import as_texts
from keras_longformer.text.coercion import flat
from keras_longformer.tokenizers.characters import cpu_constant
from keras_longformer.tokenizers.contract import Tokens
from keras_longformer.tokenizers.graphs import EncoderGraphs
from keras_longformer.tokenizers.shaping import shaped_as
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import tokens_in_text
from keras_longformer.tokenizers.vocabulary_tokenizer import VocabularyTokenizer

# About 250,000 tokens of English. A megabyte of one unbroken word, the worst
# case of byte-level BPE, takes seconds, and the time grows with its size.
MAX_TEXT_BYTES = 2**20


class EncoderTokenizer(VocabularyTokenizer):
    """A tokenizer with an encoder, less what is its kind's own.

    A kind writes

    - a constructor: this one's, then `_set_special_tokens`, then what sets
      the vocabulary, where there is one;
    - what sets it: `_unset_vocabulary` first, then `_vocabulary`, then
      `_set_encoder`, then `_set_texts`, unless it writes `detokenize`;
    - `tokenize_words`, `save_assets`, `load_assets`, `get_config`,
      `from_hugging_face` and `hugging_face_files`;
    - `data_arguments`, `data_name` and `token_notation`, and `usual_rows`
      where they are not RoBERTa's.
    """

    # Text to ids and back

    def tokenize(self, inputs, special_tokens_in_text=None):
        """Returns the token ids of texts.

        Args:
            inputs: a string, a (nested) list or array of strings, or a
                string tensor of any rank, ragged too.
            special_tokens_in_text: as in the constructor, for this call.

        Returns:
            int ids with one more axis than `inputs`: dense for one text,
            ragged for more, dense with `sequence_length`.
        """
        texts = as_texts(inputs)
        chosen = self._tokens_in_text(special_tokens_in_text)
        ids = self._graphs.encode(flat(texts), chosen)
        return self._shaped(ids, texts, self.pad_token_id)

    def tokenize_with_offsets(self, inputs, special_tokens_in_text=None):
        """Returns token ids and where in its text each token comes from.

        Offsets count characters (code points, as Python indexes a `str`) of
        the text as it was given, not of a normalized one: token `i` comes
        from `text[start:end]`. The class says whose offsets they are.

        Args:
            inputs: texts, as for `tokenize`.
            special_tokens_in_text: as in the constructor, for this call.

        Returns:
            A named tuple `(ids, starts, ends)` of tensors shaped as
            `tokenize` shapes its ids. With `sequence_length`, padding has
            offsets 0.
        """
        texts = as_texts(inputs)
        chosen = self._tokens_in_text(special_tokens_in_text)
        tokens = self._graphs.encode_with_offsets(flat(texts), chosen)
        return Tokens(
            ids=self._shaped(tokens.ids, texts, self.pad_token_id),
            starts=self._shaped(tokens.starts, texts, 0),
            ends=self._shaped(tokens.ends, texts, 0),
        )

    def detokenize(self, inputs, skip_special_tokens=False):
        """Returns the text that token ids stand for.

        Args:
            inputs: an id, a list or tensor of them for one text, or nested
                lists or a tensor of higher rank, ragged too, for a batch.
            skip_special_tokens: whether the control tokens, and added ones
                that are special, are left out instead of written.

        Returns:
            string tensor without the last axis of `inputs`, UTF-8, with
            U+FFFD for bytes that make no character.
        """
        self._check_vocabulary()
        ids = as_ids(inputs)
        table = self._visible_texts if skip_special_tokens else self._id_texts
        with tf.device("CPU"):
            pieces = tf.ragged.map_flat_values(
                lambda ids: tf.gather(table, ids), ids
            )
            texts = self._joined(pieces)
            return tf.strings.unicode_transcode(
                texts, "UTF-8", "UTF-8", errors="replace"
            )

    def _joined(self, pieces):
        """Returns the texts whose tokens have the texts `pieces`."""
        return tf.strings.reduce_join(pieces, axis=-1)

    def _tokens_in_text(self, choice) -> tuple[AddedToken, ...]:
        """Returns the tokens to look for, the same tuple for a choice."""
        self._check_vocabulary()
        if choice is None:
            choice = self.special_tokens_in_text
        return self._graphs.chosen(
            choice,
            lambda: tokens_in_text(
                self.added_tokens, self.control_tokens, choice
            ),
        )

    def _shaped(self, values, texts, padding):
        """Gives flat ragged `(texts, None)` values the axes of `texts`."""
        return shaped_as(
            texts,
            tf.cast(values, self.compute_dtype),
            sequence_length=self.sequence_length,
            padding=padding,
        )

    # Vocabulary

    def _unset_vocabulary(self) -> None:
        super()._unset_vocabulary()
        self._graphs = self._id_texts = self._visible_texts = None

    def _set_encoder(self, encoder) -> None:
        """Sets what makes tokens of texts, once there is `_vocabulary`.

        Args:
            encoder: see `EncoderGraphs`.
        """
        self._graphs = EncoderGraphs(
            encoder, self.max_text_bytes, type(self).__name__
        )
        self._update_special_token_ids()

    def _set_texts(self, texts: list[bytes]) -> None:
        """Sets what `detokenize` writes for each id."""
        self._id_texts = cpu_constant(texts)
        special = set(self.special_token_ids)
        self._visible_texts = cpu_constant(
            [b"" if i in special else text for i, text in enumerate(texts)]
        )
