"""A transformer block around `LongformerAttention`."""

import keras
import tensorflow as tf

from keras_longformer.layers.activations import activation_function
from keras_longformer.layers.attention import LongformerAttention
from keras_longformer.layers.global_tokens import check_max_global_tokens
from keras_longformer.layers.layer_norm import LayerNorm
from keras_longformer.ops import masks
from keras_longformer.ops.attention import check_dilation
from keras_longformer.ops.attention import check_implementation
from keras_longformer.ops.attention import check_window_size


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerBlock(keras.layers.Layer):
    """Attention and feed-forward, each with a residual and a LayerNorm.

    The post-LayerNorm block of BERT, RoBERTa and Longformer, `norm(x + f(x))`,
    or with `norm_first` the pre-LayerNorm one, `x + f(norm(x))`.

    Args:
        num_heads: int, number of heads; must divide the inputs' width.
        intermediate_dim: int, width of the feed-forward layer.
        window_size: even int, both sides together.
        dilation: int, or a list with one int for each head.
        max_global_tokens: int or `None`: see `LongformerAttention`.
        dropout: float in [0, 1), dropout of both sublayers' outputs.
        attention_dropout: float in [0, 1), dropout of attention probabilities.
        layer_norm_epsilon: float, in both LayerNorms.
        kernel_initializer: initializer of all kernels.
        rematerialize: bool, whether training forgets the block's activations
            and computes them again for the gradients. The gradients are the
            same, dropout included; memory falls and time rises.
        implementation: see `keras_longformer.window_attention`.
        causal: bool, whether a window ends with its own token: see
            `LongformerAttention`.
        activation: of the feed-forward layer: `"gelu"`, the exact one,
            `"gelu_approximate"`, `"relu"` or `"silu"`.
        norm_first: bool, whether each LayerNorm stands before its sublayer
            and leaves the residual alone. The last block's output then wants
            a LayerNorm of the model's.
        relative_positions: bool, whether attention knows how far its keys
            are: see `LongformerAttention`.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        inputs: float `(b, n, m)`.
        padding_mask: bool `(b, n)`, `True` for a real token.
        global_mask: bool `(b, n)`, `True` for a global token, or `None`.
        segment_ids: int32 `(b, n)`, the document of each token of a packed
            row, or `None`: see `LongformerAttention`.
        training: bool, whether to drop.

    Returns:
        float `(b, n, m)`.

    Raises:
        ValueError: a width that `num_heads` does not divide, or another
            `activation`.
    """

    def __init__(
        self,
        num_heads,
        intermediate_dim,
        window_size=512,
        dilation=1,
        max_global_tokens=None,
        dropout=0.0,
        attention_dropout=0.0,
        layer_norm_epsilon=1e-5,
        kernel_initializer="glorot_uniform",
        rematerialize=False,
        implementation=None,
        causal=False,
        activation="gelu",
        norm_first=False,
        relative_positions=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        activation_function(activation)  # Refuses another name.
        check_window_size(window_size)
        check_dilation(dilation, num_heads)
        check_implementation(implementation)
        check_max_global_tokens(max_global_tokens)
        # Config
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.window_size = window_size
        self.dilation = dilation
        self.max_global_tokens = max_global_tokens
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.rematerialize = rematerialize
        self.implementation = implementation
        self.causal = causal
        self.activation = activation
        self.norm_first = norm_first
        self.relative_positions = relative_positions
        self.supports_jit = relative_positions or max_global_tokens is not None
        if dropout or attention_dropout:
            self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape):
        width = input_shape[-1]
        if width % self.num_heads:
            raise ValueError(
                "`num_heads` must divide the width of the inputs. Received: "
                f"num_heads={self.num_heads}, width {width}"
            )
        # Layers
        self.attention = LongformerAttention(
            num_heads=self.num_heads,
            key_dim=width // self.num_heads,
            window_size=self.window_size,
            dilation=self.dilation,
            causal=self.causal,
            max_global_tokens=self.max_global_tokens,
            dropout=self.attention_dropout,
            kernel_initializer=self.kernel_initializer,
            implementation=self.implementation,
            relative_positions=self.relative_positions,
            dtype=self.dtype_policy,
            name="attention",
        )
        self.attention_layer_norm = self._layer_norm("attention_layer_norm")
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
        self.attention.build(input_shape)
        self.attention_layer_norm.build(input_shape)
        self.intermediate.build((None, width))
        self.output_dense.build((None, self.intermediate_dim))
        self.output_layer_norm.build(input_shape)

    def _layer_norm(self, name):
        return LayerNorm(
            epsilon=self.layer_norm_epsilon,
            dtype=self.dtype_policy,
            name=name,
        )

    def call(
        self,
        inputs,
        padding_mask=None,
        global_mask=None,
        segment_ids=None,
        training=None,
    ):
        # Drawn before rematerialisation, or the second computation would drop
        # other values than the first.
        seeds = [None] * 3
        if training and (self.dropout or self.attention_dropout):
            seed = tf.cast(self.seed_generator.next(), tf.int32)
            # Not along the second number, which is the next step's plus one.
            # The attention takes one more of its own.
            seeds = [seed + [2 * shift, 0] for shift in range(3)]

        def transform(x):
            return self._transform(
                x, padding_mask, global_mask, segment_ids, seeds, training
            )

        if self.rematerialize and training:
            return keras.remat(transform)(inputs)
        return transform(inputs)

    def _transform(
        self, x, padding_mask, global_mask, segment_ids, seeds, training
    ):
        dynamic, width = tf.shape(x), x.shape[-1]
        shape = [
            dynamic[axis] if size is None else size
            for axis, size in enumerate(x.shape)
        ]

        def attend(rows):
            outputs = self.attention(
                tf.reshape(rows, shape),
                padding_mask=padding_mask,
                global_mask=global_mask,
                segment_ids=segment_ids,
                dropout_seed=seeds[0],
                training=training,
            )
            return tf.reshape(outputs, (-1, width))

        # Rank 2, (b * n, m): TensorFlow fuses bias, GELU and residual into
        # products of that rank.
        rows = tf.reshape(x, (-1, width))
        rows = self._sublayer(rows, attend, self.attention_layer_norm, seeds[1])
        rows = self._sublayer(
            rows, self.feed_forward, self.output_layer_norm, seeds[2]
        )
        return tf.reshape(rows, shape)

    def _sublayer(self, x, function, layer_norm, seed):
        """Adds a sublayer's output, dropped, to its input."""
        if self.norm_first:
            return x + masks.drop(function(layer_norm(x)), self.dropout, seed)
        return layer_norm(x + masks.drop(function(x), self.dropout, seed))

    def attention_scores(
        self, inputs, padding_mask=None, global_mask=None, segment_ids=None
    ):
        """Returns what this block's attention looks at.

        Args:
            inputs, padding_mask, global_mask, segment_ids: as for `call`.

        Returns:
            The probabilities of windows and of global tokens, `(b, h, n, g +
            window_size + 1)` and `(b, h, n, g)`, as `LongformerAttention`
            returns them.
        """
        rows = self.attention_layer_norm(inputs) if self.norm_first else inputs
        _, window, from_global = self.attention(
            rows,
            padding_mask=padding_mask,
            global_mask=global_mask,
            segment_ids=segment_ids,
            return_attention_scores=True,
        )
        return window, from_global

    def feed_forward(self, x):
        """Returns float `(..., m)`, each token alone."""
        return self.output_dense(self.intermediate(x))

    def compute_output_spec(self, inputs, *args, **kwargs):
        return keras.KerasTensor(inputs.shape, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "num_heads": self.num_heads,
                "intermediate_dim": self.intermediate_dim,
                "window_size": self.window_size,
                "dilation": self.dilation,
                "max_global_tokens": self.max_global_tokens,
                "dropout": self.dropout,
                "attention_dropout": self.attention_dropout,
                "layer_norm_epsilon": self.layer_norm_epsilon,
                "kernel_initializer": keras.initializers.serialize(
                    self.kernel_initializer
                ),
                "rematerialize": self.rematerialize,
                "implementation": self.implementation,
                "causal": self.causal,
                "activation": self.activation,
                "norm_first": self.norm_first,
                "relative_positions": self.relative_positions,
            }
        )
        return config
