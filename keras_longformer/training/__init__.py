"""What training a Longformer needs besides Keras: data, schedules, metrics.

Training itself is Keras' `fit`.
"""

from keras_longformer.training.mlm import BitsPerCharacter as BitsPerCharacter
from keras_longformer.training.mlm import masked_blocks as masked_blocks
from keras_longformer.training.schedules import (
    WarmupPolynomialDecay as WarmupPolynomialDecay,
)
