"""Multi-head attention over a window and global tokens."""

from numbers import Integral

import keras
import tensorflow as tf

from keras_longformer.layers.global_tokens import both
from keras_longformer.layers.global_tokens import check_max_global_tokens
from keras_longformer.layers.global_tokens import fill_rows
from keras_longformer.layers.global_tokens import find_global_tokens
from keras_longformer.layers.global_tokens import fold_queries
from keras_longformer.layers.global_tokens import replace_rows
from keras_longformer.layers.global_tokens import unfold_values
from keras_longformer.layers.global_tokens import with_zero_gradients
from keras_longformer.layers.projection import Projection
from keras_longformer.layers.relative_positions import RelativePositions
from keras_longformer.ops import masks
from keras_longformer.ops import window_attention
from keras_longformer.ops.attention import check_dilation
from keras_longformer.ops.attention import check_implementation
from keras_longformer.ops.attention import check_mask
from keras_longformer.ops.attention import check_segments
from keras_longformer.ops.attention import check_window_size


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerAttention(keras.layers.Layer):
    """Self-attention over a window, plus global tokens that see and are seen.

    For `window_size=2`, row = query, column = key, 1 = seen:

        no global token    token 2 global
        1 1 0 0 0          1 1 1 0 0
        1 1 1 0 0          1 1 1 0 0
        0 1 1 1 0          1 1 1 1 1
        0 0 1 1 1          0 0 1 1 1
        0 0 0 1 1          0 0 1 1 1

    A token that is not global attends, in one softmax, to the global tokens
    and to the tokens in its window. A global token attends to all tokens,
    through projections of its own (`global_query`, `global_key`,
    `global_value`). Padding is not attended to. Time and memory grow as
    `n * (window_size + g)` for `n` tokens of which `g` are global.

    The global tokens' keys and values are never computed for the whole
    sequence where that would cost more than folding `global_key` into the few
    global queries and applying `global_value` after the weighted sum:
    `q . (W x) = (W^T q) . x`, and `sum p (W x + b) = W (sum p x) + b sum p`.

    Args:
        num_heads: int, number of heads.
        key_dim: int, size of one head.
        window_size: even int, both sides together (the paper's *w*). A token
            attends to `window_size // 2` tokens on each side and to itself.
        dilation: int, or a list with one int for each head: the step between
            the tokens of a window.
        causal: bool, whether a window ends with its own token. Global tokens
            see and are seen all the same.
        max_global_tokens: int or `None`. `None` takes as many as the mask
            marks, which XLA cannot compile: Keras's `jit_compile="auto"` is
            then off. An int makes the shapes static, for XLA; a row that marks
            more raises an error, and under XLA, which cannot raise, gives NaN.
            0 leaves the global projections out of computation and training.
        dropout: float in [0, 1), dropout of the attention probabilities.
        use_bias: bool, whether the projections have a bias.
        kernel_initializer: initializer of the projections.
        bias_initializer: initializer of their biases.
        implementation: `None`, `"chunked"`, ...: see
            `keras_longformer.window_attention`.
        relative_positions: bool, whether scores know how far a key is, as
            Transformer-XL's do: see `RelativePositions`. Such a layer has no
            global tokens, nor projections for them.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        inputs: float `(b, n, m)`.
        padding_mask: bool `(b, n)`, `True` for a real token; all are by
            default. A row of padding attends to nothing: its output is the
            output projection's bias.
        global_mask: bool `(b, n)`, `True` for a global token, any number and
            any place in each row. None is by default.
        segment_ids: int32 `(b, n)`, which document each token is of, where
            rows are packed with several: no token sees another document's,
            global ones included. By default a row is one document.
        return_attention_scores: bool, whether to return probabilities too.
        dropout_seed: int32 `(2,)`, what to drop; by default the next of the
            layer's own generator. Rematerialisation needs it from outside.
        training: bool, whether to drop.
        mask: what Keras passes on from a layer such as
            `Embedding(mask_zero=True)`; used where there is no `padding_mask`.

    Returns:
        float `(b, n, m)`. With `return_attention_scores`, a tuple of it and,
        in Hugging Face's shapes, the probabilities of the global keys and then
        of the window, `(b, h, n, g + window_size + 1)`, where the rows of
        global tokens are 0; and those of the global tokens over all tokens,
        `(b, h, n, g)`. Global tokens come in the order of their positions, and
        `g` is the most in a row of the batch, or `max_global_tokens`.

    Raises:
        ValueError: an argument or shape that cannot be.
        TypeError: a mask that is not bool.
        InvalidArgumentError: more global tokens than `max_global_tokens`.

    Example:
    ```python
    x = keras_longformer.LongformerAttention(
        num_heads=12, key_dim=64, window_size=512
    )(x, padding_mask=padding_mask, global_mask=global_mask)
    ```

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 3.
    """

    def __init__(
        self,
        num_heads,
        key_dim,
        window_size=512,
        dilation=1,
        causal=False,
        max_global_tokens=None,
        dropout=0.0,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        implementation=None,
        relative_positions=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for name, size in {"num_heads": num_heads, "key_dim": key_dim}.items():
            if not isinstance(size, Integral) or size < 1:
                raise ValueError(
                    f"`{name}` must be a positive integer. "
                    f"Received: {name}={size!r}"
                )
        dilation = check_dilation(dilation, num_heads)
        check_implementation(implementation)
        if not 0 <= dropout < 1:
            raise ValueError(
                f"`dropout` must lie in [0, 1). Received: dropout={dropout!r}"
            )
        # Config
        self.num_heads = int(num_heads)
        self.key_dim = int(key_dim)
        self.window_size = check_window_size(window_size)
        self.dilation = dilation if isinstance(dilation, int) else [*dilation]
        self.causal = causal
        self.max_global_tokens = check_max_global_tokens(max_global_tokens)
        self.dropout = dropout
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.implementation = implementation
        self.relative_positions = relative_positions
        self.supports_masking = True
        self.supports_jit = relative_positions or max_global_tokens is not None
        # Layers
        self.query = self._projection("query")
        self.key = self._projection("key")
        self.value = self._projection("value")
        if relative_positions:
            self.positions = RelativePositions(
                self.num_heads,
                self.key_dim,
                self.kernel_initializer.clone(),
                dtype=self.dtype_policy,
                name="positions",
            )
        else:
            self.global_query = self._projection("global_query")
            self.global_key = self._projection("global_key")
            self.global_value = self._projection("global_value")
            if max_global_tokens == 0:  # Nothing would train them.
                self.global_query.trainable = False
                self.global_key.trainable = False
                self.global_value.trainable = False
        if dropout:
            self.seed_generator = keras.random.SeedGenerator()

    def _projection(self, name, equation="bnm,mhd->bnhd", shape=None):
        layer = Projection(
            equation,
            output_shape=shape or (None, self.num_heads, self.key_dim),
            bias_axes=("m" if shape else "hd") if self.use_bias else None,
            # A copy for each, or they would all start with the same values.
            kernel_initializer=self.kernel_initializer.clone(),
            bias_initializer=self.bias_initializer.clone(),
            dtype=self.dtype_policy,
            name=name,
        )
        layer.supports_masking = True  # It works on each token alone.
        return layer

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(
                "LongformerAttention takes inputs of shape (batch, length, "
                f"width) with a known width. Received: {tuple(input_shape)}"
            )
        width = input_shape[-1]
        for projection in self._flatten_layers(include_self=False):
            projection.build(input_shape)
        self.attention_output = self._projection(
            "attention_output", "bnhd,hdm->bnm", (None, width)
        )
        self.attention_output.build(
            (*input_shape[:2], self.num_heads, self.key_dim)
        )

    def call(
        self,
        inputs,
        padding_mask=None,
        global_mask=None,
        segment_ids=None,
        return_attention_scores=False,
        dropout_seed=None,
        training=None,
        mask=None,
    ):
        padding_mask = mask if padding_mask is None else padding_mask
        padding_mask = check_mask(
            "padding_mask", padding_mask, inputs, "inputs"
        )
        global_mask = check_mask("global_mask", global_mask, inputs, "inputs")
        segment_ids = check_segments(
            "segment_ids", segment_ids, inputs, "inputs"
        )
        if global_mask is not None:
            if self.relative_positions:
                raise ValueError(
                    f"'{self.name}' has relative positions, which a global "
                    "token would have none of. Leave out `global_mask`, or "
                    "make the layer with `relative_positions=False`."
                )
            global_mask = both(global_mask, padding_mask)
        dropout_rate, seeds = self._dropout_seeds(training, dropout_seed)

        query, key, value = (
            layer(inputs) for layer in (self.query, self.key, self.value)
        )
        positions = {}
        if self.relative_positions:
            query, positions["position_query"] = self.positions(query)
            positions["position_key"] = self.position_keys()
        local_mask, global_tokens, overflow = padding_mask, {}, None
        if global_mask is not None:
            index, real, overflow = find_global_tokens(
                global_mask, self.max_global_tokens, self.name
            )
            # Out of the windows, so that each key counts once.
            local_mask = both(~global_mask, padding_mask)
            global_tokens = dict(
                global_key=tf.gather(key, index, batch_dims=1),
                global_value=tf.gather(value, index, batch_dims=1),
                global_key_mask=real,
            )
            if segment_ids is not None:
                global_tokens["global_segment_ids"] = tf.gather(
                    segment_ids, index, batch_dims=1
                )
        context = window_attention(
            query,
            key,
            value,
            window_size=self.window_size,
            dilation=self.dilation,
            causal=self.causal,
            key_mask=local_mask,
            segment_ids=segment_ids,
            **global_tokens,
            **positions,
            dropout_rate=dropout_rate,
            dropout_seed=seeds[0],
            return_scores=return_attention_scores,
            implementation=self.implementation,
        )
        if return_attention_scores:
            context, scores = context
            global_scores = tf.zeros_like(scores[..., :0])
        if global_mask is not None:
            # Keys that are there, and queries that are: (b, g, 1, n).
            visible = real[:, :, None, None]
            if padding_mask is not None:
                visible &= padding_mask[:, None, None, :]
            if segment_ids is not None:
                own = global_tokens["global_segment_ids"][:, :, None, None]
                visible &= tf.equal(own, segment_ids[:, None, None, :])
            rows, global_scores = self._attend_from_global_tokens(
                inputs, index, visible, dropout_rate, seeds[1]
            )
            context = replace_rows(context, rows, index, real)
        outputs = self.attention_output(
            fill_rows(context, padding_mask, overflow)
        )
        if training and global_mask is None and not self.relative_positions:
            layers = (self.global_query, self.global_key, self.global_value)
            unused = [w for x in layers for w in x.trainable_variables]
            outputs = with_zero_gradients(outputs, unused)
        if not return_attention_scores:
            return outputs
        if local_mask is not None:
            scores = tf.where(local_mask[:, None, :, None], scores, 0)
        return outputs, scores, global_scores

    def position_keys(self):
        """Returns float `(o, h, d)`, what a window's keys have of their
        distance; it depends on the weights alone."""
        return self.positions.keys(
            self.window_size // 2, self.dilation, self.causal
        )

    def _dropout_seeds(self, training, seed):
        """The rate, and a seed each for the local and the global rows."""
        if not (training and self.dropout):
            return 0.0, (None, None)
        if seed is None:
            seed = tf.cast(self.seed_generator.next(), tf.int32)
        return self.dropout, (seed, seed + [1, 0])

    def _attend_from_global_tokens(
        self, inputs, index, visible, dropout_rate, dropout_seed
    ):
        """Computes the rows of the tokens that see everything.

        Args:
            visible: bool `(b, g, 1, n)`, what each sees.

        Returns:
            float `(b, g, h, d)`, and the probabilities, float `(b, h, n, g)`.
        """
        queries = self.global_query(tf.gather(inputs, index, batch_dims=1))
        queries *= self.key_dim**-0.5
        scores = self._global_scores(queries, inputs)
        softmax_dtype = tf.float64 if inputs.dtype == tf.float64 else tf.float32
        probabilities = masks.masked_softmax(
            tf.cast(scores, softmax_dtype), visible
        )
        probabilities = tf.cast(probabilities, inputs.dtype)
        dropped = masks.drop(probabilities, dropout_rate, dropout_seed)
        rows = self._global_values(dropped, inputs)
        return rows, tf.transpose(probabilities, (0, 2, 3, 1))

    def _global_scores(self, queries, inputs):
        """`(b, g, h, d)` queries with all tokens' keys: `(b, g, h, n)`."""

        def folded():
            kernel, bias = self._weights(self.global_key, inputs.dtype)
            folded_queries = fold_queries(
                queries, kernel, self.max_global_tokens
            )
            scores = tf.einsum("bghm,bnm->bghn", folded_queries, inputs)
            if bias is not None:
                scores += tf.einsum("bghd,hd->bgh", queries, bias)[..., None]
            return scores

        def projected():
            keys = self.global_key(inputs)
            return tf.einsum("bghd,bnhd->bghn", queries, keys)

        return self._cheaper(queries, inputs, folded, projected)

    def _global_values(self, probabilities, inputs):
        """All tokens' values weighted by `(b, g, h, n)`: `(b, g, h, d)`."""

        def folded():
            kernel, bias = self._weights(self.global_value, inputs.dtype)
            mean = tf.einsum("bghn,bnm->bghm", probabilities, inputs)
            rows = unfold_values(mean, kernel, self.max_global_tokens)
            if bias is not None:
                # Dropout and rows that are not there leave sums other than 1.
                rows += tf.reduce_sum(probabilities, -1, keepdims=True) * bias
            return rows

        def projected():
            values = self.global_value(inputs)
            return tf.einsum("bghn,bnhd->bghd", probabilities, values)

        return self._cheaper(probabilities, inputs, folded, projected)

    def _cheaper(self, rows, inputs, folded, projected):
        """Folds while `g * h < m`: `O(n * g * h * m)` against `O(n * m * m)`.

        A quantized projection has no kernel to fold.
        """
        if self.global_key.quantization_mode is not None:
            return projected()
        g = self.max_global_tokens
        if g is None:
            fold = tf.shape(rows)[1] * self.num_heads < inputs.shape[-1]
            return tf.cond(fold, folded, projected)
        return (
            folded() if g * self.num_heads < inputs.shape[-1] else projected()
        )

    def _weights(self, layer, dtype):
        """Kernel, LoRA's share included, and bias of a projection.

        Cast here: under rematerialisation the variables are read again outside
        Keras's autocasting.
        """
        bias = layer.bias if self.use_bias else None
        return tf.cast(layer.kernel, dtype), (
            None if bias is None else tf.cast(bias, dtype)
        )

    def compute_output_spec(
        self, inputs, *args, return_attention_scores=False, **kwargs
    ):
        outputs = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if not return_attention_scores:
            return outputs
        b, n = inputs.shape[:2]
        g = self.max_global_tokens
        if (
            kwargs.get("global_mask", args[1] if len(args) > 1 else None)
            is None
        ):
            g = 0
        elif n is not None and g is not None:
            g = min(g, n)
        columns = None if g is None else g + self.window_size + 1
        return (
            outputs,
            keras.KerasTensor(
                (b, self.num_heads, n, columns), self.compute_dtype
            ),
            keras.KerasTensor((b, self.num_heads, n, g), self.compute_dtype),
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_mask(self, inputs, mask=None):
        return mask

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "num_heads": self.num_heads,
                "key_dim": self.key_dim,
                "window_size": self.window_size,
                "dilation": self.dilation,
                "causal": self.causal,
                "max_global_tokens": self.max_global_tokens,
                "dropout": self.dropout,
                "use_bias": self.use_bias,
                "kernel_initializer": keras.initializers.serialize(
                    self.kernel_initializer
                ),
                "bias_initializer": keras.initializers.serialize(
                    self.bias_initializer
                ),
                "implementation": self.implementation,
                "relative_positions": self.relative_positions,
            }
        )
        return config
