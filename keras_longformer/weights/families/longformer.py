"""Longformer: RoBERTa with a window and projections for global tokens."""

from dataclasses import replace

from keras_longformer.weights.families.roberta import ROBERTA

LONGFORMER = replace(
    ROBERTA,
    model_types=("longformer",),
    prefixes=("longformer", "roberta"),
    encoder_class="LongformerModel",
    no_effect=("classifier_dropout",),
    heads_drop=False,
)
