"""Kills every writer at random moments and looks at what is there then.

Command:
    python scripts/build/faults.py [--runs 20] [--seed 0] [--writers NAME ...]
        [--folder FOLDER]

Each run forks this process, which has imported all it needs; the fork makes a
tiny model and writes it over the one of the run before, which differs in every
weight. It gets SIGKILL: in every other run at a moment of the whole writing,
tracing included, and in the rest at one after its first file was begun. Then,
before anything is mended, what lies at the path is compared, file by file,
with what a writer that nobody killed has written:

    old whole   it is what was there before the run
    new whole   it is what the run was to write
    half        it is neither: the command ends with code 1
    left, cleared
                folders of files that were not finished, and how many of them
                were gone when the next writer had ended

Prints a table in Markdown.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_LONGFORMER_NATIVE", "off")

import google.protobuf.message
import h5py
import keras
import numpy as np
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.finetune.conversion import convert
from keras_longformer.training.corpus.prepare import prepare_corpus
from keras_longformer.training.resume import TrainingStates

PLACES = ".unfinished-*"
# Keras counts names; what differs by that is the same.
CHANGING = ("date_saved",)


class Writer(NamedTuple):
    """One that is killed.

    Attributes:
        write: function of a path and which of two models, 0 or 1, to write.
        read: function of the path, to what is there, file by file; `None`
            where nothing is. The same for equal models.
    """

    write: Callable
    read: Callable


def tokenizer():
    """All bytes as letters are written, and no merges."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    letters = [chr(byte) for byte in visible]
    letters += [chr(256 + i) for i in range(len(hidden))]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *letters, "<mask>"]
    return klf.LongformerTokenizer({t: i for i, t in enumerate(tokens)}, [])


def classifier(which):
    """A tiny model whose weights are all `which + 1` hundredths."""
    own = tokenizer()
    backbone = klf.LongformerBackbone(
        vocabulary_size=own.vocabulary_size(),
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=24,
        window_size=8,
        max_sequence_length=64,
        max_global_tokens=1,
        pooler=False,
        name="backbone",
    )
    preprocessor = klf.LongformerTextClassifierPreprocessor(
        own, sequence_length=64
    )
    model = klf.LongformerTextClassifier(
        backbone, num_classes=2, preprocessor=preprocessor, name="classifier"
    )
    for weight in model.weights:
        weight.assign(np.full(weight.shape, (which + 1) / 100, "float32"))
    return model


def export(path, which):
    klf.export_saved_model(
        classifier(which), path, buckets=[64], batch_sizes=[1]
    )


def export_portable(path, which):
    os.makedirs(path, exist_ok=True)
    # Its backbone: without a tokenizer it is one file.
    classifier(which).backbone.export(
        os.path.join(path, "model.onnx"), format="onnx", verbose=False
    )


def save_hugging_face(path, which):
    klf.save_hugging_face(classifier(which), path)


def save_model_garden(path, which):
    model = classifier(which)
    klf.save_model_garden(
        model.backbone,
        path,
        quirks=["epsilon", "approximate_gelu"],
        tokenizer=model.preprocessor.tokenizer,
    )


def save_to_preset(path, which):
    classifier(which).save_to_preset(path)


def convert_preset(path, which):
    """Into a new folder, as it is asked for: the old one is put away."""
    source = f"{path}-source-{which}"
    if os.path.isdir(path):
        shutil.rmtree(path)
    convert(source, path)


def save_state(path, which):
    model = classifier(which)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    TrainingStates(path).save(model, which, {"which": which})


def prepare(path, which):
    texts = f"{path}-texts"
    if os.path.isfile(os.path.join(path, "corpus.json")):
        shutil.rmtree(path)  # It was finished: begin again.
    prepare_corpus(texts, tokenizer(), path, shard_tokens=4000, progress=False)


def files(path):
    """Digests of all files of a folder that are not in a place."""
    found = {
        str(file.relative_to(path)): digest(file)
        for file in pathlib.Path(path).rglob("*")
        if file.is_file() and not is_unfinished(file)
    }
    return found or None


def is_unfinished(file):
    return any(part.startswith(PLACES[:-1]) for part in file.parts)


def digest(file):
    if file.name.endswith(".h5"):
        return arrays_digest(file)
    content = file.read_bytes()
    if file.name == "metadata.json":
        content = json.loads(content)
        content = repr({k: content[k] for k in content if k not in CHANGING})
        content = content.encode()
    return hashlib.sha256(content).hexdigest()


def arrays_digest(file):
    """Of what an HDF5 file holds: when it was made is no part of that."""
    found = hashlib.sha256()

    def add(name, item):
        found.update(name.encode())
        if isinstance(item, h5py.Dataset):
            found.update(item[()].tobytes())

    with h5py.File(file) as opened:
        opened.visititems(add)
    return found.hexdigest()


def newest_version(path):
    """The newest version, and whether all are what their manifests say."""
    newest = None
    for number in sorted(int(n) for n in os.listdir(path) if n.isdigit()):
        folder = os.path.join(path, str(number))
        with open(os.path.join(folder, "manifest.json"), "rb") as file:
            manifest = json.load(file)
        found = files(folder)
        del found["manifest.json"]
        said = {n: x["sha256"] for n, x in manifest["files"].items()}
        if found != said:
            raise ValueError(f"{folder}: not what its manifest says")
        newest = which_model(os.path.join(folder, "variables", "variables"))
    return newest


def which_model(checkpoint):
    """Reads all arrays of a checkpoint, whose bytes differ each time."""
    reader = tf.train.load_checkpoint(checkpoint)
    shapes = reader.get_variable_to_shape_map()
    found = set()
    for name in shapes:
        values = np.asarray(reader.get_tensor(name))
        for which in (0, 1):
            if values.dtype == np.float32 and values.size:
                if np.all(values == np.float32((which + 1) / 100)):
                    found.add(which)
    if len(found) != 1:
        raise ValueError(f"'{checkpoint}' is of the models {sorted(found)}")
    return found.pop()


def portable_model(path):
    """Which model an ONNX file is of, and a digest of its operations.

    Bytes and names of constants differ each time.
    """
    import onnx

    file = os.path.join(path, "model.onnx")
    if not os.path.isfile(file):
        return None
    try:
        model = onnx.load(file)
        onnx.checker.check_model(model)
    except (google.protobuf.message.Error, onnx.checker.ValidationError) as e:
        raise ValueError(f"{file} is not whole") from e
    operations = sorted(node.op_type for node in model.graph.node)
    arrays = map(onnx.numpy_helper.to_array, model.graph.initializer)
    found = {
        which
        for array in arrays
        for which in (0, 1)
        if array.dtype == np.float32 and array.size > 1
        if np.all(array == np.float32((which + 1) / 100))
    }
    return found, hashlib.sha256(repr(operations).encode()).hexdigest()


def newest_state(path):
    """Of the newest state what model it is; all must be whole."""
    newest = None
    for folder in TrainingStates(path).found()[::-1]:
        facts = json.loads((folder / "facts.json").read_text())
        for name, size in facts["bytes of files"].items():
            if (folder / name).stat().st_size != size:
                raise ValueError(f"{folder / name} is not whole")
        if which_model(str(folder / "variables")) != facts["which"]:
            raise ValueError(f"{folder} has not the weights it says")
        newest = facts["which"]
    return newest


WRITERS = {
    "export_saved_model": Writer(export, newest_version),
    "export(format='onnx')": Writer(export_portable, portable_model),
    "save_hugging_face": Writer(save_hugging_face, files),
    "save_model_garden": Writer(save_model_garden, files),
    "save_to_preset": Writer(save_to_preset, files),
    "convert": Writer(convert_preset, files),
    "training states": Writer(save_state, newest_state),
    "prepare_corpus": Writer(prepare, files),
}


def forked(write, path, which):
    """Starts a writer in a process of its own; returns its number."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        with open(f"{path}.log", "a", encoding="utf-8") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            write(path, which)
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def whole(write, path, which):
    """Lets a writer end; returns its seconds, and those of its places."""
    begin, first, last = time.monotonic(), None, 0.0
    pid = forked(write, path, which)
    while True:
        now = time.monotonic() - begin
        if places(path):
            first, last = first or now, now
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        time.sleep(0.001)
    if status:
        raise RuntimeError(f"A writer failed: see '{path}.log'.")
    return now, last - (first or last)


def places(path):
    """What is not finished, in the path's folder or beside it."""
    path = pathlib.Path(path)
    return {*path.glob(PLACES), *path.parent.glob(PLACES)}


def killed(write, path, which, wait, after_first):
    """Kills a writer; returns whether it had not ended before."""
    pid = forked(write, path, which)
    while after_first and not places(path):
        done, _ = os.waitpid(pid, os.WNOHANG)
        if done:
            return False
        time.sleep(0.0005)
    time.sleep(wait)
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def run(name, folder, runs, generator):
    """Returns a row of the table, as a dict."""
    writer = WRITERS[name]
    own = pathlib.Path(folder) / "".join(
        c if c.isalnum() else "_" for c in name
    )
    own.mkdir()
    path = str(own / "target")
    prepare_sources(name, path)
    references = []
    for which in (0, 1):
        other = str(own / f"reference-{which}" / "target")
        os.makedirs(os.path.dirname(other))
        prepare_sources(name, other)
        longest = whole(writer.write, other, which)
        references.append(writer.read(other))
    if name != "prepare_corpus":
        whole(writer.write, path, 0)
    row = dict.fromkeys(
        ("runs", "killed", "old whole", "new whole", "half", "left", "cleared"),
        0,
    )
    there, left = 0, set()
    for number in range(runs):
        after_first = number % 2 == 1
        wait = generator.random() * longest[after_first]
        before = left
        row["runs"] += 1
        row["killed"] += killed(
            writer.write, path, 1 - there, wait, after_first
        )
        left = places(path)
        row["cleared"] += len(before - left)
        row["left"] += len(left - before)
        outcome = judge(writer, path, references, there)
        row[outcome] += 1
        if outcome == "half":
            shutil.copytree(own, f"{own}-half-{number}", symlinks=True)
        if outcome == "new whole":
            there = 1 - there
    whole(writer.write, path, 1 - there)
    row["cleared"] += len(left - places(path))
    return row


def judge(writer, path, references, there):
    """Says which of old and new is there, or `"half"`."""
    try:
        now = writer.read(path) if os.path.isdir(path) else None
    except (OSError, ValueError, KeyError, StopIteration):
        return "half"
    if writer.write is prepare:
        return judge_corpus(now or {}, references[0])
    if writer.write is convert_preset and now is None:
        return "old whole"  # There was none.
    if now == references[1 - there]:
        return "new whole"
    return "old whole" if now == references[there] else "half"


def judge_corpus(now, finished):
    """Old are the shards that are finished, each with its lengths."""
    now = {name: x for name, x in now.items() if name != "lock"}
    if any(finished.get(name) != x for name, x in now.items()):
        return "half"
    lacking = [
        name
        for name in now
        if name.endswith(".tfrecord")
        and name.replace(".tfrecord", ".lengths.npz") not in now
    ]
    if lacking:
        return "half"
    return "new whole" if now == finished else "old whole"


def prepare_sources(name, path):
    """Makes what a writer reads."""
    if name == "convert":
        for which in (0, 1):
            whole(save_to_preset, f"{path}-source-{which}", which)
    if name == "prepare_corpus":
        texts = pathlib.Path(f"{path}-texts")
        texts.mkdir()
        for number in range(40):
            words = f"text {number} " * 300
            (texts / f"{number:02}.txt").write_text(words)


def table(rows):
    """Returns Markdown."""
    total = {k: sum(row[k] for row in rows.values()) for k in HEAD}
    lines = [
        "| writer | " + " | ".join(HEAD) + " |",
        "|---|" + "---:|" * len(HEAD),
    ]
    for name, row in {**rows, "**all**": total}.items():
        lines.append(f"| {name} | " + " | ".join(str(row[k]) for k in HEAD))
        lines[-1] += " |"
    return "\n".join(lines)


HEAD = ("runs", "killed", "old whole", "new whole", "half", "left", "cleared")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--writers", nargs="+", choices=list(WRITERS))
    parser.add_argument("--folder", help="where to write; kept")
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)
    generator = random.Random(options.seed)
    rows = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or temporary
        os.makedirs(folder, exist_ok=True)
        for name in options.writers or WRITERS:
            rows[name] = run(name, folder, options.runs, generator)
            print(name, rows[name], file=sys.stderr, flush=True)
    print(table(rows))
    if any(
        row["half"] or row["left"] != row["cleared"] for row in rows.values()
    ):
        sys.exit(1)


if __name__ == "__main__":
    main()
