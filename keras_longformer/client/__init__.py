"""Asks a TF Serving server; needs no TensorFlow."""

from keras_longformer.client.client import ServingClient as ServingClient
from keras_longformer.client.client import ServingError as ServingError
