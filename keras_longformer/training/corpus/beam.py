"""Texts become a corpus as an Apache Beam pipeline, on any runner.

For texts beyond one machine; the extra `beam` has the package. Workers need
this package too, and a file system that all of them see: files are opened by
Beam's `FileSystems`, so that `gs://` and its like work where Beam has them.
"""

import itertools
import json
import os
import pathlib
import shutil
import tempfile
import zlib
from collections.abc import Sequence

from keras_longformer.tokenizers.contract import GraphTokenizer
from keras_longformer.training.corpus import records
from keras_longformer.training.corpus import shards
from keras_longformer.training.corpus import sources

try:
    import apache_beam as beam
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions
except ImportError as error:
    raise ImportError(
        "Preparing a corpus by Apache Beam needs it: "
        "pip install 'keras_longformer[beam]'"
    ) from error


class PrepareCorpus(beam.PTransform):
    """From a `PCollection` of paths of files to a corpus in a folder.

    Documents go to shards by a checksum of their place and size, whatever
    workers there are; within a shard they are in no promised order. A shard
    is in one worker's memory.

    Args:
        tokenizer: a `GraphTokenizer`.
        folder: str, where the corpus shall be, on a file system of Beam's.
        num_shards: int.
        text_field: str, see `sources.read_documents`.
        split: str, ditto.

    Returns:
        A `PCollection` of one dict, what `corpus.json` says.

    Example:
    ```
    with beam.Pipeline(options=options) as pipeline:
        pipeline | beam.Create(files) | PrepareCorpus(
            tokenizer, "gs://bucket/corpus", num_shards=1000)
    ```
    """

    def __init__(
        self,
        tokenizer: GraphTokenizer,
        folder: str,
        *,
        num_shards: int,
        text_field: str = "text",
        split: str = "none",
    ):
        super().__init__()
        sources.check_split(split)
        self.tokenizer = PortableTokenizer(shards.corpus_tokenizer(tokenizer))
        self.folder = folder
        self.num_shards = num_shards
        self.reading = {"text_field": text_field, "split": split}

    def expand(self, files):
        read = (
            files
            | "Share files" >> beam.Reshuffle()
            | "Read"
            >> beam.ParDo(_Read(self.num_shards, **self.reading)).with_outputs(
                _Read.LEFT_OUT, main="texts"
            )
        )
        left_out = (
            read[_Read.LEFT_OUT] | "Count" >> beam.combiners.Count.PerElement()
        )
        entries = (
            read["texts"]
            | "Into shards" >> beam.GroupByKey()
            | "Write shards"
            >> beam.ParDo(_WriteShard(self.tokenizer, self.folder))
        )
        return (
            files.pipeline
            | beam.Create([None])
            | "Write corpus.json"
            >> beam.Map(
                _write_manifest,
                self.tokenizer,
                self.folder,
                beam.pvalue.AsList(entries),
                beam.pvalue.AsDict(left_out),
            )
        )


def run(
    paths: str | Sequence[str],
    tokenizer: GraphTokenizer,
    folder: str | os.PathLike,
    *,
    text_field: str = "text",
    split: str = "none",
    shard_tokens: int = 4_000_000,
    options: Sequence[str] | None = None,
) -> None:
    """Prepares a corpus by a pipeline, and waits for its end.

    Args:
        paths: files and patterns that Beam's `FileSystems` knows, and, on
            this machine, folders.
        tokenizer: of the model that is to be trained.
        folder: where the corpus shall be; there must be none.
        text_field: as for `prepare_corpus`.
        split: ditto.
        shard_tokens: int, about how many tokens a shard has on average, at
            four bytes a token (a compressed file counts five times).
        options: list of str, Beam's, such as `["--runner=DirectRunner"]`.

    Raises:
        FileNotFoundError: no files there.
        ValueError: there is a corpus in the folder.
    """
    folder = os.fspath(folder)
    manifest = FileSystems.join(folder, records.MANIFEST)
    if FileSystems.exists(manifest):
        raise ValueError(f"There is a corpus: '{manifest}'. Name another.")
    files, size = _match(paths)
    per_shard = shard_tokens * shards.CHARACTERS_PER_TOKEN
    with beam.Pipeline(options=PipelineOptions(list(options or []))) as pipe:
        _ = (
            pipe
            | beam.Create(files)
            | PrepareCorpus(
                tokenizer,
                folder,
                num_shards=max(1, round(size / per_shard)),
                text_field=text_field,
                split=split,
            )
        )


class PortableTokenizer:
    """A tokenizer that goes to other machines as its config and its files.

    Args:
        tokenizer: a `GraphTokenizer`.
    """

    def __init__(self, tokenizer: GraphTokenizer):
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save_assets(folder)
            self.assets = {
                path.name: path.read_bytes()
                for path in pathlib.Path(folder).iterdir()
            }
        self.kind = type(tokenizer)
        self.config = tokenizer.get_config()

    def make(self) -> GraphTokenizer:
        """Returns the tokenizer, anew."""
        tokenizer = self.kind.from_config(self.config)
        with tempfile.TemporaryDirectory() as folder:
            for name, data in self.assets.items():
                pathlib.Path(folder, name).write_bytes(data)
            tokenizer.load_assets(folder)
        return tokenizer


@beam.typehints.with_output_types(tuple[int, str])
class _Read(beam.DoFn):
    """From a file to pairs of a shard's number and a text."""

    LEFT_OUT = "left out"

    def __init__(self, num_shards, **reading):
        self.num_shards = num_shards
        self.reading = reading

    def process(self, file):
        is_record = sources.is_records(file)
        opened = (
            None
            if is_record
            # `read_documents` decompresses.
            else FileSystems.open(
                file, compression_type=CompressionTypes.UNCOMPRESSED
            )
        )
        documents = sources.read_documents(file, opened=opened, **self.reading)
        for number, document in enumerate(documents):
            reason = shards.reason_against(document.text)
            if reason is not None:
                yield beam.pvalue.TaggedOutput(self.LEFT_OUT, reason)
                continue
            key = zlib.crc32(f"{file} {number}".encode()) % self.num_shards
            yield key, document.text


class _WriteShard(beam.DoFn):
    """Tokenizes a shard's texts and writes it; gives its entry."""

    def __init__(self, tokenizer, folder):
        self.tokenizer = tokenizer
        self.folder = folder

    def setup(self):
        self.made = self.tokenizer.make()

    def process(self, shard):
        index, texts = shard
        with tempfile.TemporaryDirectory() as folder:
            entry = shards.make_shard(folder, index, texts, self.made)
            for path in sorted(pathlib.Path(folder).iterdir()):
                _copy(path, FileSystems.join(self.folder, path.name))
        yield entry


def _copy(path, target):
    """Copies a file to where it shall be, whole or not at all."""
    unfinished = f"{target}.unfinished-{os.urandom(4).hex()}"
    _make_folder(target)
    with (
        open(path, "rb") as file,
        FileSystems.create(
            unfinished, compression_type=CompressionTypes.UNCOMPRESSED
        ) as copy,
    ):
        shutil.copyfileobj(file, copy)
    if FileSystems.exists(target):  # By an attempt that was given up.
        FileSystems.delete([target])
    FileSystems.rename([unfinished], [target])


def _make_folder(target):
    folder = FileSystems.split(target)[0]
    if not FileSystems.exists(folder):
        try:
            FileSystems.mkdirs(folder)
        except OSError:  # Another worker was faster.
            if not FileSystems.exists(folder):
                raise


def _write_manifest(_, tokenizer, folder, entries, left_out):
    if not entries:
        raise ValueError("The texts hold no document that is not empty.")
    entries = sorted(entries, key=lambda entry: entry["name"])
    with tempfile.TemporaryDirectory() as local:
        records.write_manifest(
            local, tokenizer.make(), entries, left_out=left_out
        )
        path = pathlib.Path(local, records.MANIFEST)
        _copy(path, FileSystems.join(folder, records.MANIFEST))
        return json.loads(path.read_text("utf-8"))


def _match(paths):
    """Returns the files of patterns, each once, and about their bytes."""
    paths = [paths] if isinstance(paths, str | os.PathLike) else paths
    patterns = list(
        itertools.chain.from_iterable(
            sources.find_files(path) if os.path.isdir(path) else [path]
            for path in map(os.fspath, paths)
        )
    )
    files = {}
    for pattern, result in zip(
        patterns, FileSystems.match(patterns), strict=True
    ):
        if not result.metadata_list:
            raise FileNotFoundError(f"There is no text at '{pattern}'.")
        for found in result.metadata_list:
            factor = 5 if found.path.lower().endswith(".gz") else 1
            files[found.path] = found.size_in_bytes * factor
    return sorted(files), sum(files.values())
