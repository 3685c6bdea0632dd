"""Opens a folder with both libraries, and compares ids and hidden states."""

import json
import os

import numpy as np

import keras_longformer as klf
from tests.checkpoints.folders import LENGTH
from tests.checkpoints.folders import SENTENCES
from tests.checkpoints.folders import SLOW
from tests.vocabularies import KINDS as CHARACTERS
from tests.vocabularies import random_texts

# Kinds of strings that hold special tokens: those are recognised only where
# one asks for it, unlike in Hugging Face's tokenizers.
LEFT_OUT = ("special",)


def strings(count):
    """Returns so many strings, of all kinds of characters."""
    kinds = [kind for kind in CHARACTERS if kind not in LEFT_OUT] + ["any"]
    each = -(-count // len(kinds))
    texts = list(SENTENCES)
    for kind in kinds:
        texts += random_texts(kind, each, seed=7)
    return texts[:count]


def inner_folder(folder):
    """Returns where transformers finds the model, in a deeper folder or not."""
    path = os.path.join(folder, "modules.json")
    if not os.path.exists(path):
        return str(folder)
    with open(path, encoding="utf-8") as file:
        return os.path.join(folder, json.load(file)[0]["path"])


def compare_ids(kind, folder, texts):
    """Returns how many texts have other ids than Hugging Face's, of how many.

    Where the kind has ties, what the slow tokenizer says counts too, and so
    do splits of equal score: the same tokens in another order.
    """
    import transformers

    open_theirs = transformers.AutoTokenizer.from_pretrained
    preprocessor = klf.LongformerTextClassifierPreprocessor.from_preset(
        str(folder), sequence_length=LENGTH
    )
    rows = preprocessor(texts)
    got = np.asarray(rows["token_ids"])
    mask = np.asarray(rows["padding_mask"])
    options = {"truncation": True, "max_length": LENGTH}
    theirs = open_theirs(inner_folder(folder))
    want = theirs(texts, **options)["input_ids"]
    different = [
        i for i, ids in enumerate(want) if got[i][mask[i]].tolist() != ids
    ]
    if different and kind.ties:
        where = os.path.join(folder, SLOW)
        where = where if os.path.isdir(where) else inner_folder(folder)
        slow = open_theirs(where, use_fast=False)
        different = [
            i
            for i in different
            if sorted(got[i][mask[i]].tolist())
            != sorted(slow(texts[i], **options)["input_ids"])
        ]
    return len(different), len(texts)


def compare_states(folder, model):
    """Returns the largest difference of hidden states at real tokens."""
    import torch

    backbone = klf.LongformerBackbone.from_preset(str(folder))
    encoder = getattr(model, model.base_model_prefix, model)
    config = encoder.config
    rng = np.random.default_rng(5)
    ids = rng.integers(5, config.vocab_size, (3, 37))
    real = np.ones(ids.shape, bool)
    real[1, 20:] = real[2, 3:] = False
    ids[~real] = config.pad_token_id
    inputs = {"token_ids": ids.astype("int32"), "padding_mask": real}
    theirs = {
        "input_ids": torch.tensor(ids),
        "attention_mask": torch.tensor(real.astype("int64")),
    }
    if config.type_vocab_size > 1:
        types = rng.integers(0, 2, ids.shape)
        inputs["token_type_ids"] = types.astype("int32")
        theirs["token_type_ids"] = torch.tensor(types)
    if hasattr(config, "attention_window"):
        marked = np.zeros(ids.shape, bool)
        marked[:, [0, 2]] = True
        inputs["global_mask"] = marked
        theirs["global_attention_mask"] = torch.tensor(marked.astype("int64"))
    with torch.no_grad():
        want = encoder(**theirs).last_hidden_state.numpy()
    got = backbone(inputs)
    got = got["sequence_output"] if isinstance(got, dict) else got
    return float(np.abs(np.asarray(got) - want)[real].max())
