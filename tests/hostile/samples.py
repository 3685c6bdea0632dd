"""Good files, small ones, and their mutants."""

import pathlib

from tests.hostile import hdf5
from tests.hostile import mutation
from tests.hostile import safetensors
from tests.hostile.mutation import EITHER
from tests.hostile.mutation import REFUSED

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"

SIZES = (
    "num_hidden_layers",
    "hidden_size",
    "vocab_size",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
    "num_attention_heads",
)


def golden(name, *files):
    return {file: (GOLDEN / name / file).read_bytes() for file in files}


def write(sample, folder):
    mutation.Mutant("", "", sample, "").write(folder)
    return folder


def checkpoints(generator, count, outside):
    """Yields names, good samples and their mutants.

    Args:
        generator: `np.random.Generator`.
        count: int, how many of each kind that is drawn.
        outside: a folder beside the mutants', with good files.
    """
    file = "model.safetensors"
    sample = golden("longformer-base", "config.json", file)
    yield (
        "safetensors",
        sample,
        [
            *safetensors.headers(sample, file),
            *safetensors.numbers(sample, file),
            *mutation.any_file(sample, file, generator, count),
            *mutation.linked(sample, file, outside / file),
            *mutation.linked(sample, "config.json", outside / "config.json"),
            *configs(sample, generator, 4 * count),
        ],
    )
    file = "tf_model.h5"
    sample = golden("longformer-base", "config.json", file)
    yield (
        "h5",
        sample,
        [
            *hdf5.structures(sample, file, outside / file),
            *mutation.any_file(sample, file, generator, 3 * count),
            *mutation.linked(sample, file, outside / file),
        ],
    )
    folder = "longformer-sharded"
    index = "model.safetensors.index.json"
    sample = golden(
        folder, *(p.name for p in sorted((GOLDEN / folder).iterdir()))
    )
    yield (
        "shards",
        sample,
        [
            *safetensors.shards(sample, outside / "model.safetensors"),
            *mutation.any_file(sample, index, generator, count),
            *mutation.json_document(sample, index),
            *mutation.json_values(sample, index, generator, 2 * count),
        ],
    )


def configs(sample, generator, count):
    file = "config.json"
    numbers = [
        (name, value)
        for name in SIZES
        for value in (10**9, -1, 0, "2", 2.5, None, [2], 10**30, True)
    ]
    others = [
        (name, value)
        for name, value in (
            ("attention_window", 10**9),
            ("attention_window", 10**30),
            ("attention_window", -8),
            ("attention_window", 7),
            ("attention_window", "8"),
            ("attention_window", 8.5),
            ("attention_window", [8, "8"]),
            ("attention_window", [[8], [8]]),
            ("attention_window", []),
            ("attention_window", {}),
            ("attention_window", True),
            ("hidden_dropout_prob", 1e9),
            ("hidden_dropout_prob", float("nan")),
            ("hidden_dropout_prob", "0.1"),
            ("attention_probs_dropout_prob", 1.0),
            ("layer_norm_eps", float("inf")),
            ("layer_norm_eps", float("nan")),
            ("layer_norm_eps", -1.0),
            ("layer_norm_eps", "1e-5"),
            ("pad_token_id", 10**9),
            ("pad_token_id", -1),
            ("pad_token_id", 53),
            ("hidden_act", "__import__('os').system('true')"),
            ("hidden_act", 7),
            ("hidden_act", ["gelu"]),
            ("hidden_act", {"class_name": "Lambda"}),
            ("model_type", "../longformer"),
            ("model_type", 7),
            ("model_type", ["longformer"]),
            ("model_type", None),
            ("id2label", {"0": "a", "10000000000": "b"}),
            ("id2label", 7),
            ("id2label", {"a": "b"}),
            ("quantization_config", {"bits": 4}),
            ("pruned_heads", {"0": [1]}),
            ("attention_dilation", [2, 2]),
            ("attention_dilation", "22"),
        )
    ]
    yield from mutation.json_settings(
        sample, file, numbers, "number in a config"
    )
    yield from mutation.json_settings(sample, file, others, "value in a config")
    unknown = [("architectures", 7), ("architectures", {"a": 1}), ("x", "y")]
    yield from mutation.json_settings(
        sample, file, unknown, "value of no effect", mutation.EITHER
    )
    yield from mutation.json_document(sample, file)
    yield from mutation.json_values(sample, file, generator, count)
    yield from mutation.any_file(sample, file, generator, count // 4)


def model_garden(generator, count, outside):
    """Yields as `checkpoints` does: those of TensorFlow's format."""
    from tests.hostile import tf_checkpoint

    names = ("ckpt-5.data-00000-of-00001", "ckpt-5.index", "params.yaml")
    sample = golden("model_garden/longformer", *names)
    yield (
        "TensorFlow",
        sample,
        [
            *tf_checkpoint.entries(sample, "ckpt-5"),
            *tf_checkpoint.graphs(sample, "ckpt-5", generator, 2 * count),
            *mutation.any_file(sample, names[0], generator, count),
            *mutation.any_file(sample, names[1], generator, 2 * count),
            *mutation.any_file(sample, names[2], generator, 2 * count),
            *mutation.linked(sample, names[1], outside / names[1]),
            *mutation.linked(sample, names[0], outside / names[0]),
            *parameters(sample),
        ],
    )


def parameters(sample):
    """Hostile YAML."""
    file = "params.yaml"
    text = sample[file].decode()
    laughs = "a0: &a0 {x: 1}\n" + "".join(
        f"a{i}: &a{i} {{x: *a{i - 1}, y: *a{i - 1}, z: *a{i - 1}}}\n"
        for i in range(1, 40)
    )
    lists = "b0: &b0 [1]\n" + "".join(
        f"b{i}: &b{i} [*b{i - 1}, *b{i - 1}, *b{i - 1}]\n" for i in range(1, 40)
    )
    for kind, content, want in (
        ("aliases of aliases", laughs + text, EITHER),
        ("aliases of aliases", lists + text, EITHER),
        ("cycle", "a: &a {x: *a}\n" + text, EITHER),
        ("deep YAML", "a: " + "[" * 20_000 + "]" * 20_000 + "\n", REFUSED),
        ("deep YAML", "a: " + "{a: " * 20_000 + "\n", REFUSED),
        ("code", "!!python/object/apply:os.system ['true']\n", REFUSED),
        ("code", text + "\nx: !!python/name:os.system\n", REFUSED),
        ("no object", "7\n", REFUSED),
        ("no object", "- a\n", REFUSED),
        ("no object", "", REFUSED),
        (
            "number",
            text.replace("num_layers: ", "num_layers: 10000000"),
            REFUSED,
        ),
        ("number", "n: " + "9" * 6000 + "\n" + text, EITHER),
        ("duplicate name", text + text, EITHER),
        ("byte-order mark", "\ufeff" + text, EITHER),
        ("not UTF-8", b"\xff\xfe\xff" + text.encode(), REFUSED),
    ):
        content = content.encode() if isinstance(content, str) else content
        yield mutation.changed(sample, file, content, kind, "", want)


def _longformer():
    return golden(
        "longformer-base", "config.json", "model.safetensors", "tf_model.h5"
    )


def _garden():
    names = ("ckpt-5.data-00000-of-00001", "ckpt-5.index", "params.yaml")
    return golden("model_garden/longformer", *names)


def _vocabulary():
    return {"vocab.json": b"{}"}


# Good files that lie outside of what is opened, by source.
OUTSIDE = {
    "checkpoints": (_longformer,),
    "model_garden": (_garden,),
    "tokenizers": (_vocabulary,),
}
