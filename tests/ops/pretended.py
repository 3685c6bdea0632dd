"""GPUs that are not there, for what is decided when a graph is made."""

import pytest
import tensorflow as tf

from keras_longformer.ops import native_gpu

H200 = {"device_name": "NVIDIA H200", "compute_capability": (9, 0)}
A100 = {"device_name": "NVIDIA A100", "compute_capability": (8, 0)}
V100 = {"device_name": "Tesla V100", "compute_capability": (7, 0)}
UNKNOWN = {}  # what TensorFlow says of a GPU that is not NVIDIA's


@pytest.fixture
def gpus(monkeypatch):
    """A function that pretends GPUs with the given details."""

    def pretend(*details):
        devices = {
            tf.config.PhysicalDevice(f"/physical_device:GPU:{number}", "GPU"): x
            for number, x in enumerate(details)
        }
        monkeypatch.setattr(
            tf.config,
            "get_visible_devices",
            lambda kind=None: [*devices] if kind == "GPU" else [],
        )
        monkeypatch.setattr(
            tf.config.experimental, "get_device_details", devices.__getitem__
        )
        native_gpu.reason_against_gpus.cache_clear()

    yield pretend
    native_gpu.reason_against_gpus.cache_clear()
