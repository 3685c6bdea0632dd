"""A transformer block that reads an encoder's output."""

from typing import NamedTuple

import keras
import tensorflow as tf

from keras_longformer.layers.activations import activation_function
from keras_longformer.layers.full_attention import FullAttention
from keras_longformer.layers.layer_norm import LayerNorm
from keras_longformer.ops import masks


class Kept(NamedTuple):
    """Keys and values that a decoder's attention keeps.

    Attributes:
        key: float `(b, h, k, d)`.
        value: float `(b, h, k, d)`.
    """

    key: tf.Tensor
    value: tf.Tensor


@keras.saving.register_keras_serializable(package="keras_longformer")
class DecoderBlock(keras.layers.Layer):
    """Self-attention, attention to an encoder, and feed-forward.

    Each with a residual and a LayerNorm after it, `norm(x + f(x))`, as in BART
    and LED. A token sees itself and those before it, and all tokens of the
    encoder that are not padding.

    Args:
        num_heads: int, number of heads; must divide the inputs' width.
        intermediate_dim: int, width of the feed-forward layer.
        dropout: float in [0, 1), dropout of the sublayers' outputs.
        attention_dropout: float in [0, 1), dropout of attention probabilities.
        layer_norm_epsilon: float, in the LayerNorms.
        activation: of the feed-forward layer: see `LongformerBlock`.
        kernel_initializer: initializer of all kernels.
        rematerialize: bool, whether training forgets the block's activations
            and computes them again for the gradients.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        inputs: float `(b, t, m)`.
        encoder_output: float `(b, n, m)`.
        padding_mask: bool `(b, t)`, `True` for a real token.
        encoder_padding_mask: bool `(b, n)`, `True` for a real token.
        training: bool, whether to drop.

    Returns:
        float `(b, t, m)`.
    """

    def __init__(
        self,
        num_heads,
        intermediate_dim,
        dropout=0.0,
        attention_dropout=0.0,
        layer_norm_epsilon=1e-5,
        activation="gelu",
        kernel_initializer="glorot_uniform",
        rematerialize=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        activation_function(activation)  # Refuses another name.
        # Config
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.layer_norm_epsilon = layer_norm_epsilon
        self.activation = activation
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.rematerialize = rematerialize
        if dropout or attention_dropout:
            self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape, *_):
        width = input_shape[-1]
        if width % self.num_heads:
            raise ValueError(
                "`num_heads` must divide the width of the inputs. Received: "
                f"num_heads={self.num_heads}, width {width}"
            )
        # Layers
        self.self_attention = self._attention("self_attention", width)
        self.self_attention_layer_norm = self._layer_norm(
            "self_attention_layer_norm"
        )
        self.cross_attention = self._attention("cross_attention", width)
        self.cross_attention_layer_norm = self._layer_norm(
            "cross_attention_layer_norm"
        )
        self.intermediate = keras.layers.Dense(
            self.intermediate_dim,
            activation=activation_function(self.activation),
            kernel_initializer=self.kernel_initializer.clone(),
            dtype=self.dtype_policy,
            name="intermediate",
        )
        self.output_dense = keras.layers.Dense(
            width,
            kernel_initializer=self.kernel_initializer.clone(),
            dtype=self.dtype_policy,
            name="output",
        )
        self.output_layer_norm = self._layer_norm("output_layer_norm")
        shape = (None, None, width)
        for layer in (
            self.self_attention,
            self.self_attention_layer_norm,
            self.cross_attention,
            self.cross_attention_layer_norm,
            self.output_layer_norm,
        ):
            layer.build(shape)
        self.intermediate.build((None, width))
        self.output_dense.build((None, self.intermediate_dim))

    def _attention(self, name, width):
        return FullAttention(
            self.num_heads,
            width // self.num_heads,
            dropout=self.attention_dropout,
            kernel_initializer=self.kernel_initializer.clone(),
            dtype=self.dtype_policy,
            name=name,
        )

    def _layer_norm(self, name):
        return LayerNorm(
            epsilon=self.layer_norm_epsilon,
            dtype=self.dtype_policy,
            name=name,
        )

    def call(
        self,
        inputs,
        encoder_output,
        padding_mask=None,
        encoder_padding_mask=None,
        training=None,
    ):
        # As in `LongformerBlock`: drawn before rematerialisation.
        seeds = [None] * 5
        if training and (self.dropout or self.attention_dropout):
            seed = tf.cast(self.seed_generator.next(), tf.int32)
            seeds = [seed + [2 * shift, 0] for shift in range(5)]
        t = tf.range(tf.shape(inputs)[1])
        visible = (t[None, :] <= t[:, None])[None, None]
        if padding_mask is not None:
            visible &= padding_mask[:, None, None, :]

        def transform(x, encoder_output):
            kept = self.self_attention.keys_and_values(x)
            cross = self.cross_attention.keys_and_values(encoder_output)
            return self._transform(
                x, kept, visible, cross, encoder_padding_mask, seeds
            )

        if self.rematerialize and training:
            return keras.remat(transform)(inputs, encoder_output)
        return transform(inputs, encoder_output)

    def keep(self, encoder_output):
        """Returns the `Kept` of an encoder's output, float `(b, n, m)`."""
        return Kept(*self.cross_attention.keys_and_values(encoder_output))

    def step(self, x, kept, place, visible, cross, encoder_padding_mask):
        """Decodes one more token of each row.

        Args:
            x: float `(b, r, m)`, a token of each of `r` rows of a document,
                its beams.
            kept: `Kept`, `(b, h, k, d)`, of the tokens before, with room for
                those to come.
            place: int32 scalar, where the first of the `r` keys shall stand.
            visible: bool `(b, 1, r, k)`: which keys a row sees, its own too.
            cross: `Kept` of the encoder's output.
            encoder_padding_mask: bool `(b, n)`.

        Returns:
            float `(b, r, m)`, and the new `Kept`.
        """
        new = self.self_attention.keys_and_values(x)
        kept = Kept(*(put(old, x, place) for old, x in zip(kept, new)))
        x = self._transform(
            x, kept, visible, cross, encoder_padding_mask, [None] * 5
        )
        return x, kept

    def _transform(self, x, kept, visible, cross, mask, seeds):
        seen = True if mask is None else mask[:, None, None, :]
        y = self.self_attention(
            x, *kept, visible=visible, dropout_seed=seeds[0]
        )
        x = self._added(x, y, self.self_attention_layer_norm, seeds[1])
        # All rows of a document against its keys.
        rows = tf.reshape(x, (tf.shape(cross[0])[0], -1, x.shape[-1]))
        y = self.cross_attention(
            rows, *cross, visible=seen, dropout_seed=seeds[2]
        )
        y = tf.reshape(y, tf.shape(x))
        x = self._added(x, y, self.cross_attention_layer_norm, seeds[3])
        # Rank 2: TensorFlow fuses bias and GELU into such a product.
        y = tf.reshape(x, (-1, x.shape[-1]))
        y = self.output_dense(self.intermediate(y))
        y = tf.reshape(y, tf.shape(x))
        return self._added(x, y, self.output_layer_norm, seeds[4])

    def _added(self, x, y, layer_norm, seed):
        return layer_norm(x + masks.drop(y, self.dropout, seed))

    def compute_output_spec(self, inputs, *args, **kwargs):
        return keras.KerasTensor(inputs.shape, self.compute_dtype)

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "num_heads": self.num_heads,
                "intermediate_dim": self.intermediate_dim,
                "dropout": self.dropout,
                "attention_dropout": self.attention_dropout,
                "layer_norm_epsilon": self.layer_norm_epsilon,
                "activation": self.activation,
                "kernel_initializer": keras.initializers.serialize(
                    self.kernel_initializer
                ),
                "rematerialize": self.rematerialize,
            }
        )
        return config


def put(old, new, place):
    """Writes `new`, `(b, h, r, d)`, into `old`, `(b, h, k, d)`, from `place`
    on along `k`."""
    b, h, r = (tf.shape(new)[axis] for axis in range(3))
    rows = tf.stack(
        tf.meshgrid(
            tf.range(b), tf.range(h), place + tf.range(r), indexing="ij"
        ),
        axis=-1,
    )
    return tf.tensor_scatter_nd_update(old, rows, tf.cast(new, old.dtype))
