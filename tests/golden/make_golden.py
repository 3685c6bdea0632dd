"""Makes the golden files: tiny random models of Hugging Face and their numbers.

    python tests/golden/make_golden.py [FOLDER]

Needs transformers 4.57.6 with PyTorch, TensorFlow and tf_keras, the last
versions that have both spellings of Longformer. Takes a minute on two cores.
Writes, beside itself unless a folder is given,

    <family>-<task>/      config.json, model.safetensors, tf_model.h5
    longformer-sharded/   the bare Longformer in several safetensors files
    <family>.npz          inputs and PyTorch's outputs
    roberta_long.npz      RoBERTa made long as allenai's notebook does it
    question_answering.npz   Longformer's, of longformer-question_answering

and prints by how much TensorFlow's outputs differ from PyTorch's.
"""

import copy
import os
import sys
import tempfile
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import torch
import transformers

SIZES = {
    "vocab_size": 53,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 37,
    "layer_norm_eps": 1e-5,
    "pad_token_id": 1,
    "num_labels": 5,
}
LONGFORMER = SIZES | {
    "attention_window": [4, 8],
    "max_position_embeddings": 66,
    "type_vocab_size": 2,
    "sep_token_id": 2,
}
ROBERTA = SIZES | {"max_position_embeddings": 22, "type_vocab_size": 1}
LONG_LENGTH = 47  # of RoBERTa made long: no multiple of its 20 positions.

FAMILIES = {
    "longformer": ("Longformer", LONGFORMER),
    "roberta": ("Roberta", ROBERTA),
    "xlm_roberta": ("XLMRoberta", ROBERTA),
    "camembert": ("Camembert", ROBERTA),
}
TASKS = {
    "base": "Model",
    "masked_lm": "ForMaskedLM",
    "classifier": "ForSequenceClassification",
}


def randomize(model, seed):
    """Gives every weight numbers large enough to tell mistakes apart."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            is_gain = name.endswith("LayerNorm.weight")
            is_gain |= name.endswith("layer_norm.weight")
            # Kernels of deviation 0.3 make scores of order 1.
            scale = 0.3 if weight.ndim == 2 else 0.1
            weight.copy_(noise * scale + (1.0 if is_gain else 0.0))
    return model.eval()


def token_ids(rng, shape):
    return rng.integers(4, SIZES["vocab_size"], shape).astype(np.int32)


def longformer_cases():
    """Yields a name and `(token_ids, padding_mask, global_mask)`.

    `padding_mask` is `None` where the model is called without one.
    """
    rng = np.random.default_rng(0)

    def inputs(b, n):
        ids = token_ids(rng, (b, n))
        none = np.zeros((b, n), bool)
        return ids, ~none, none.copy()

    ids, _, marked = inputs(2, 16)
    yield "no_mask", (ids, None, marked)

    ids, real, marked = inputs(3, 21)
    real[1, 15:] = real[2, 4:] = False
    ids[~real] = 1
    marked[:, 0] = True
    yield "right_padding", (ids, real, marked)

    ids, real, marked = inputs(3, 19)
    real[0, :3] = real[1, :11] = False
    ids[~real] = 1
    marked[1, [12, 14, 18]] = True
    marked[2] = True
    yield "left_padding_unequal_global", (ids, real, marked)

    ids, real, marked = inputs(2, 29)
    real[0, 9:20] = real[1, 5] = False
    ids[0, 9:15] = 1  # the others are masked words: positions count them
    marked[:, [0, 5, 28]] = True  # token 5 of row 1 is masked: not global
    yield "middle_padding", (ids, real, marked)

    ids, real, marked = inputs(2, 11)
    real[1] = False
    ids[1] = 1
    marked[0] = True
    yield "all_global_all_padding", (ids, real, marked)

    ids, real, marked = inputs(1, 3)
    yield "shorter_than_the_window", (ids, real, marked)

    ids, real, marked = inputs(1, 61)
    marked[0, [7, 33]] = True
    yield "long", (ids, real, marked)


def roberta_cases():
    rng = np.random.default_rng(1)
    for name, padding in [("none", 0), ("right", 1), ("left", -1)]:
        ids = token_ids(rng, (2, 17))
        real = np.ones(ids.shape, bool)
        if padding:
            real[0, slice(11, None) if padding > 0 else slice(6)] = False
        ids[~real] = 1
        yield f"{name}_padding", (ids, real, np.zeros(ids.shape, bool))


def roberta_long_cases():
    rng = np.random.default_rng(2)
    ids = token_ids(rng, (2, LONG_LENGTH))
    real = np.ones(ids.shape, bool)
    real[1, 41:] = False
    ids[~real] = 1
    marked = np.zeros(ids.shape, bool)
    marked[:, 0] = marked[0, 30] = True
    yield "with_global", (ids, real, marked)
    yield "without_global", (ids, real, np.zeros(ids.shape, bool))


def call(model, case, **options):
    """Calls a PyTorch or TensorFlow model on a case."""
    ids, real, marked = case
    is_torch = isinstance(model, torch.nn.Module)
    tensor = torch.tensor if is_torch else tf.constant
    inputs = {"input_ids": tensor(ids.astype(np.int64))}
    if real is not None:
        inputs["attention_mask"] = tensor(real.astype(np.int64))
    if marked is not None and model.config.model_type == "longformer":
        inputs["global_attention_mask"] = tensor(marked.astype(np.int64))
    with torch.no_grad():
        return model(**inputs, **options)


def outputs(model, task, case):
    """Returns the outputs that are kept, by the names that ours have."""
    if task == "base":
        got = call(model, case)
        return {
            "sequence_output": np.asarray(got.last_hidden_state),
            "pooled_output": np.asarray(got.pooler_output),
        }
    if task == "classifier":
        # Token 0 is global by default: both sides choose it themselves.
        case = (case[0], case[1], None)
    return {task: np.asarray(call(model, case).logits)}


def build(family, task, seed):
    """Returns PyTorch's model; one family's tasks share their weights."""
    name, sizes = FAMILIES[family]
    config = getattr(transformers, f"{name}Config")(**sizes)
    model = getattr(transformers, name + TASKS[task])(config)
    randomize(model, seed)
    shared = getattr(transformers, f"{name}Model")(config)
    randomize(shared, seed)
    encoder = getattr(model, model.base_model_prefix, model)
    encoder.load_state_dict(shared.state_dict(), strict=False)
    return model.eval()


def save(model, family, folder):
    """Writes both formats and returns TensorFlow's model.

    One format each for the two families that only have other names in front.
    """
    tf_class = getattr(transformers, f"TF{type(model).__name__}")
    with tempfile.TemporaryDirectory() as pickled:
        # Their TensorFlow classes cannot read newer safetensors packages'.
        model.save_pretrained(pickled, safe_serialization=False)
        tf_model = tf_class.from_pretrained(pickled, from_pt=True)
    model.config.save_pretrained(folder)
    if family != "xlm_roberta":
        tf_model.save_pretrained(folder)
    if family != "camembert":
        model.save_pretrained(folder)
    return tf_model


def difference(got, want, case):
    real = case[1]
    if real is not None and got.shape[:2] == real.shape:
        got, want = got[real], want[real]
    return float(np.abs(got - want).max())


def make_family(family, cases, root, tasks=tuple(TASKS)):
    kept = {"versions": versions()}
    for name, case in cases.items():
        for part, array in zip(
            ("token_ids", "padding_mask", "global_mask"), case, strict=True
        ):
            if array is not None:
                kept[f"{name}/{part}"] = array
    for task in tasks:
        model = build(family, task, seed=len(family))
        tf_model = save(model, family, root / f"{family}-{task}")
        for name, case in cases.items():
            for part, array in outputs(model, task, case).items():
                kept[f"{name}/{part}"] = array
                other = outputs(tf_model, task, case)[part]
                print(
                    f"{family:12} {task:10} {name:28} {part:16} "
                    f"TF - PyTorch {difference(other, array, case):.1e}"
                )
    return kept


def add_attentions(kept, cases, root):
    """Keeps one case's attention probabilities, in their shapes."""
    name = "right_padding"
    model = transformers.LongformerModel.from_pretrained(
        root / "longformer-base"
    ).eval()
    got = call(model, cases[name], output_attentions=True)
    for i in range(SIZES["num_hidden_layers"]):
        kept[f"{name}/attentions_{i}"] = np.asarray(got.attentions[i])
        kept[f"{name}/global_attentions_{i}"] = np.asarray(
            got.global_attentions[i]
        )
    model.save_pretrained(root / "longformer-sharded", max_shard_size="40KB")


def make_long(model):
    """RoBERTa to Longformer, step by step as in allenai's notebook.

    https://github.com/allenai/longformer, scripts/convert_model_to_long.ipynb;
    the first two rows of the positions are copied too.
    """
    config = transformers.LongformerConfig(
        **SIZES
        | {
            "type_vocab_size": 1,
            "attention_window": [4] * SIZES["num_hidden_layers"],
            "max_position_embeddings": LONG_LENGTH + 2,
        }
    )
    long = transformers.LongformerForMaskedLM(config).eval()
    state = copy.deepcopy(model.state_dict())
    old = state["roberta.embeddings.position_embeddings.weight"]
    new = old.new_empty(LONG_LENGTH + 2, old.shape[1])
    new[:2] = old[:2]
    k, step = 2, len(old) - 2
    while k < len(new):
        new[k : k + step] = old[2 : 2 + len(new[k : k + step])]
        k += step
    state["roberta.embeddings.position_embeddings.weight"] = new
    for name in list(state):
        for part in ("query", "key", "value"):
            if f".self.{part}." in name:
                global_name = name.replace(part, f"{part}_global")
                state[global_name] = state[name].clone()
    state = {n.replace("roberta.", "longformer."): v for n, v in state.items()}
    long.load_state_dict(state)
    return long


def make_roberta_long(root):
    model = transformers.RobertaForMaskedLM.from_pretrained(
        root / "roberta-masked_lm"
    )
    long = make_long(model)
    kept = {"versions": versions()}
    for name, case in roberta_long_cases():
        ids, real, marked = case
        kept[f"{name}/token_ids"] = ids
        kept[f"{name}/padding_mask"] = real
        kept[f"{name}/global_mask"] = marked
        kept[f"{name}/masked_lm"] = np.asarray(call(long, case).logits)
        kept[f"{name}/sequence_output"] = np.asarray(
            call(long.longformer, case).last_hidden_state
        )
    return kept


def question_cases():
    """Rows `<s> question </s></s> context </s>` of several lengths."""
    rng = np.random.default_rng(3)
    for name, sizes in {
        "one": [(5, 30)],
        "padded": [(3, 20), (9, 41), (1, 2), (6, 0)],
        "no_question": [(0, 9), (4, 9)],
    }.items():
        longest = max(sum(pair) for pair in sizes) + 4
        ids = np.ones((len(sizes), longest), np.int32)
        for row, (question, context) in zip(ids, sizes, strict=True):
            text = token_ids(rng, (question + context,))
            row[: question + 3] = [0, *text[:question], 2, 2]
            row[question + 3 : question + context + 3] = text[question:]
            row[question + context + 3] = 2
        yield name, (ids, ids != 1, None)


def make_question_answering(root):
    """The global tokens are those that Hugging Face's model chooses."""
    config = transformers.LongformerConfig(**LONGFORMER | {"num_labels": 2})
    model = randomize(transformers.LongformerForQuestionAnswering(config), 3)
    folder = root / "longformer-question_answering"
    tf_model = save(model, "longformer", folder)
    kept = {"versions": versions()}
    for name, case in question_cases():
        kept[f"{name}/token_ids"], kept[f"{name}/padding_mask"], _ = case
        got, other = call(model, case), call(tf_model, case)
        for part in ("start_logits", "end_logits"):
            array = np.asarray(got[part])
            kept[f"{name}/{part}"] = array
            largest = difference(np.asarray(other[part]), array, case)
            print(
                f"longformer   question   {name:28} {part:16} "
                f"TF - PyTorch {largest:.1e}"
            )
    return kept


def versions():
    return np.array(
        [f"{m.__name__} {m.__version__}" for m in (transformers, torch, tf)]
    )


def main(root):
    root.mkdir(parents=True, exist_ok=True)
    cases = dict(longformer_cases())
    kept = make_family("longformer", cases, root)
    add_attentions(kept, cases, root)
    np.savez_compressed(root / "longformer.npz", **kept)
    cases = dict(roberta_cases())
    for family, tasks in [
        ("roberta", TASKS),
        ("xlm_roberta", ["masked_lm"]),
        ("camembert", ["classifier"]),
    ]:
        kept = make_family(family, cases, root, tasks)
        np.savez_compressed(root / f"{family}.npz", **kept)
    np.savez_compressed(root / "roberta_long.npz", **make_roberta_long(root))
    np.savez_compressed(
        root / "question_answering.npz", **make_question_answering(root)
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
