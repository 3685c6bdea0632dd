"""Good files that the package writes, and their mutants."""

import json
import pathlib
import zipfile

import numpy as np

from tests.hostile import hdf5
from tests.hostile import mutation
from tests.hostile.mutation import EITHER
from tests.hostile.mutation import REFUSED
from tests.hostile.mutation import changed
from tests.tasks import small


def read_back(folder):
    """Returns a folder's files as a sample."""
    folder = pathlib.Path(folder)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def corpora(generator, count, folder):
    """Yields a good corpus and its mutants. `folder`: an empty one."""
    from keras_longformer.training.corpus import records

    documents = [(np.arange(4, 4 + n), 3 * n) for n in (3, 0, 7)]
    shards = [
        records.write_shard(folder / f"shard-0000{i}.tfrecord", documents)
        for i in range(2)
    ]
    records.write_manifest(folder, small.shared_tokenizer(), shards)
    sample = read_back(folder)
    manifest, shard = "corpus.json", "shard-00000.tfrecord"
    lengths = "shard-00000.lengths.npz"
    yield (
        "corpus",
        sample,
        [
            *_shards(sample, manifest),
            *mutation.json_document(sample, manifest),
            *mutation.json_values(sample, manifest, generator, 2 * count),
            *mutation.any_file(sample, manifest, generator, count // 2),
            *mutation.any_file(sample, shard, generator, count),
            *mutation.any_file(sample, lengths, generator, count),
            *mutation.linked(sample, shard, folder / shard),
            *mutation.linked(sample, lengths, folder / lengths),
            *mutation.linked(sample, manifest, folder / manifest),
            *_pickled(sample, lengths, folder),
        ],
    )


def _shards(sample, file):
    document = json.loads(sample[file])
    kept = document["shards"]
    for field, values in (
        (
            "name",
            (
                *("../x.tfrecord", "/etc/passwd", "", ".", "\0", 7, None, []),
                *("a" * 5000, "shard-00001.tfrecord"),
            ),
        ),
        ("documents", ("3", 3.5, -3, 10**9, None, [], True)),
        ("tokens", ("10", 10.5, -1, 10**30, None)),
        ("bytes", ("1", -1, 10**9, None)),
    ):
        for value in values:
            document["shards"] = [{**kept[0], field: value}, *kept[1:]]
            text = json.dumps(document).encode()
            where = f"{field} = {value!r:.40}"
            yield changed(
                sample, file, text, "value of a shard", where, REFUSED
            )
    for value in (None, {}, "a", 7, [7], [[]], [None]):
        text = json.dumps({**document, "shards": value}).encode()
        yield changed(sample, file, text, "shards", repr(value), REFUSED)


def _pickled(sample, file, folder):
    """Counts that only a pickle would give."""
    path = folder / "pickled.npz"
    np.savez(path, token_ids=np.array([{}, 3, 4], object), characters=[1])
    yield changed(sample, file, path.read_bytes(), "pickle in an array")
    path.unlink()


def records(generator, count, folder):
    """Yields records of Model Garden's and their mutants."""
    import tensorflow as tf

    def example(**features):
        return tf.train.Example(
            features=tf.train.Features(
                feature={
                    name: tf.train.Feature(
                        int64_list=tf.train.Int64List(value=value)
                    )
                    for name, value in features.items()
                }
            )
        ).SerializeToString(deterministic=True)

    def write(*rows):
        path = str(folder / "rows.tfrecord")
        with tf.io.TFRecordWriter(path) as writer:
            for row in rows:
                writer.write(row)
        return pathlib.Path(path).read_bytes()

    good = {
        "input_word_ids": [0, 5, 6, 2, 1, 1],
        "input_mask": [1, 1, 1, 1, 0, 0],
        "input_type_ids": [0] * 6,
        "label_ids": [1],
    }
    file = "rows.tfrecord"
    sample = {file: write(example(**good), example(**good))}

    def harmed(kind, want=REFUSED, **changes):
        rows = [example(**good), example(**{**good, **changes})]
        return changed(sample, file, write(*rows), kind, str(changes), want)

    yield (
        "records",
        sample,
        [
            harmed("misshapen", input_mask=[1]),
            harmed("misshapen", input_word_ids=[]),
            harmed("misshapen", label_ids=[]),
            harmed("misshapen", label_ids=[1, 2]),
            harmed("number", EITHER, input_mask=[2**62] * 6),
            harmed("number", input_word_ids=[2**40] * 6),
            harmed("number", input_word_ids=[-1] * 6),
            changed(sample, file, write(b"\xff" * 30), "no record"),
            changed(sample, file, write(), "no record", "at all"),
            changed(sample, file, write(example(a=[1])), "unknown name"),
            *mutation.any_file(sample, file, generator, 2 * count),
            *mutation.linked(sample, file, folder / "nowhere.tfrecord"),
        ],
    )


def states(generator, count, folder):
    """Yields the state of a training and its mutants."""
    from keras_longformer.training.resume import TrainingStates
    from tests.hostile import attempts

    TrainingStates(folder).save(attempts._trained(), 7, {"epoch": 1})
    sample = read_back(folder)
    facts = "state-000001/facts.json"
    index = "state-000001/variables.index"
    data = "state-000001/variables.data-00000-of-00001"
    yield (
        "state",
        sample,
        [
            *mutation.json_document(sample, facts),
            *mutation.json_values(sample, facts, generator, 2 * count),
            *mutation.any_file(sample, facts, generator, count // 2),
            *mutation.any_file(sample, index, generator, 2 * count),
            *mutation.any_file(sample, data, generator, count),
        ],
    )


def presets(generator, count, folder):
    """Yields a preset and its mutants."""
    small.make_classifier().save_to_preset(str(folder))
    sample = read_back(folder)
    configs = ("config.json", "task.json", "preprocessor.json")
    weights = "model.weights.h5"
    sizes = [
        (name, value)
        for name in (
            "num_layers",
            "hidden_dim",
            "vocabulary_size",
            "intermediate_dim",
            "max_sequence_length",
        )
        for value in (10**9, -1, 0, "2", 2.5)
    ]
    yield (
        "preset",
        sample,
        [
            *(_inside(sample, configs[0], *size) for size in sizes),
            *lambdas(sample, configs),
            *(
                mutant
                for file in (*configs, "tokenizer.json")
                if file in sample
                for mutant in (
                    *mutation.json_document(sample, file),
                    *mutation.json_values(sample, file, generator, count),
                )
            ),
            *hdf5.structures(sample, weights, folder / weights),
            *mutation.any_file(sample, weights, generator, count),
            *mutation.linked(sample, weights, folder / weights),
            *mutation.linked(sample, configs[0], folder / configs[0]),
        ],
    )


def _inside(sample, file, name, value):
    document = json.loads(sample[file])
    document["config"][name] = value
    text = json.dumps(document).encode()
    where = f"{name} = {value!r}"
    return changed(sample, file, text, "number in a config", where, field=name)


def lambdas(sample, files):
    """Layers with code in them, in an object's place.

    A task is made of what `task.json` says: of the others' arguments nothing.
    """
    import keras

    layer = keras.layers.Lambda(lambda x: x, name="code")
    config = keras.saving.serialize_keras_object(layer)
    for file in files:
        text = json.dumps(config).encode()
        want = EITHER if file == "preprocessor.json" else REFUSED
        yield changed(sample, file, text, "code", "a Lambda", want)
        document = json.loads(sample[file])
        document["config"]["dropout"] = config
        text = json.dumps(document).encode()
        want = REFUSED if file == "task.json" else EITHER
        yield changed(sample, file, text, "code", "a Lambda within", want)


def keras_files(generator, count, folder):
    """Yields a `.keras` file and its mutants."""
    model = small.make_backbone()
    model.save(folder / "model.keras")
    sample = read_back(folder)
    file = "model.keras"
    yield (
        "keras",
        sample,
        [
            *mutation.any_file(sample, file, generator, count),
            *(
                changed(sample, file, content, kind, where, want)
                for kind, where, content, want in _archives(folder / file)
            ),
        ],
    )


def _archives(path):
    import io

    import keras

    with zipfile.ZipFile(path) as archive:
        good = {name: archive.read(name) for name in archive.namelist()}

    def packed(files):
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return written.getvalue()

    layer = keras.layers.Lambda(lambda x: x, name="code")
    code = json.dumps(keras.saving.serialize_keras_object(layer)).encode()
    for name in good:
        less = {n: x for n, x in good.items() if n != name}
        want = EITHER if name == "metadata.json" else REFUSED
        yield "missing name", name, packed(less), want
    config = "config.json"
    yield "code", "a Lambda", packed({**good, config: code}), REFUSED
    for content in (b"", b"[1]", b"7", b"{}", b"\xff", b"[" * 100_000):
        harmed = packed({**good, config: content})
        yield "config", repr(content[:9]), harmed, REFUSED
    slip = packed({**good, "../escaped.txt": b"x", "/tmp/escaped.txt": b"x"})
    yield "path in an archive", "", slip, EITHER


def manifests(generator, count, folder):
    """Yields the folder of an export, without a model, and its mutants."""
    from keras_longformer.serving.manifest import describe_files

    version = folder / "1"
    (version / "variables").mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"a model" * 9)
    (version / "variables" / "variables.index").write_bytes(b"an index")
    content = {
        "versions": {"tensorflow": "2.20.0"},
        "signatures": {"serving_default": {"inputs": {}, "outputs": {}}},
        "probe": {"inputs": ["a"], "tolerance": 1e-3},
        "files": describe_files(str(version)),
    }
    (version / "manifest.json").write_text(json.dumps(content))
    sample = read_back(folder)
    file = "1/manifest.json"
    yield (
        "manifest",
        sample,
        [
            *mutation.json_document(sample, file),
            *mutation.json_values(sample, file, generator, 2 * count),
            *mutation.any_file(sample, file, generator, count // 2),
            *mutation.any_file(
                sample, "1/saved_model.pb", generator, count // 2
            ),
            *mutation.linked(sample, "1/saved_model.pb", version / file[2:]),
        ],
    )
