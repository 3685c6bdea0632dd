"""What a model looked at: attention as arrays, pictures and pages."""

from keras_longformer.explanations.fields import (
    ReceptiveField as ReceptiveField,
)
from keras_longformer.explanations.fields import (
    receptive_field as receptive_field,
)
from keras_longformer.explanations.maps import AttentionMap as AttentionMap
from keras_longformer.explanations.maps import attention_map as attention_map
