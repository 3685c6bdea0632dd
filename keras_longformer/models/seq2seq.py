"""The encoder with a decoder."""

import keras
import keras_hub
from keras import ops

from keras_longformer import weights
from keras_longformer.layers import DecoderBlock
from keras_longformer.layers import LongformerBlock
from keras_longformer.layers import PositionedEmbeddings
from keras_longformer.layers.embeddings import uncounted
from keras_longformer.models import policies
from keras_longformer.models import presets
from keras_longformer.models import quantization
from keras_longformer.models.backbone import initializer
from keras_longformer.models.call_inputs import check_keywords
from keras_longformer.models.fresh import FreshFunctions
from keras_longformer.models.layer_options import per_layer
from keras_longformer.models.layer_options import plain
from keras_longformer.models.lora import LoraBackbone
from keras_longformer.models.plain_errors import SaysPlainly
from keras_longformer.models.portable import PortableModel
from keras_longformer.ops.attention import check_window_size
from keras_longformer.weights.families import LED

# Masks that may be left out of a call, and what stands for them.
OPTIONAL_MASKS = {
    "encoder_padding_mask": ("encoder_token_ids", ops.ones_like),
    "encoder_global_mask": ("encoder_token_ids", ops.zeros_like),
    "decoder_padding_mask": ("decoder_token_ids", ops.ones_like),
}


class Seq2SeqInputs(SaysPlainly, PortableModel):
    """Lets masks be left out; a mixin before a `keras.Model`."""

    not_portable = (
        "an encoder with a decoder writes in a loop, with a cache, and files "
        "of ONNX's or OpenVINO's would have neither. "
        "`keras_longformer.export_saved_model` exports the whole search."
    )

    def __call__(self, inputs, *args, **kwargs):
        if isinstance(inputs, dict):
            filled = {}
            for name, (ids, like) in OPTIONAL_MASKS.items():
                if inputs.get(name) is None and ids in inputs:
                    is_symbol = isinstance(inputs[ids], keras.KerasTensor)
                    filled[name] = (
                        like(inputs[ids], dtype="bool") if is_symbol else None
                    )
            inputs = {**inputs, **filled}
        return super().__call__(inputs, *args, **kwargs)


@keras.saving.register_keras_serializable(package="keras_longformer")
class LongformerSeq2SeqBackbone(
    Seq2SeqInputs,
    FreshFunctions,
    quantization.Quantizable,
    LoraBackbone,
    keras_hub.models.Backbone,
):
    """A Longformer-Encoder-Decoder (LED): BART with attention over a window.

    The encoder's tokens attend to the `window_size` tokens around them and to
    the global tokens, so that its time and memory grow with the length and not
    with its square. Each token of the decoder attends to those before it and
    to all of the encoder's. Both sides share the table of words and have
    learned positions of their own, by the column: padding stands on the right.

    Args:
        vocabulary_size: int, number of tokens.
        num_layers: int, blocks of the encoder.
        num_heads: int, attention heads of the encoder; must divide
            `hidden_dim`.
        hidden_dim: int, the model's width.
        intermediate_dim: int, width of the encoder's feed-forward layers.
        num_decoder_layers: int, blocks of the decoder; the encoder's by
            default, as the next two are.
        num_decoder_heads: int.
        decoder_intermediate_dim: int.
        window_size: even int, or one for each layer of the encoder: how many
            tokens a token attends to, both sides together (the paper's *w*).
        max_sequence_length: int, the most tokens of the encoder.
        max_decoder_sequence_length: int, the most of the decoder.
        max_global_tokens: int, the most global tokens in a row, or `None` for
            any number, which XLA cannot compile. See `LongformerAttention`.
        dropout: float in [0, 1), dropout of the embeddings and sublayers.
        attention_dropout: float in [0, 1), dropout of the attention
            probabilities.
        layer_norm_epsilon: float, in all LayerNorms.
        pad_token_id: int, the padding's id.
        rematerialize: bool, whether training keeps only each block's inputs
            and computes the rest again for the gradients.
        implementation: `None`, `"chunked"`, ...: see
            `keras_longformer.window_attention`.
        activation: of the feed-forward layers: see `LongformerBackbone`.
        dtype: dtype or policy of computations and weights. Softmax is float32
            in every one.
        **kwargs: `name`, `trainable`.

    Call arguments:
        inputs: dict of
            `encoder_token_ids`: int32 `(b, n)`;
            `encoder_padding_mask`: bool `(b, n)`, `True` for a real token; may
                be left out: all are;
            `encoder_global_mask`: bool `(b, n)`, `True` for a global token;
                may be left out: none is;
            `decoder_token_ids`: int32 `(b, t)`;
            `decoder_padding_mask`: bool `(b, t)`; may be left out: no token
                sees what stands after it, so padding after a text changes
                nothing for the text.

    Returns:
        Dict of `encoder_sequence_output`, float `(b, n, hidden_dim)`, and
        `decoder_sequence_output`, float `(b, t, hidden_dim)`.

    Raises:
        TypeError: an argument of another name.
        ValueError: a window that cannot be, by its layer, a list of the wrong
            length, or heads that do not divide the width.
        InvalidArgumentError: too many tokens, or too many global ones.

    Example:
    ```python
    backbone = keras_longformer.LongformerSeq2SeqBackbone.from_preset(
        "path/to/led-base-16384")
    backbone({
        "encoder_token_ids": np.array([[0, 31414, 232, 2]]),
        "encoder_global_mask": np.array([[True] + [False] * 3]),
        "decoder_token_ids": np.array([[2, 0]]),
    })["decoder_sequence_output"]  # (1, 2, 768)
    ```

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 7; the
    same numbers as Hugging Face's `LEDModel`.
    """

    # What `save_hugging_face` writes, and how positions are counted.
    written_as = LED
    position_rule = LED.position_rule
    position_table = LED.position_table

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        num_heads,
        hidden_dim,
        intermediate_dim,
        num_decoder_layers=None,
        num_decoder_heads=None,
        decoder_intermediate_dim=None,
        window_size=1024,
        max_sequence_length=16384,
        max_decoder_sequence_length=1024,
        max_global_tokens=None,
        dropout=0.1,
        attention_dropout=0.0,
        layer_norm_epsilon=1e-5,
        pad_token_id=1,
        rematerialize=False,
        implementation=None,
        activation="gelu",
        dtype=None,
        **kwargs,
    ):
        check_keywords(self, kwargs)
        window_size = plain(window_size)
        max_sequence_length = plain(max_sequence_length)
        max_global_tokens = plain(max_global_tokens)
        num_decoder_layers = num_decoder_layers or num_layers
        num_decoder_heads = num_decoder_heads or num_heads
        decoder_intermediate_dim = decoder_intermediate_dim or intermediate_dim
        for name, heads in (
            ("num_heads", num_heads),
            ("num_decoder_heads", num_decoder_heads),
        ):
            if hidden_dim % heads:
                raise ValueError(
                    f"`{name}` must divide `hidden_dim`. Received: "
                    f"{name}={heads}, hidden_dim={hidden_dim}."
                )
        window_sizes = per_layer(
            "window_size", window_size, num_layers, check_window_size
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
        shared = {
            "dropout": dropout,
            "layer_norm_epsilon": layer_norm_epsilon,
            "dtype": dtype,
        }
        self.encoder_embeddings = PositionedEmbeddings(
            max_sequence_length,
            embeddings_initializer=initializer(),
            name="encoder_embeddings",
            **shared,
        )
        self.decoder_embeddings = PositionedEmbeddings(
            max_decoder_sequence_length,
            embeddings_initializer=initializer(),
            name="decoder_embeddings",
            **shared,
        )
        shared |= {
            "attention_dropout": attention_dropout,
            "activation": activation,
            "rematerialize": rematerialize,
            "kernel_initializer": initializer(),
        }
        self.encoder_layers = [
            LongformerBlock(
                num_heads,
                intermediate_dim,
                window_size=window_sizes[i],
                max_global_tokens=max_global_tokens,
                implementation=implementation,
                name=f"encoder_layer_{i}",
                **shared,
            )
            for i in range(num_layers)
        ]
        self.decoder_layers = [
            DecoderBlock(
                num_decoder_heads,
                decoder_intermediate_dim,
                name=f"decoder_layer_{i}",
                **shared,
            )
            for i in range(num_decoder_layers)
        ]

        # Graph
        inputs = {
            "encoder_token_ids": _input("encoder_token_ids", "int32"),
            "encoder_padding_mask": _input("encoder_padding_mask"),
            "encoder_global_mask": _input("encoder_global_mask"),
            "decoder_token_ids": _input("decoder_token_ids", "int32"),
            "decoder_padding_mask": _input("decoder_padding_mask"),
        }
        encoded = self.encode(inputs)
        x = self._embedded(inputs["decoder_token_ids"])
        x = self.decoder_embeddings(x)
        for layer in self.decoder_layers:
            x = layer(
                x,
                encoded,
                padding_mask=inputs["decoder_padding_mask"],
                encoder_padding_mask=inputs["encoder_padding_mask"],
            )
        outputs = {
            "encoder_sequence_output": encoded,
            "decoder_sequence_output": x,
        }
        super().__init__(inputs=inputs, outputs=outputs, dtype=dtype, **kwargs)

        # Config
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.num_decoder_layers = num_decoder_layers
        self.num_decoder_heads = num_decoder_heads
        self.decoder_intermediate_dim = decoder_intermediate_dim
        self.window_size = window_size
        self.max_sequence_length = max_sequence_length
        self.max_decoder_sequence_length = max_decoder_sequence_length
        self.max_global_tokens = max_global_tokens
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.layer_norm_epsilon = layer_norm_epsilon
        self.pad_token_id = pad_token_id
        self.rematerialize = rematerialize
        self.implementation = implementation
        self.activation = activation

    def _embedded(self, token_ids):
        size = self.token_embedding.input_dim
        return self.token_embedding(uncounted(token_ids, size))

    def encode(self, inputs):
        """Returns the encoder's output, float `(b, n, m)`.

        Args:
            inputs: dict of `encoder_token_ids`, and the encoder's masks or
                `None`.
        """
        x = self._embedded(inputs["encoder_token_ids"])
        x = self.encoder_embeddings(x)
        for layer in self.encoder_layers:
            x = layer(
                x,
                padding_mask=inputs.get("encoder_padding_mask"),
                global_mask=inputs.get("encoder_global_mask"),
            )
        return x

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
        """Opens an LED, or a BART and makes it long.

        Args:
            preset: str, a Hugging Face folder or `hf://` handle of an `led` or
                a `bart` (`model.safetensors`, `tf_model.h5` or
                `pytorch_model.bin`, sharded too), or a folder that
                `save_to_preset` wrote.
            load_weights: bool, `False` starts from random weights.
            max_sequence_length: int, the tokens that the encoder shall read; by
                default the preset's, 16,384 for a BART.
            window_size: even int, or one for each layer; by default the
                preset's, 1,024 for a BART.
            positions: how positions that a longer encoder needs are made: see
                `LongformerBackbone.from_preset`.
            **kwargs: any other argument of the constructor, in place of the
                preset's: `max_global_tokens`, `dropout`, `dtype`, ...

        Returns:
            A `LongformerSeq2SeqBackbone`. The global projections of a BART are
            copies of its local ones.

        Raises:
            ValueError: a preset of another kind, a broken file, or weights
                that do not fit: all that do not, in one error.
        """
        options = {
            "max_sequence_length": max_sequence_length,
            "window_size": window_size,
            "positions": positions,
        }
        preset = weights.as_preset(preset)
        if weights.preset_kind(preset) == "keras_hub":
            dtype = kwargs.pop("dtype", None)
            return presets.rebuild(
                super().from_preset(preset, load_weights, dtype=dtype),
                {**options, **kwargs},
            )
        foreign = weights.open_seq2seq(
            preset, load_weights=load_weights, **options
        )
        backbone = cls(**{**foreign.config, **kwargs})
        if load_weights:
            presets.load_arrays(backbone, foreign.arrays, foreign.source)
        return backbone

    def get_config(self):
        config = super().get_config()
        names = presets.keywords_of(LongformerSeq2SeqBackbone) - {"dtype"}
        config.update({name: getattr(self, name) for name in sorted(names)})
        config["dtype"] = keras.dtype_policies.serialize(
            keras.DTypePolicy(policies.policy_name(self))
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


def _input(name, dtype="bool"):
    optional = name in OPTIONAL_MASKS
    return keras.Input((None,), dtype=dtype, name=name, optional=optional)
