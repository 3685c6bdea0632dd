"""Reads TensorFlow's object-based checkpoints, running nothing of theirs.

Such a checkpoint, two files or more with one prefix, holds arrays and a graph
of the Python objects that had them: which object was which attribute of which
other. An array stands under one of the paths that lead to it, and which one
depends on what else was saved, so that here it is found by walking.
"""

import os
from collections.abc import Iterator
from functools import partial

import tensorflow as tf

from keras_longformer.weights.bundle import check_bundle
from keras_longformer.weights.files import check_inside
from keras_longformer.weights.formats import as_float32
from keras_longformer.weights.lazy import LazyArray

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "VARIABLE_VALUE"
INDEX = ".index"
# TensorFlow's reader raises Python's own errors too: IndexError for a file that
# ends too early.
UNREADABLE = (tf.errors.OpError, IndexError, RuntimeError, ValueError)


def find_checkpoint(path: str) -> str | None:
    """Returns the prefix of a TensorFlow checkpoint's files.

    Args:
        path: str, the prefix, the name of its `.index` file, or a folder that
            holds one checkpoint, or several of which its file `checkpoint`
            names one.

    Returns:
        str, or `None` where there is no checkpoint.

    Raises:
        ValueError: a folder with several, none of which is named.
    """
    path = os.fspath(path)
    prefix = path.removesuffix(INDEX)
    if os.path.isfile(prefix + INDEX):
        return prefix
    if not os.path.isdir(path):
        return None
    latest = tf.train.latest_checkpoint(path)
    if latest is not None:
        if os.path.dirname(os.path.realpath(latest)) != os.path.realpath(path):
            raise ValueError(
                f"'{os.path.join(path, 'checkpoint')}' names {latest!r}, which "
                "is not in its folder. Name the checkpoint that is meant."
            )
        return latest
    found = sorted(name for name in os.listdir(path) if name.endswith(INDEX))
    if len(found) > 1:
        raise ValueError(
            f"{path!r} holds several checkpoints: {', '.join(found)}. Name one "
            "of them: " + repr(os.path.join(path, found[0])) + "."
        )
    return os.path.join(path, found[0].removesuffix(INDEX)) if found else None


class ObjectGraph:
    """The objects of a checkpoint, each a number, and their arrays.

    Args:
        prefix: str, of its files.

    Raises:
        ValueError: files that cannot be read, or one that names arrays without
            objects.
    """

    root = 0

    def __init__(self, prefix: str):
        # TensorFlow has no public name for this message.
        from google.protobuf.message import DecodeError
        from tensorflow.core.protobuf import trackable_object_graph_pb2

        self.source = prefix
        folder = os.path.dirname(prefix) or "."
        for name in os.listdir(folder):
            if name.startswith(f"{os.path.basename(prefix)}."):
                check_inside(os.path.join(folder, name), folder)
        check_bundle(prefix)
        try:
            self._reader = tf.train.load_checkpoint(prefix)
            self._shapes = self._reader.get_variable_to_shape_map()
        except UNREADABLE as error:
            raise self._broken(error) from error
        if GRAPH not in self._shapes:
            some = ", ".join(sorted(self._shapes)[:3])
            raise ValueError(
                f"'{prefix}' names its arrays without objects ({some}, ...), "
                "as TensorFlow 1 did. Only object-based checkpoints are read "
                "here: convert it with Model Garden's "
                "`official/nlp/tools/tf2_bert_encoder_checkpoint_converter.py`."
            )
        if self._shapes[GRAPH]:
            raise self._broken(f"{GRAPH} has the shape {self._shapes[GRAPH]}")
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        try:
            graph.ParseFromString(self._read(GRAPH))
        except (DecodeError, TypeError) as error:
            raise self._broken(f"{GRAPH}: {error}") from error
        self._nodes = graph.nodes
        self._check()

    def _check(self):
        """Raises `ValueError` where the graph names what is not there."""
        ids = range(len(self._nodes))
        if not ids:
            raise self._broken("its graph is empty")
        for node in self._nodes:
            for child in node.children:
                if child.node_id not in ids:
                    raise self._broken(
                        f"its graph names object {child.node_id} of {len(ids)}"
                    )
            for attribute in node.attributes:
                key = attribute.checkpoint_key
                if attribute.name != VALUE:
                    continue
                if key not in self._shapes or key == GRAPH:
                    raise self._broken(f"its graph names an array {key!r}")

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._nodes)))

    def children(self, node: int) -> dict[str, int]:
        """Returns the objects that are attributes of one, by their names."""
        found = self._nodes[node].children
        return {child.local_name: child.node_id for child in found}

    def walk(self, node: int, path: str) -> int | None:
        """Returns the object at the end of a path, or `None` without one.

        Args:
            node: int, where it begins.
            path: str, names with `/` between them.
        """
        for name in path.split("/"):
            node = self.children(node).get(name)
            if node is None:
                return None
        return node

    def array(self, node: int | None) -> LazyArray | None:
        """Returns the array of an object that is a variable, not read yet."""
        attributes = () if node is None else self._nodes[node].attributes
        for attribute in attributes:
            if attribute.name == VALUE:
                key = attribute.checkpoint_key
                return LazyArray(partial(self._read, key), self._shapes[key])
        return None

    def variables(self, node: int) -> dict[int, str]:
        """Returns all variables below an object, and a path to each."""
        paths, waiting = {node: ""}, [node]
        for known in waiting:
            for name, child in self.children(known).items():
                if child not in paths:
                    paths[child] = f"{paths[known]}/{name}".lstrip("/")
                    waiting.append(child)
        return {i: p for i, p in paths.items() if self.array(i) is not None}

    def _read(self, key):
        try:
            tensor = self._reader.get_tensor(key)
        except UNREADABLE as error:
            raise self._broken(error) from error
        if key == GRAPH:
            return tensor
        array = as_float32(tensor)
        if array.dtype.name != "float32":
            raise ValueError(
                f"'{self.source}' holds {key} in {array.dtype.name}: no weight "
                "of an encoder, or a quantized one, which is not read here."
            )
        return array

    def _broken(self, error):
        return ValueError(
            f"'{self.source}' cannot be read as a TensorFlow checkpoint: "
            f"{error}. A file may be cut short or missing; fetch "
            f"{self.source}.index and {self.source}.data-* again."
        )
