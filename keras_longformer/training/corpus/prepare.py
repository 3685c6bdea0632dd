"""Texts become a corpus: on one machine, by several processes."""

import collections
import concurrent.futures
import errno
import json
import multiprocessing
import os
import pathlib
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection

import tensorflow as tf

from keras_longformer.tokenizers.contract import GraphTokenizer
from keras_longformer.training.corpus import shards
from keras_longformer.training.corpus import sources
from keras_longformer.training.corpus.fingerprint import files_fingerprint
from keras_longformer.training.corpus.fingerprint import tokenizer_fingerprint
from keras_longformer.training.corpus.records import MANIFEST
from keras_longformer.training.corpus.records import Corpus
from keras_longformer.training.corpus.records import shard_facts
from keras_longformer.training.corpus.records import write_manifest
from keras_longformer.training.lock import owned
from keras_longformer.training.progress import Progress
from keras_longformer.unfinished import write_text

PREPARATION = "preparation.json"


def prepare_corpus(
    paths: str | os.PathLike | Sequence[str | os.PathLike],
    tokenizer: GraphTokenizer,
    folder: str | os.PathLike,
    *,
    text_field: str = "text",
    split: str = "none",
    shard_tokens: int = 4_000_000,
    processes: int = 1,
    progress: bool = True,
) -> Corpus:
    """Tokenizes documents, once, into the shards of a corpus.

    Interrupted, even by SIGKILL, and called again, it keeps the shards that
    are finished. What the shards hold does not depend on `processes`.

    This process reads, in order, and others tokenize, so that one large file
    is shared among them as many small ones are. They are spawned: a script
    that asks for more than one needs `if __name__ == "__main__":`. Memory:
    for each process a TensorFlow and two shards' texts.

    Args:
        paths: files, patterns and folders: see `sources.find_files`.
        tokenizer: of the model that is to be trained.
        folder: the corpus, made if it is not there.
        text_field: str, the field of JSON lines, or the feature of TFRecords'
            Examples, that has the text.
        split: which documents a text file holds: `"none"` one, `"lines"` one
            a line, `"blank_lines"` those between blank lines.
        shard_tokens: int, about how many tokens a shard has, at four
            characters a token.
        processes: int, how many tokenize; 1: this one.
        progress: whether to write to stderr how far it is.

    Returns:
        The `Corpus`. Documents that are empty or no Unicode are left out,
        counted in its `facts["left_out"]` and said on stderr.

    Raises:
        FileNotFoundError: no texts there.
        ValueError: texts that cannot be read, by file and line, or a folder
            with the corpus of other texts or options.
        OSError: the disk is full.

    Example:
    ```python
    corpus = prepare_corpus(["books", "news.jsonl.gz"], tokenizer, "corpus")
    ```
    """
    for name, value in (
        ("shard_tokens", shard_tokens),
        ("processes", processes),
    ):
        if value < 1:
            raise ValueError(
                f"`{name}` must be 1 or more. Received: {name}={value}"
            )
    sources.check_split(split)
    files = sources.find_files(paths)
    tokenizer = shards.corpus_tokenizer(tokenizer)
    folder = pathlib.Path(folder)
    made = {
        "files": _files_fingerprint(files),
        "tokenizer": tokenizer_fingerprint(tokenizer),
        "text_field": text_field,
        "split": split,
        "shard_tokens": shard_tokens,
    }
    with owned(str(folder / "lock")):
        _check_same(folder, made)
        if (folder / MANIFEST).is_file():
            return Corpus.open(folder)
        write_text(folder / PREPARATION, json.dumps(made, indent=1))
        try:
            left_out = _make_shards(
                files, tokenizer, folder, made, processes, progress
            )
        except (OSError, tf.errors.ResourceExhaustedError) as error:
            if not _is_full(error):
                raise
            raise OSError(
                errno.ENOSPC,
                f"There is no room left on the disk of '{folder}'. Make some "
                "and start again: the shards that are finished are kept",
            ) from error
    for line in left_out.lines():
        print(line, file=sys.stderr, flush=True)
    return Corpus.open(folder)


def _make_shards(files, tokenizer, folder, made, processes, progress):
    left_out = shards.LeftOut()
    position = _Position(files)
    groups = shards.group_documents(
        position.texts(left_out, made["text_field"], made["split"]),
        made["shard_tokens"],
    )
    entries = {}
    with Progress("Preparing, bytes", position.total) as bar:

        def finished(index, entry, where):
            entries[index] = entry
            tokens = sum(entry["tokens"] for entry in entries.values())
            bar.note = f"{len(entries)} shards, {tokens:,} tokens"
            if progress:
                bar(max(where - bar.done, 0))

        with _workers(processes, tokenizer, folder) as submit:
            pending = collections.deque()
            for index, texts in enumerate(groups):
                path = folder / shards.shard_name(index)
                if path.is_file():  # Written whole, before.
                    entries[index] = shard_facts(path)
                    bar.done = bar.before = position.now
                    continue
                pending.append((index, submit(index, texts), position.now))
                # The next shard is read while the others are made.
                while len(pending) > processes - (processes == 1):
                    index, future, where = pending.popleft()
                    finished(index, future.result(), where)
            for index, future, where in pending:
                finished(index, future.result(), where)
    if not entries:
        raise ValueError(
            "The texts hold no document that is not empty.\n"
            + "\n".join(left_out.lines())
        )
    write_manifest(
        folder,
        tokenizer,
        [entries[index] for index in sorted(entries)],
        left_out=left_out.counts,
    )
    return left_out


class _Position:
    """Reads files and knows how many bytes of them are behind."""

    def __init__(self, files):
        self.sizes = {file: os.path.getsize(file) for file in files}
        self.total = sum(self.sizes.values())
        self.now = 0

    def texts(self, left_out, text_field, split):
        before = 0
        for file, size in self.sizes.items():
            with open(file, "rb") as raw:
                for document in sources.read_documents(
                    file, text_field=text_field, split=split, opened=raw
                ):
                    if not raw.closed:
                        self.now = before + raw.tell()
                    if not left_out.takes(document):
                        yield document.text
            before += size
            self.now = before


class _workers:
    """What submits shards to processes, or makes them in this one."""

    def __init__(self, processes, tokenizer, folder):
        self.processes = processes
        self.tokenizer = tokenizer
        self.folder = folder

    def __enter__(self):
        if self.processes == 1:
            return self._here
        self.assets = tempfile.TemporaryDirectory()
        self.tokenizer.save_assets(self.assets.name)
        self.pool = concurrent.futures.ProcessPoolExecutor(
            self.processes,
            multiprocessing.get_context("spawn"),
            _begin,
            (
                type(self.tokenizer),
                self.tokenizer.get_config(),
                self.assets.name,
                str(self.folder),
            ),
        )
        return lambda index, texts: self.pool.submit(_make, index, texts)

    def __exit__(self, kind, error, trace):
        if self.processes == 1:
            return
        self.pool.shutdown(cancel_futures=True)
        self.assets.cleanup()
        if kind is not None and issubclass(kind, BrokenProcessPool):
            raise RuntimeError(
                "A process that tokenizes ended before its time, of too little "
                "memory or because it was killed. Start again, with fewer "
                "`processes` or smaller shards: finished shards are kept. (A "
                'script needs `if __name__ == "__main__":`.)'
            ) from error

    def _here(self, index, texts):
        future = concurrent.futures.Future()
        future.set_result(
            shards.make_shard(self.folder, index, texts, self.tokenizer)
        )
        return future


_worker = {}


def _begin(kind, config, assets, folder):
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # As many processes as cores: threads of one would stand in others' way.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tokenizer = kind.from_config(config)
    tokenizer.load_assets(assets)
    _worker.update(tokenizer=tokenizer, folder=folder)


def _end_with_parent():
    """A parent that is killed cannot say so, and its pool would wait."""
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _make(index, texts):
    return shards.make_shard(
        _worker["folder"], index, texts, _worker["tokenizer"]
    )


def _files_fingerprint(files):
    return f"{len(files)} files, {files_fingerprint(files)}"


def _check_same(folder, made):
    path = folder / PREPARATION
    if not path.is_file():
        if (folder / MANIFEST).is_file() or any(folder.glob("shard-*")):
            raise ValueError(
                f"'{folder}' has shards that were not made here: there is no "
                f"{PREPARATION}. Name another folder."
            )
        return
    before = json.loads(path.read_text("utf-8"))
    changed = [
        f"{name}: {before.get(name)!r}, now {value!r}"
        for name, value in made.items()
        if before.get(name) != value
    ]
    if changed:
        raise ValueError(
            f"'{folder}' was begun with other texts or options. Name another "
            "folder, or delete this one.\n  " + "\n  ".join(changed)
        )


def _is_full(error):
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return "space" in str(error).lower()
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
