"""LED, and BART, of which it is made: encoders with decoders.

An LED is a BART with windows and global projections in its encoder, whose
positions are those of BART over and over. BART's tables of positions have two
rows at the front that are never looked up.
"""

from dataclasses import replace

from keras_longformer.weights.families.seq2seq import Seq2SeqFamily
from keras_longformer.weights.names import DENSE
from keras_longformer.weights.names import EMBEDDING
from keras_longformer.weights.names import FROM_HEADS
from keras_longformer.weights.names import LAYER_NORM
from keras_longformer.weights.names import POSITIONS_FROM_2
from keras_longformer.weights.names import TO_HEADS

_FEED_FORWARD = (
    ("intermediate", "fc1", DENSE),
    ("output", "fc2", DENSE),
    ("output_layer_norm", "final_layer_norm", LAYER_NORM),
)


def _embeddings(positions):
    return (
        ("token_embedding", "shared", EMBEDDING),
        *(
            (f"{side}_embeddings/{ours}", f"{side}.{theirs}", kind)
            for side in ("encoder", "decoder")
            for ours, theirs, kind in (
                ("position_embedding", "embed_positions", positions),
                ("layer_norm", "layernorm_embedding", LAYER_NORM),
            )
        ),
    )


def _attention(ours, theirs):
    return (
        *(
            (f"{ours}/{name}", f"{theirs}.{name[0]}_proj", TO_HEADS)
            for name in ("query", "key", "value")
        ),
        (f"{ours}/attention_output", f"{theirs}.out_proj", FROM_HEADS),
        (f"{ours}_layer_norm", f"{theirs}_layer_norm", LAYER_NORM),
    )


def _tied(prefix):
    """Names of one table of words; in HDF5 the first holds a dot."""
    return tuple(
        (f"{name}.weight", "shared.weight")
        for name in (
            f"{prefix}.shared",
            "encoder.embed_tokens",
            "decoder.embed_tokens",
            "lm_head",
        )
    )


LED = Seq2SeqFamily(
    model_types=("led",),
    # Ours, theirs, and what transformers' LEDConfig has where a file leaves
    # the key out.
    keys=(
        ("vocabulary_size", "vocab_size", 50265),
        ("num_layers", "encoder_layers", 12),
        ("num_heads", "encoder_attention_heads", 16),
        ("hidden_dim", "d_model", 1024),
        ("intermediate_dim", "encoder_ffn_dim", 4096),
        ("num_decoder_layers", "decoder_layers", 12),
        ("num_decoder_heads", "decoder_attention_heads", 16),
        ("decoder_intermediate_dim", "decoder_ffn_dim", 4096),
        ("max_sequence_length", "max_encoder_position_embeddings", 16384),
        (
            "max_decoder_sequence_length",
            "max_decoder_position_embeddings",
            1024,
        ),
        ("dropout", "dropout", 0.1),
        ("attention_dropout", "attention_dropout", 0.0),
        ("pad_token_id", "pad_token_id", 1),
    ),
    fixed=(
        # What BART's relatives have, and neither LED nor we can express.
        ("scale_embedding", False),
        ("normalize_before", False),
        ("add_final_layer_norm", False),
        ("normalize_embedding", True),
        ("static_position_embeddings", False),
        ("add_bias_logits", False),
        ("tie_word_embeddings", True),
    ),
    # Of training alone, or left over.
    no_effect=(
        "activation_dropout",
        "encoder_layerdrop",
        "decoder_layerdrop",
        "classif_dropout",
        "classifier_dropout",
        "init_std",
        "num_hidden_layers",
        "_num_labels",
        "extra_pos_embeddings",
        "max_position_embeddings",
        "gradient_checkpointing",
        "save_step",
        "student_decoder_layers",
        "student_encoder_layers",
    ),
    aliases=(
        ("attention_probs_dropout_prob", "attention_dropout"),
        ("num_attention_heads", "encoder_attention_heads"),
        ("hidden_size", "d_model"),
        ("initializer_range", "init_std"),
    ),
    activation_key="activation_function",
    window_key="attention_window",
    position_rule="absolute",
    embeddings=_embeddings(EMBEDDING),
    layer=(
        *(
            (
                f"attention/{prefix}{name}",
                f"self_attn.longformer_self_attn.{name}{suffix}",
                TO_HEADS,
            )
            for prefix, suffix in (("", ""), ("global_", "_global"))
            for name in ("query", "key", "value")
        ),
        ("attention/attention_output", "self_attn.output", FROM_HEADS),
        ("attention_layer_norm", "self_attn_layer_norm", LAYER_NORM),
        *_FEED_FORWARD,
    ),
    layer_path="encoder.layers.{}",
    decoder_layer=(
        *_attention("self_attention", "self_attn"),
        *_attention("cross_attention", "encoder_attn"),
        *_FEED_FORWARD,
    ),
    decoder_layer_path="decoder.layers.{}",
    pooler=(),
    prefixes=("led",),
    buffers=(),
    tied=_tied("led"),
    encoder_class="LEDModel",
    position_table="encoder_embeddings/position_embedding/embeddings",
)

# One side of a BART's positions is the decoder's, 1,024 with BART's own.
BART = replace(
    LED,
    model_types=("bart",),
    keys=tuple(
        ("max_decoder_sequence_length", "max_position_embeddings", 1024)
        if ours == "max_decoder_sequence_length"
        else (ours, theirs, default)
        for ours, theirs, default in LED.keys
        if ours != "max_sequence_length"
    ),
    no_effect=tuple(
        name for name in LED.no_effect if name != "max_position_embeddings"
    ),
    embeddings=_embeddings(POSITIONS_FROM_2),
    layer=(
        *_attention("attention", "self_attn")[:4],
        ("attention_layer_norm", "self_attn_layer_norm", LAYER_NORM),
        *_FEED_FORWARD,
    ),
    prefixes=("model",),
    tied=_tied("model"),
    encoder_class="BartModel",
    max_sequence_length=16384,
    window_size=1024,
)
