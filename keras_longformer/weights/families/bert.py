"""BERT, and encoders of its architecture under other names.

Unlike RoBERTa's, positions are the columns, and heads have names and, by
`hidden_act`, activations of their own. The classifier of texts reads the
encoder's pooler, which is a dense layer with tanh: it equals a Longformer's
classifier, whose first dense layer it becomes.
"""

from dataclasses import replace

from keras_longformer.weights.families.roberta import ROBERTA

_KEYS = tuple(
    ("pad_token_id", "pad_token_id", 0) if row[0] == "pad_token_id" else row
    for row in ROBERTA.keys
)
_WORDS = "embeddings.word_embeddings.weight"

BERT = replace(
    ROBERTA,
    model_types=("bert",),
    keys=_KEYS,
    position_rule="absolute",
    prefixes=("bert",),
    tied=(
        ("cls.predictions.decoder.weight", _WORDS),
        ("cls.predictions.decoder.bias", "cls.predictions.bias"),
    ),
    encoder_class="BertModel",
    head_names=(
        ("classifier.dense", "pooler.dense"),
        ("classifier.out_proj", "classifier"),
        ("lm_head.dense", "cls.predictions.transform.dense"),
        ("lm_head.layer_norm", "cls.predictions.transform.LayerNorm"),
        ("lm_head", "cls.predictions"),
    ),
    head_activations=(("lm_head.dense", "hidden_act", "gelu"),),
)

# Discriminators and generators whose embeddings are as wide as their layers.
ELECTRA = replace(
    BERT,
    model_types=("electra",),
    prefixes=("electra",),
    pooler=(),
    tied=(("generator_lm_head.weight", _WORDS),),
    encoder_class="ElectraModel",
    head_names=(
        ("lm_head.dense", "generator_predictions.dense"),
        ("lm_head.layer_norm", "generator_predictions.LayerNorm"),
        ("lm_head", "generator_lm_head"),
        ("pooler.dense", "sequence_summary.summary"),
    ),
    head_activations=(
        ("classifier.dense", "classifier_activation", "gelu"),
        ("pooler.dense", "summary_activation", "gelu"),
    ),
)
