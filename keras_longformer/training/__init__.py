"""What training a Longformer needs besides Keras: schedules, masking, resuming.

Training itself is Keras' `fit`.
"""

from keras_longformer.training.resume import (
    SaveTrainingState as SaveTrainingState,
)
from keras_longformer.training.resume import TrainingStates as TrainingStates
from keras_longformer.training.resume import epoch_order as epoch_order
from keras_longformer.training.schedules import (
    WarmupPolynomialDecay as WarmupPolynomialDecay,
)
