"""The causal model of characters."""

import keras
import keras_hub
from keras import ops

from keras_longformer.layers import LayerNorm
from keras_longformer.layers import LongformerBlock
from keras_longformer.models import policies
from keras_longformer.models import presets
from keras_longformer.models.backbone import initializer
from keras_longformer.models.call_inputs import check_keywords
from keras_longformer.models.fresh import FreshFunctions
from keras_longformer.models.layer_options import per_layer
from keras_longformer.models.layer_options import plain
from keras_longformer.models.lora import LoraBackbone
from keras_longformer.models.plain_errors import SaysPlainly
from keras_longformer.models.portable import PortableModel
from keras_longformer.ops.attention import check_dilation
from keras_longformer.ops.attention import check_window_size


class DecoderInputs(SaysPlainly, PortableModel):
    """Lets `padding_mask` be left out; a mixin before a `keras.Model`."""

    def __call__(self, inputs, *args, **kwargs):
        if isinstance(inputs, dict) and inputs.get("padding_mask") is None:
            ids = inputs["token_ids"]
            is_symbol = isinstance(ids, keras.KerasTensor)
            mask = ops.ones_like(ids, dtype="bool") if is_symbol else None
            inputs = {**inputs, "padding_mask": mask}
        return super().__call__(inputs, *args, **kwargs)


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerDecoderBackbone(
    DecoderInputs, FreshFunctions, LoraBackbone, keras_hub.models.Backbone
):
    """The paper's character language model, up to its last LayerNorm.

    Pre-LayerNorm blocks whose attention is a causal window: a token sees
    itself and the `window_size // 2` tokens before it, every `dilation`-th of
    them. Positions are relative, Transformer-XL's, and computed within the
    window, so there is no longest sequence. With layers of reach
    `r_l = window_size_l // 2` and dilation `d_l`, the largest of its heads, a
    token's output depends on `1 + sum(r_l * d_l)` tokens: itself and those
    before it.

    Args:
        vocabulary_size: int, number of tokens.
        num_layers: int, number of transformer blocks.
        num_heads: int, attention heads; must divide `hidden_dim`.
        hidden_dim: int, the model's width.
        intermediate_dim: int, width of the feed-forward layers.
        window_size: even int, or one for each layer: the paper's *w*, both
            sides together, of which a causal window has the half before the
            token.
        dilation: int, or one for each layer, each an int or one int for each
            head.
        dropout: float in [0, 1), dropout of the embeddings and sublayers.
        attention_dropout: float in [0, 1), dropout of the attention
            probabilities; `dropout` by default.
        layer_norm_epsilon: float, in all LayerNorms.
        rematerialize: bool, whether training computes each block's activations
            a second time instead of keeping them.
        implementation: `None`, `"chunked"`, ...: see
            `keras_longformer.window_attention`.
        activation: of the feed-forward layers: see `LongformerBackbone`.
        dtype: dtype or policy of computations and weights. Softmax is float32
            in every one.
        **kwargs: `name`, `trainable`.

    Call arguments:
        inputs: dict of
            `token_ids`: int32 `(b, n)`;
            `padding_mask`: bool `(b, n)`, `True` for a real token; may be left
                out: all are. No token sees what stands after it, so padding
                after a text changes nothing for the text.

    Returns:
        float `(b, n, hidden_dim)`.

    Raises:
        TypeError: an argument of another name.
        ValueError: a window or dilation that cannot be, by its layer, a list
            of the wrong length, or `num_heads` that do not divide the width.

    Example:
    ```python
    backbone = keras_longformer.LongformerDecoderBackbone(
        vocabulary_size=258, num_layers=2, num_heads=2, hidden_dim=64,
        intermediate_dim=256, window_size=[32, 64], dilation=[1, [1, 2]])
    backbone({"token_ids": np.array([[97, 98, 99]])})  # (1, 3, 64)
    ```

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 4;
    [Dai et al., 2019](https://arxiv.org/abs/1901.02860), 3.3.
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        num_heads,
        hidden_dim,
        intermediate_dim,
        window_size=512,
        dilation=1,
        dropout=0.2,
        attention_dropout=None,
        layer_norm_epsilon=1e-5,
        rematerialize=False,
        implementation=None,
        activation="gelu",
        dtype=None,
        **kwargs,
    ):
        check_keywords(self, kwargs)
        window_size, dilation = plain(window_size), plain(dilation)
        if hidden_dim % num_heads:
            raise ValueError(
                "`num_heads` must divide `hidden_dim`. Received: "
                f"num_heads={num_heads}, hidden_dim={hidden_dim}."
            )
        window_sizes = per_layer(
            "window_size", window_size, num_layers, check_window_size
        )
        dilations = per_layer(
            "dilation",
            dilation,
            num_layers,
            lambda steps: check_dilation(steps, num_heads),
        )

        # Layers
        self.token_embedding = keras.layers.ReversibleEmbedding(
            vocabulary_size,
            hidden_dim,
            tie_weights=True,
            embeddings_initializer=initializer(),
            reverse_dtype="float32",
            dtype=dtype,
            name="token_embedding",
        )
        self.embeddings_dropout = keras.layers.Dropout(
            dropout, dtype=dtype, name="embeddings_dropout"
        )
        self.transformer_layers = [
            LongformerBlock(
                num_heads,
                intermediate_dim,
                window_size=window_sizes[i],
                dilation=dilations[i],
                max_global_tokens=0,
                dropout=dropout,
                attention_dropout=(
                    dropout if attention_dropout is None else attention_dropout
                ),
                layer_norm_epsilon=layer_norm_epsilon,
                kernel_initializer=initializer(),
                rematerialize=rematerialize,
                implementation=implementation,
                causal=True,
                activation=activation,
                norm_first=True,
                relative_positions=True,
                dtype=dtype,
                name=f"layer_{i}",
            )
            for i in range(num_layers)
        ]
        self.layer_norm = LayerNorm(
            epsilon=layer_norm_epsilon, dtype=dtype, name="layer_norm"
        )

        # Graph
        inputs = {
            "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
            "padding_mask": keras.Input(
                (None,), dtype="bool", name="padding_mask", optional=True
            ),
        }
        x = self.token_embedding(inputs["token_ids"])
        x = self.embeddings_dropout(x)
        for layer in self.transformer_layers:
            x = layer(x, padding_mask=inputs["padding_mask"])
        super().__init__(
            inputs=inputs, outputs=self.layer_norm(x), dtype=dtype, **kwargs
        )

        # Config
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.window_size = window_size
        self.dilation = dilation
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.layer_norm_epsilon = layer_norm_epsilon
        self.rematerialize = rematerialize
        self.implementation = implementation
        self.activation = activation

    @property
    def receptive_field(self) -> int:
        """The tokens that one output depends on: itself and those before."""
        layers = [layer.attention for layer in self.transformer_layers]
        return 1 + sum(
            layer.window_size // 2 * max(_as_list(layer.dilation))
            for layer in layers
        )

    def with_windows(self, window_size, **kwargs):
        """Returns a model of the same weights with other windows.

        Windows are no weights: training goes on where the other stood.

        Args:
            window_size: even int, or one for each layer.
            **kwargs: any other argument of the constructor, in place of this
                model's, that leaves its weights as they are: `dropout`, ...
        """
        config = {**self.get_config(), "window_size": window_size, **kwargs}
        other = type(self).from_config(config)
        other.set_weights(self.get_weights())
        return other

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "vocabulary_size": self.vocabulary_size,
                "num_layers": self.num_layers,
                "num_heads": self.num_heads,
                "hidden_dim": self.hidden_dim,
                "intermediate_dim": self.intermediate_dim,
                "window_size": self.window_size,
                "dilation": self.dilation,
                "dropout": self.dropout,
                "attention_dropout": self.attention_dropout,
                "layer_norm_epsilon": self.layer_norm_epsilon,
                "rematerialize": self.rematerialize,
                "implementation": self.implementation,
                "activation": self.activation,
                "dtype": keras.dtype_policies.serialize(
                    keras.DTypePolicy(policies.policy_name(self))
                ),
            }
        )
        return config

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["dtype"] = policies.read(config)
        return super().from_config(config)

    def save_to_preset(self, preset_dir, max_shard_size=10):
        """Saves the backbone as a folder that `from_preset` opens.

        Args:
            preset_dir: str, made if it is not there.
            max_shard_size: int or float, gigabytes of a weights' file, or
                `None`: of any size.
        """
        with presets.written(preset_dir) as new:
            super().save_to_preset(new, max_shard_size=max_shard_size)
            policies.write(self, new)
            presets.write_note(new)


def _as_list(dilation):
    return [dilation] if isinstance(dilation, int) else list(dilation)
