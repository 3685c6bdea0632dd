"""The dtype policy in a model's files.

KerasHub 0.32 opens a preset in Keras' default policy where the saved one is a
plain float type, fails at the name of a mixed one, and a `Backbone` forgets
both. Ours come back in the policy that they had: `config.json` says it in a
form that KerasHub passes on to us unread.
"""

import json
import os

import keras

from keras_longformer import weights

# Of ours in a backbone's `config.json`, which KerasHub hands to `from_config`.
SAVED = "saved_dtype"
DEFAULT = "float32"


def policy_name(model):
    """Returns the name of the policy that a model was made with.

    Of layers that are quantized one by one, without their modes.
    """
    policy = model.dtype_policy
    if isinstance(policy, keras.dtype_policies.DTypePolicyMap):
        policy = policy.default_policy
    return policy.name


def read(config):
    """Takes the policy out of a backbone's configuration.

    Args:
        config: dict, of which `SAVED` is taken.

    Returns:
        What `dtype` shall be: that of the call, or else the saved one.
    """
    saved = config.pop(SAVED, None)
    dtype = config.get("dtype")
    if isinstance(dtype, dict):
        dtype = keras.dtype_policies.get(dtype)
    is_map = isinstance(dtype, keras.dtype_policies.DTypePolicyMap)
    if is_map and not len(dtype):  # As `write` has written it.
        return dtype.default_policy
    return saved if dtype is None else dtype


def saved_policy(preset):
    """Returns the policy's name that `write` put into a folder, or `None`."""
    path = os.path.join(preset, "config.json")
    if not os.path.isfile(path):
        return None
    return (weights.read_json(path).get("config") or {}).get(SAVED)


def write(model, preset):
    """Writes a backbone's policy into the `config.json` of its preset.

    float32 is KerasHub's as it stands there: it is opened in Keras' default
    policy, as everything that names none.
    """
    name = policy_name(model)
    if name == DEFAULT:
        return
    path = os.path.join(preset, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["config"][SAVED] = name
    config["config"]["dtype"] = keras.dtype_policies.serialize(
        keras.dtype_policies.DTypePolicyMap(name)
    )
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file, indent=4)
