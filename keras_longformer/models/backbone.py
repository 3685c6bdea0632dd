"""The encoder."""

import keras
import keras_hub

from keras_longformer import weights
from keras_longformer.layers import LongformerBlock
from keras_longformer.layers import LongformerEmbeddings
from keras_longformer.models import own_presets
from keras_longformer.models import policies
from keras_longformer.models import presets
from keras_longformer.models import quantization
from keras_longformer.models.call_inputs import LongformerInputs
from keras_longformer.models.call_inputs import check_keywords
from keras_longformer.models.fresh import FreshFunctions
from keras_longformer.models.layer_options import per_layer
from keras_longformer.models.layer_options import plain
from keras_longformer.models.lora import LoraBackbone
from keras_longformer.ops.attention import check_dilation
from keras_longformer.ops.attention import check_window_size
from keras_longformer.weights.families import LONGFORMER


def initializer(stddev=0.02):
    """RoBERTa's initial weights; `stddev` is its `initializer_range`."""
    return keras.initializers.TruncatedNormal(stddev=stddev)


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerBackbone(
    LongformerInputs,
    FreshFunctions,
    quantization.Quantizable,
    LoraBackbone,
    keras_hub.models.Backbone,
):
    """A Longformer encoder: RoBERTa with attention over a window.

    Each token attends to the `window_size` tokens around it and to the global
    tokens, and global tokens attend to all, so that time and memory grow with
    the length and not with its square.

    Args:
        vocabulary_size: int, number of tokens.
        num_layers: int, number of transformer blocks.
        num_heads: int, attention heads; must divide `hidden_dim`.
        hidden_dim: int, the model's width.
        intermediate_dim: int, width of the feed-forward layers.
        window_size: even int, or one for each layer: how many tokens a token
            attends to, both sides together (the paper's *w*).
        dilation: int, or one for each layer, each an int or one int for each
            head: the step between the tokens of a window.
        max_sequence_length: int, the most tokens that have a position.
        max_global_tokens: int, the most global tokens in a row, or `None` for
            any number, which XLA cannot compile. See `LongformerAttention`.
        num_token_types: int, number of token types; more than 1 adds an input
            `token_type_ids`, and with 1 such an input is dropped.
        dropout: float in [0, 1), dropout of the embeddings and sublayers.
        attention_dropout: float in [0, 1), dropout of the attention
            probabilities; `dropout` by default.
        layer_norm_epsilon: float, in all LayerNorms.
        pad_token_id: int, the padding's id; positions are counted from it
            where `position_rule` says so.
        pooler: bool, whether to give a `pooled_output`.
        rematerialize: bool, whether training keeps only each block's inputs
            and computes the rest again for the gradients: less memory, about
            a third more time, the same gradients.
        implementation: `None`, `"chunked"`, ...: see
            `keras_longformer.window_attention`.
        causal: bool, or one for each layer: whether a window ends with its
            own token. Global tokens see and are seen all the same.
        position_rule: `"padding_offset"`, RoBERTa's, or `"absolute"`: how
            positions are counted. See `LongformerEmbeddings`.
        activation: of the feed-forward layers: `"gelu"`, the exact one that
            RoBERTa has, `"gelu_approximate"` (Hugging Face's `gelu_new`),
            `"relu"` or `"silu"`.
        packed: bool, whether rows may hold several documents, which do not
            see each other and whose positions start anew: adds an input
            `segment_ids`. Each gets the numbers that it gets alone.
        dtype: dtype or policy of computations and weights. Softmax is float32
            in every one.
        **kwargs: `name`, `trainable`.

    Call arguments:
        inputs: dict of
            `token_ids`: int32 `(b, n)`;
            `padding_mask`: bool `(b, n)`, `True` for a real token;
            `global_mask`: bool `(b, n)`, `True` for a global token; may be
            left out: none is global.
            `token_type_ids`: int32 `(b, n)`, the type of each token, where
                there are several; may be left out: all are of type 0.

    Returns:
        Dict of `sequence_output`, float `(b, n, hidden_dim)`, and
        `pooled_output`, float `(b, hidden_dim)`: a dense layer and tanh on the
        first token. With `pooler=False`, the first alone.

    Raises:
        TypeError: an argument of another name.
        ValueError: a window or dilation that cannot be, by its layer, a list
            of the wrong length, or `num_heads` that do not divide the width.
        InvalidArgumentError: too many tokens, too many global ones, or a
            token type that there is not.

    Example:
    ```python
    backbone = keras_longformer.LongformerBackbone.from_preset(
        "path/to/roberta-base", max_sequence_length=4096, window_size=512)
    backbone({
        "token_ids": np.array([[0, 31414, 232, 2]]),
        "padding_mask": np.array([[True] * 4]),
        "global_mask": np.array([[True] + [False] * 3]),
    })["sequence_output"]  # (1, 4, 768)
    ```

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150); the
    same numbers as Hugging Face's `LongformerModel`.
    """

    # What `save_hugging_face` writes, and where the positions are.
    written_as = LONGFORMER
    position_table = LONGFORMER.position_table

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        num_heads,
        hidden_dim,
        intermediate_dim,
        window_size=512,
        dilation=1,
        max_sequence_length=4096,
        max_global_tokens=None,
        num_token_types=1,
        dropout=0.1,
        attention_dropout=None,
        layer_norm_epsilon=1e-5,
        pad_token_id=1,
        pooler=True,
        rematerialize=False,
        implementation=None,
        causal=False,
        position_rule="padding_offset",
        activation="gelu",
        packed=False,
        dtype=None,
        **kwargs,
    ):
        check_keywords(self, kwargs)
        # Python's integers, also of NumPy's.
        window_size, dilation = plain(window_size), plain(dilation)
        max_sequence_length = plain(max_sequence_length)
        max_global_tokens = plain(max_global_tokens)
        causal = plain(causal)
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
        causals = per_layer("causal", causal, num_layers, _check_bool)

        # Layers
        self.embeddings = LongformerEmbeddings(
            vocabulary_size,
            hidden_dim,
            max_sequence_length,
            num_token_types=num_token_types,
            pad_token_id=pad_token_id,
            layer_norm_epsilon=layer_norm_epsilon,
            dropout=dropout,
            embeddings_initializer=initializer(),
            position_rule=position_rule,
            dtype=dtype,
            name="embeddings",
        )
        self.token_embedding = self.embeddings.token_embedding
        self.transformer_layers = [
            LongformerBlock(
                num_heads,
                intermediate_dim,
                window_size=window_sizes[i],
                dilation=dilations[i],
                max_global_tokens=max_global_tokens,
                dropout=dropout,
                attention_dropout=(
                    dropout if attention_dropout is None else attention_dropout
                ),
                layer_norm_epsilon=layer_norm_epsilon,
                kernel_initializer=initializer(),
                rematerialize=rematerialize,
                implementation=implementation,
                causal=causals[i],
                activation=activation,
                dtype=dtype,
                name=f"layer_{i}",
            )
            for i in range(num_layers)
        ]
        if pooler:
            self.pooled_dense = keras.layers.Dense(
                hidden_dim,
                activation="tanh",
                kernel_initializer=initializer(),
                dtype=dtype,
                name="pooler",
            )

        # Graph
        inputs = {
            "token_ids": _input("token_ids", "int32"),
            "padding_mask": _input("padding_mask", "bool"),
            "global_mask": _input("global_mask", "bool", optional=True),
        }
        if num_token_types > 1:
            inputs["token_type_ids"] = _input(
                "token_type_ids", "int32", optional=True
            )
        if packed:
            inputs["segment_ids"] = _input(
                "segment_ids", "int32", optional=True
            )
        x = self.embeddings(
            inputs["token_ids"],
            token_type_ids=inputs.get("token_type_ids"),
            segment_ids=inputs.get("segment_ids"),
        )
        for layer in self.transformer_layers:
            x = layer(
                x,
                padding_mask=inputs["padding_mask"],
                global_mask=inputs["global_mask"],
                segment_ids=inputs.get("segment_ids"),
            )
        outputs = x
        if pooler:
            outputs = {
                "sequence_output": x,
                "pooled_output": self.pooled_dense(x[:, 0]),
            }
        super().__init__(inputs=inputs, outputs=outputs, dtype=dtype, **kwargs)

        # Config
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.window_size = window_size
        self.dilation = dilation
        self.max_sequence_length = max_sequence_length
        self.max_global_tokens = max_global_tokens
        self.num_token_types = num_token_types
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.layer_norm_epsilon = layer_norm_epsilon
        self.pad_token_id = pad_token_id
        self.pooler = pooler
        self.rematerialize = rematerialize
        self.implementation = implementation
        self.causal = causal
        self.position_rule = position_rule
        self.activation = activation
        self.packed = packed

    def sequence_output(self, inputs):
        """The hidden states `(b, n, m)` alone, pooler or not."""
        outputs = self(inputs)
        return outputs["sequence_output"] if self.pooler else outputs

    @classmethod
    def from_preset(
        cls,
        preset,
        load_weights=True,
        *,
        max_sequence_length=None,
        window_size=None,
        positions="copy",
        **kwargs,
    ):
        """Opens a Longformer, or a RoBERTa and makes it long.

        Args:
            preset: str, or a model of KerasHub's, one of
                a Hugging Face folder or `hf://` handle of a `longformer`,
                `roberta`, `xlm-roberta`, `camembert`, `bert` or `electra`
                encoder (`model.safetensors`, `tf_model.h5` or
                `pytorch_model.bin`, sharded too), or a folder of
                sentence-transformers with one of these;
                a folder that `save_to_preset` wrote;
                a RoBERTa, XLM-RoBERTa or BERT of KerasHub's: its preset,
                by folder, name or handle, or the backbone or task itself.
            load_weights: bool, `False` starts from random weights.
            max_sequence_length: int, the tokens that the model shall read, more
                or fewer than the preset's, which is the default.
            window_size: even int, or one for each layer; by default the
                preset's, 512 for a RoBERTa.
            positions: how positions that a longer model needs are made:
                `"copy"` of the preset's end to end, as in the paper,
                `"sinusoidal"` or `"random"`.
            **kwargs: any other argument of the constructor, in place of the
                preset's: `max_global_tokens`, `dropout`, `dtype`, ...

        Returns:
            A `LongformerBackbone`. The global projections of an encoder that
            has none are copies of its local ones.

        Raises:
            ValueError: a preset of another kind, a broken file, or weights
                that do not fit: all that do not, in one error.
        """
        preset = weights.as_preset(preset)
        options = {
            "max_sequence_length": max_sequence_length,
            "window_size": window_size,
            "positions": positions,
        }
        if weights.preset_kind(preset) == "keras_hub":
            # One of ours, which KerasHub loads as it is.
            dtype = kwargs.pop("dtype", None)
            with own_presets.opening(preset, load_weights):
                saved = super().from_preset(preset, load_weights, dtype=dtype)
            if load_weights:
                own_presets.check_kinds(saved, preset)
            return presets.rebuild(saved, {**options, **kwargs})
        foreign = weights.open_foreign(
            preset, load_weights=load_weights, **options
        )
        backbone = cls(**{**foreign.config, **kwargs})
        if load_weights:
            presets.load_arrays(backbone, foreign.arrays, foreign.source)
        return backbone

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
                "max_sequence_length": self.max_sequence_length,
                "max_global_tokens": self.max_global_tokens,
                "num_token_types": self.num_token_types,
                "dropout": self.dropout,
                "attention_dropout": self.attention_dropout,
                "layer_norm_epsilon": self.layer_norm_epsilon,
                "pad_token_id": self.pad_token_id,
                "pooler": self.pooler,
                "rematerialize": self.rematerialize,
                "implementation": self.implementation,
                "causal": self.causal,
                "position_rule": self.position_rule,
                "dtype": keras.dtype_policies.serialize(
                    keras.DTypePolicy(policies.policy_name(self))
                ),
                "activation": self.activation,
                "packed": self.packed,
            }
        )
        quantized = quantization.describe_quantized(self._flatten_layers())
        if quantized:
            config["quantized"] = quantized
        return config

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        quantized = config.pop("quantized", {})
        config["dtype"] = policies.read(config)
        backbone = super().from_config(config)
        quantization.quantize_again(backbone._flatten_layers(), quantized)
        return backbone

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


def _input(name, dtype, optional=False):
    return keras.Input((None,), dtype=dtype, name=name, optional=optional)


def _check_bool(value):
    if not isinstance(value, bool):
        raise ValueError(f"`causal` must be a bool. Received: {value!r}.")
