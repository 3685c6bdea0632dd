"""One long sequence of bytes, and rows cut out of it in the order of a seed."""

import gzip
import pathlib
import zipfile
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_longformer.training.corpus.sources import find_files


def read_stream(
    paths: Sequence[str], byte_ids: np.ndarray, end_id: int
) -> np.ndarray:
    """Returns the bytes of files as ids, one file after the other.

    Files are taken byte for byte, `.gz` and `.zip` (of one file, as enwik8 and
    text8 are handed out) unpacked. Between two files stands `end_id`.

    Args:
        paths: files, patterns and folders.
        byte_ids: int `(256,)`, the id of each byte, -1 where it has none.
        end_id: int, the border between documents.

    Returns:
        uint8 or uint16 `(k,)`. A single file whose bytes are their ids is not
        read but mapped: it may be larger than memory.

    Raises:
        FileNotFoundError: a path without files.
        ValueError: a file with a byte that has no id, or no whole archive.
    """
    files = [pathlib.Path(file) for file in find_files(list(paths))]
    same = np.array_equal(byte_ids, np.arange(256))
    if same and len(files) == 1 and _is_plain(files[0]):
        if files[0].stat().st_size == 0:
            raise ValueError(f"'{files[0]}' is empty.")
        return np.memmap(files[0], np.uint8, "r")
    dtype = np.uint8 if end_id < 256 else np.uint16
    parts = []
    for file in files:
        data = np.frombuffer(_unpacked(file), np.uint8)
        ids = byte_ids[data]
        if ids.size and ids.min() < 0:
            place = int(np.argmin(ids))
            raise ValueError(
                f"'{file}': byte {place:,} is {bytes(data[place : place + 1])},"
                " which is not in the alphabet. Clean the text, or take one "
                "with all bytes."
            )
        parts += [np.array([end_id], dtype), ids.astype(dtype)]
    return np.concatenate(parts[1:])


def _is_plain(file):
    return file.suffix.lower() not in (".gz", ".zip")


def _unpacked(file):
    suffix = file.suffix.lower()
    try:
        if suffix == ".gz":
            return gzip.decompress(file.read_bytes())
        if suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                names = archive.namelist()
                if len(names) != 1:
                    raise ValueError(
                        f"'{file}' must hold one file. It holds {len(names)}."
                    )
                return archive.read(names[0])
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"'{file}' cannot be unpacked: {error}.") from error
    return file.read_bytes()


class StreamBatches:
    """Batches of a long text for a language model.

    An epoch cuts the stream into rows of `length` tokens, from an offset and
    in an order that follow from the seed and the epoch alone; so what comes at
    a step does too, and a run that goes on asks for its step.

    Args:
        token_ids: int `(k,)`, an array, memory-mapped or not; rows are copied
            one batch at a time.
        length: int, the tokens of a row.
        batch_size: int, the rows of a batch.
        seed: int.
        worker, workers: ints, which of how many equal parts of each batch.

    Raises:
        ValueError: fewer tokens than a batch needs, or sizes below 1.
    """

    def __init__(
        self,
        token_ids: np.ndarray,
        length: int,
        batch_size: int,
        seed: int = 0,
        worker: int = 0,
        workers: int = 1,
    ):
        if length < 1 or batch_size < 1:
            raise ValueError(
                "`length` and `batch_size` must be positive. Received: "
                f"length={length}, batch_size={batch_size}"
            )
        self.token_ids = token_ids
        self.length = length
        self.batch_size = batch_size
        self.seed = seed
        if batch_size % workers:
            raise ValueError(
                f"{workers} workers share `batch_size` rows evenly. Received: "
                f"batch_size={batch_size}"
            )
        self.share = batch_size // workers
        self.first_row = worker * self.share
        # One token more, which follows the last; one row less, for the offset.
        rows = (len(token_ids) - 1) // length
        self.rows = rows - 1 if rows > batch_size else rows
        self.steps_per_epoch = self.rows // batch_size
        if self.steps_per_epoch < 1:
            raise ValueError(
                f"A batch of {batch_size} rows of {length} tokens needs "
                f"{batch_size * length + 1} tokens. Received: "
                f"{len(token_ids)}. Take a smaller `length` or `batch_size`."
            )

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns inputs and targets, int32 `(share, length)`."""
        epoch, place = divmod(step, self.steps_per_epoch)
        generator = np.random.default_rng([self.seed, epoch])
        spare = len(self.token_ids) - 1 - self.rows * self.length
        offset = generator.integers(spare + 1)
        order = generator.permutation(self.rows)
        first = place * self.batch_size + self.first_row
        rows = order[first : first + self.share]
        starts = offset + rows * self.length
        each = [self.token_ids[i : i + self.length + 1] for i in starts]
        tokens = np.stack(each).astype(np.int32)
        return tokens[:, :-1], tokens[:, 1:]

    def dataset(self, step: int = 0) -> tf.data.Dataset:
        """Returns the batches from `step` on, without end: dicts of
        `token_ids`, and targets."""

        def batches():
            at = step
            while True:
                inputs, targets = self.batch(at)
                yield {"token_ids": inputs}, targets
                at += 1

        spec = tf.TensorSpec([self.share, self.length], tf.int32)
        dataset = tf.data.Dataset.from_generator(
            batches, output_signature=({"token_ids": spec}, spec)
        )
        return dataset.prefetch(2)
