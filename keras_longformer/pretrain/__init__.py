"""Pretraining: read, fit for days, survive, measure, report.

The run knows what is learned only through `objective.Objective`.
"""

from keras_longformer.pretrain.measure import Measured as Measured
from keras_longformer.pretrain.run import run as run
from keras_longformer.pretrain.settings import Settings as Settings
