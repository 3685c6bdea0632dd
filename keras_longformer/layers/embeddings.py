"""Token, position and token type embeddings as RoBERTa has them."""

import keras
import keras_hub
import tensorflow as tf
from keras import ops

from keras_longformer.layers.layer_norm import LayerNorm
from keras_longformer.layers.positions import check_position_rule
from keras_longformer.layers.positions import count_positions
from keras_longformer.layers.positions import position_offset


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerEmbeddings(keras.layers.Layer):
    """Sum of token, position and type embeddings, then LayerNorm and dropout.

    `position_rule` says how positions are counted (`layers/positions.py`):
    over the tokens that are not padding and after the padding's id, as
    fairseq does, or by the column:

        token_ids           0   31414  232   2    1    1     pad_token_id=1
        "padding_offset"    2   3      4     5    1    1
        "absolute"          0   1      2     3    4    5

    so the position table has `max_sequence_length + pad_token_id + 1` rows, or
    `max_sequence_length`.

    Args:
        vocabulary_size: int, number of tokens.
        hidden_dim: int, the model's width.
        max_sequence_length: int, the most tokens; `"padding_offset"` does not
            count padding.
        num_token_types: int, number of token types.
        pad_token_id: int, the padding's id.
        layer_norm_epsilon: float.
        dropout: float in [0, 1).
        embeddings_initializer: initializer of the three tables.
        position_rule: `"padding_offset"` or `"absolute"`.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        token_ids: int32 `(b, n)`.
        token_type_ids: int32 `(b, n)`, or `None` for type 0.
        segment_ids: int32 `(b, n)`, the document of each token of a packed
            row, whose positions start anew; or `None`: a row is one.
        training: bool, whether to drop.

    Returns:
        float `(b, n, hidden_dim)`.

    Raises:
        ValueError: another `position_rule`.
        InvalidArgumentError: a row with more than `max_sequence_length` tokens
            to count, a type that is not one of the `num_token_types`, or an id
            that is none of the vocabulary's. Under XLA, which cannot raise, all
            is NaN; on a GPU, an unknown id makes it so.

    Reference: Hugging Face's `create_position_ids_from_input_ids`.
    """

    def __init__(
        self,
        vocabulary_size,
        hidden_dim,
        max_sequence_length,
        num_token_types=1,
        pad_token_id=1,
        layer_norm_epsilon=1e-5,
        dropout=0.0,
        embeddings_initializer="uniform",
        position_rule="padding_offset",
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_position_rule(position_rule)
        # Config
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.max_sequence_length = max_sequence_length
        self.num_token_types = num_token_types
        self.pad_token_id = pad_token_id
        self.layer_norm_epsilon = layer_norm_epsilon
        self.dropout = dropout
        self.position_rule = position_rule
        self.embeddings_initializer = keras.initializers.get(
            embeddings_initializer
        )
        # Layers
        self.token_embedding = keras_hub.layers.ReversibleEmbedding(
            vocabulary_size,
            hidden_dim,
            embeddings_initializer=self.embeddings_initializer.clone(),
            dtype=self.dtype_policy,
            name="token_embedding",
        )
        self.position_embedding = self._embedding(
            "position_embedding",
            max_sequence_length + position_offset(position_rule, pad_token_id),
        )
        self.token_type_embedding = self._embedding(
            "token_type_embedding", num_token_types
        )
        self.layer_norm = LayerNorm(
            epsilon=layer_norm_epsilon,
            dtype=self.dtype_policy,
            name="layer_norm",
        )
        self.dropout_layer = keras.layers.Dropout(
            dropout, dtype=self.dtype_policy, name="dropout"
        )

    def _embedding(self, name, size):
        return keras.layers.Embedding(
            size,
            self.hidden_dim,
            embeddings_initializer=self.embeddings_initializer.clone(),
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape):
        self.token_embedding.build(input_shape)
        self.position_embedding.build(input_shape)
        self.token_type_embedding.build(input_shape)
        self.layer_norm.build((*input_shape, self.hidden_dim))

    def call(
        self, token_ids, token_type_ids=None, segment_ids=None, training=None
    ):
        positions, is_wrong = self._positions(token_ids, segment_ids)
        if token_type_ids is None:
            token_type_ids = tf.zeros((1, 1), tf.int32)
        else:
            token_type_ids, unknown = self._checked_types(token_type_ids)
            is_wrong |= unknown
        # On a CPU the table refuses them; on a GPU, and under XLA, it does not.
        is_unknown = (token_ids < 0) | (token_ids >= self.vocabulary_size)
        is_wrong |= tf.reduce_any(is_unknown)
        token_ids = uncounted(token_ids, self.vocabulary_size)
        # Cast here: a quantized table gives its scales' dtype.
        x, rows, types = (
            tf.cast(table(ids), self.compute_dtype)
            for table, ids in (
                (self.token_embedding, token_ids),
                (self.position_embedding, positions),
                (self.token_type_embedding, token_type_ids),
            )
        )
        types += tf.cast(tf.where(is_wrong, float("nan"), 0.0), types.dtype)
        x += rows + types
        return self.dropout_layer(self.layer_norm(x), training=training)

    def _positions(self, token_ids, segment_ids):
        """int32 `(b, n)`, and whether one lies outside the table."""
        rule, pad_token_id = self.position_rule, self.pad_token_id
        positions = count_positions(rule, token_ids, pad_token_id, segment_ids)
        before = position_offset(rule, pad_token_id) - 1  # `positions` from 1
        n = token_ids.shape[1]
        if n is not None and n <= self.max_sequence_length:
            return positions + before, False
        longest = tf.reduce_max(positions)
        check = tf.debugging.assert_less_equal(
            longest,
            self.max_sequence_length,
            message=(
                f"'{self.name}' has positions for max_sequence_length="
                f"{self.max_sequence_length} tokens, and a row of `token_ids` "
                "has more to count. Truncate the texts "
                "(`sequence_length` of the preprocessor), or load the model "
                "with a larger `max_sequence_length`. Tokens, and the limit:"
            ),
        )
        with tf.control_dependencies([] if check is None else [check]):
            positions = tf.identity(positions) + before
        return positions, longest > self.max_sequence_length

    def _checked_types(self, token_type_ids):
        """The types, and whether one of them has no row in the table."""
        smallest = tf.reduce_min(token_type_ids)
        largest = tf.reduce_max(token_type_ids)
        unknown = (smallest < 0) | (largest >= self.num_token_types)
        check = tf.debugging.Assert(
            ~unknown,
            [
                f"'{self.name}' knows the token types 0 to "
                f"{self.num_token_types - 1} (num_token_types="
                f"{self.num_token_types}), and `token_type_ids` has others. "
                "Least and largest:",
                smallest,
                largest,
            ],
        )
        with tf.control_dependencies([] if check is None else [check]):
            return tf.identity(token_type_ids), unknown

    def compute_output_spec(self, token_ids, *args, **kwargs):
        return keras.KerasTensor(
            (*token_ids.shape, self.hidden_dim), self.compute_dtype
        )

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "vocabulary_size": self.vocabulary_size,
                "hidden_dim": self.hidden_dim,
                "max_sequence_length": self.max_sequence_length,
                "num_token_types": self.num_token_types,
                "pad_token_id": self.pad_token_id,
                "layer_norm_epsilon": self.layer_norm_epsilon,
                "dropout": self.dropout,
                "position_rule": self.position_rule,
                "embeddings_initializer": keras.initializers.serialize(
                    self.embeddings_initializer
                ),
            }
        )
        return config


def uncounted(token_ids, vocabulary_size: int):
    """Returns ids of which Keras counts none from a table's end.

    It adds the table's length to negative ones, so that they would be answered:
    taken off before, they have no row, as those that are too large.

    Args:
        token_ids: int32 `(b, n)`.
        vocabulary_size: int, the table's length.
    """
    return ops.where(token_ids < 0, token_ids - vocabulary_size, token_ids)
