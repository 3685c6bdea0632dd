"""RoBERTa, and XLM-RoBERTa and CamemBERT, which name all alike."""

from keras_longformer.weights.families.family import Family
from keras_longformer.weights.names import DENSE
from keras_longformer.weights.names import EMBEDDING
from keras_longformer.weights.names import FROM_HEADS
from keras_longformer.weights.names import LAYER_NORM
from keras_longformer.weights.names import TO_HEADS

ROBERTA = Family(
    model_types=("roberta", "xlm-roberta", "camembert"),
    # Ours, theirs, and what they take where a file leaves the key out (`None`:
    # it must be there), from transformers' RobertaConfig.
    keys=(
        ("vocabulary_size", "vocab_size", None),
        ("num_layers", "num_hidden_layers", None),
        ("num_heads", "num_attention_heads", None),
        ("hidden_dim", "hidden_size", None),
        ("intermediate_dim", "intermediate_size", None),
        ("num_token_types", "type_vocab_size", 2),
        ("dropout", "hidden_dropout_prob", 0.1),
        ("attention_dropout", "attention_probs_dropout_prob", 0.1),
        ("layer_norm_epsilon", "layer_norm_eps", 1e-12),
        ("pad_token_id", "pad_token_id", 1),
    ),
    fixed=(),
    window_key="attention_window",
    position_rule="padding_offset",
    embeddings=(
        ("embeddings/token_embedding", "embeddings.word_embeddings", EMBEDDING),
        (
            "embeddings/position_embedding",
            "embeddings.position_embeddings",
            EMBEDDING,
        ),
        (
            "embeddings/token_type_embedding",
            "embeddings.token_type_embeddings",
            EMBEDDING,
        ),
        ("embeddings/layer_norm", "embeddings.LayerNorm", LAYER_NORM),
    ),
    # The paper's notebook saves a RoBERTa made long under its old model_type,
    # with `attention_window` and global projections.
    layer=(
        ("attention/query", "attention.self.query", TO_HEADS),
        ("attention/key", "attention.self.key", TO_HEADS),
        ("attention/value", "attention.self.value", TO_HEADS),
        ("attention/global_query", "attention.self.query_global", TO_HEADS),
        ("attention/global_key", "attention.self.key_global", TO_HEADS),
        ("attention/global_value", "attention.self.value_global", TO_HEADS),
        ("attention/attention_output", "attention.output.dense", FROM_HEADS),
        ("attention_layer_norm", "attention.output.LayerNorm", LAYER_NORM),
        ("intermediate", "intermediate.dense", DENSE),
        ("output", "output.dense", DENSE),
        ("output_layer_norm", "output.LayerNorm", LAYER_NORM),
    ),
    layer_path="encoder.layer.{}",
    pooler=(("pooler", "pooler.dense", DENSE),),
    # Files made by conversion carry either.
    prefixes=("roberta", "longformer"),
    # Constants that older files carry as if they were weights.
    buffers=("embeddings.position_ids", "embeddings.token_type_ids"),
    tied=(
        ("lm_head.decoder.weight", "embeddings.word_embeddings.weight"),
        ("lm_head.decoder.bias", "lm_head.bias"),
    ),
    encoder_class="RobertaModel",
)
