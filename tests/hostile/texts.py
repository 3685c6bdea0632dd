"""Hostile files of tokenizers: vocabularies, merges and what is beside."""

import io
import json

from tests.hostile import mutation
from tests.hostile.mutation import EITHER
from tests.hostile.mutation import REFUSED
from tests.hostile.mutation import changed
from tests.tokenizers import folders
from tests.tokenizers.word_piece import folders as word_piece

IDS = ("7", 7.5, -1, 10**9, 10**30, True, None, [], {}, float("nan"))


def tokenizers(generator, count, outside):
    """Yields names, good samples and their mutants, as `checkpoints` does."""
    sample = _sample(folders.slow_files())
    yield (
        "byte pairs",
        sample,
        [
            *_ids(sample, "vocab.json"),
            *_any_json(sample, "vocab.json", generator, count),
            *_merges(sample),
            *_any_text(sample, "merges.txt", generator, count),
            *mutation.linked(sample, "vocab.json", outside / "vocab.json"),
            *mutation.linked(sample, "merges.txt", outside / "vocab.json"),
        ],
    )
    file = "tokenizer.json"
    sample = _sample({file: folders.tokenizer_json()})
    yield (
        "tokenizer.json",
        sample,
        [
            *_ids(sample, file, "model", "vocab"),
            *_added(sample, file),
            *_any_json(sample, file, generator, 2 * count),
            *mutation.linked(sample, file, outside / "vocab.json"),
        ],
    )
    sample = _sample(word_piece.slow())
    yield (
        "word pieces",
        sample,
        [
            *_lines(sample, "vocab.txt"),
            *_any_text(sample, "vocab.txt", generator, count),
            *_any_json(sample, "tokenizer_config.json", generator, count),
            *mutation.linked(sample, "vocab.txt", outside / "vocab.json"),
        ],
    )
    file = "sentencepiece.bpe.model"
    config = {"tokenizer_class": "XLMRobertaTokenizer"}
    sample = {file: trained(), **_sample({"tokenizer_config.json": config})}
    yield (
        "SentencePiece",
        sample,
        [
            *_pieces(sample, file),
            *mutation.any_file(sample, file, generator, 2 * count),
            *mutation.linked(sample, file, outside / "vocab.json"),
        ],
    )


def _sample(files):
    return {
        name: (x if isinstance(x, str) else json.dumps(x)).encode()
        for name, x in files.items()
    }


def _any_json(sample, file, generator, count):
    yield from mutation.json_document(sample, file)
    yield from mutation.json_values(sample, file, generator, count)
    yield from mutation.any_file(sample, file, generator, count // 3)


def _any_text(sample, file, generator, count):
    """Bytes of a text with harm, and what no text is."""
    content = sample[file]
    for kind, harmed, want in (
        ("byte-order mark", b"\xef\xbb\xbf" + content, REFUSED),
        ("not UTF-8", b"\xff\xfe" + content, REFUSED),
        ("not UTF-8", content.decode().encode("utf-16"), REFUSED),
        ("empty", b"", REFUSED),
        ("one long line", b"a" * 1_000_000, REFUSED),
        # A token of zeros, beside which the special ones are added.
        ("zero bytes", bytes(len(content)), EITHER),
    ):
        yield changed(sample, file, harmed, kind, "", want)
    yield from mutation.any_file(sample, file, generator, count // 3)


def _ids(sample, file, *path):
    """A vocabulary of other ids."""
    document = json.loads(sample[file])
    owner = document
    for step in path:
        owner = owner[step]
    kept = dict(owner)
    name, other = "ell", "Ġh"
    for value in IDS:
        owner[name] = value
        text = json.dumps(document).encode()
        where = f"{name} = {value!r}"
        yield changed(sample, file, text, "id", where, REFUSED, name)
    owner[name] = kept[other]
    text = json.dumps(document).encode()
    yield changed(sample, file, text, "duplicate id", name, REFUSED, name)
    del owner[name]
    text = json.dumps(document).encode()
    yield changed(sample, file, text, "missing name", name, REFUSED, name)
    owner[name] = kept[name] + 2
    text = json.dumps(document).encode()
    yield changed(sample, file, text, "gap between ids", name, EITHER)
    owner[name] = kept[name]
    twice = json.dumps(document).replace('"ell"', '"ell": 3, "ell"', 1).encode()
    yield changed(sample, file, twice, "duplicate name", name, REFUSED, name)


def _merges(sample):
    file = "merges.txt"
    lines = sample[file].decode().split("\n")
    for kind, line, want in (
        ("merge", "a", REFUSED),
        ("merge", "a b c", REFUSED),
        ("merge", "q w", REFUSED),
        ("merge", "日 本", REFUSED),
        ("merge", "\0 \0", REFUSED),
        ("merge", "  ", REFUSED),
        ("duplicate name", lines[1], EITHER),
    ):
        harmed = "\n".join([*lines[:-1], line, ""]).encode()
        yield changed(sample, file, harmed, kind, repr(line), want)


def _added(sample, file):
    """Added tokens that cannot be."""
    document = json.loads(sample[file])
    kept = document["added_tokens"]
    for field, value in (
        *(("id", value) for value in IDS if value is not True),
        *(("content", value) for value in (7, None, "", [], {})),
        *(("lstrip", value) for value in ("no", 7, None)),
    ):
        token = {**folders.added(folders.NEXT, "[E]"), field: value}
        document["added_tokens"] = [*kept, token]
        text = json.dumps(document).encode()
        where = f"{field} = {value!r}"
        yield changed(sample, file, text, "added token", where, REFUSED)


def _lines(sample, file):
    lines = sample[file].decode().split("\n")
    for kind, harmed, want in (
        # As transformers does, these are added, as the last ones.
        ("missing name", [x for x in lines if x != "[UNK]"], EITHER),
        ("missing name", [x for x in lines if x != "[CLS]"], EITHER),
        ("duplicate name", [*lines[:-1], lines[0], ""], EITHER),
        ("long word", [*lines[:-1], "a" * 20_000, ""], REFUSED),
        ("empty lines", [*lines[:-1], *[""] * 1000], EITHER),
    ):
        text = "\n".join(harmed).encode()
        yield changed(sample, file, text, kind, "", want)


def trained():
    """Returns the bytes of a SentencePiece model of 60 pieces."""
    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["hello good bad day of the fox"] * 20),
        model_writer=written,
        vocab_size=40,
        minloglevel=2,
        hard_vocab_limit=False,
    )
    return written.getvalue()


def _pieces(sample, file):
    """Fields of the message with other values."""
    from sentencepiece import sentencepiece_model_pb2

    def with_change(kind, change, want=REFUSED):
        message = sentencepiece_model_pb2.ModelProto()
        message.ParseFromString(sample[file])
        change(message)
        content = message.SerializePartialToString()
        where = f"{change.__name__} {getattr(change, 'value', '')}"
        return changed(sample, file, content, kind, where, want)

    def no_pieces(message):
        del message.pieces[:]

    def no_unknown(message):
        for piece in message.pieces:
            piece.type = 1

    def twice(message):
        message.pieces.append(message.pieces[-1])

    def empty(message):
        message.pieces[-1].piece = ""

    def nan(message):
        message.pieces[-1].score = float("nan")

    def infinite(message):
        message.pieces[-1].score = float("inf")

    def charsmap(value):
        def change(message):
            message.normalizer_spec.precompiled_charsmap = value

        change.value = value[:8]
        return change

    def kind_of_model(value):
        def change(message):
            message.trainer_spec.model_type = value

        change.value = value
        return change

    def long_piece(message):
        message.pieces[-1].piece = "a" * 100_000

    yield with_change("missing name", no_pieces)
    yield with_change("missing name", no_unknown)
    yield with_change("duplicate name", twice)
    yield with_change("name", empty)
    yield with_change("name", long_piece, EITHER)
    yield with_change("non-finite number", nan)
    yield with_change("non-finite number", infinite)
    for value in (
        b"\xff",
        b"\xff" * 4,
        b"\xff" * 5000,
        b"\x08\0\0\0" + b"\xff" * 8,
        b"\0" * 4,
        bytes(5000),
        b"\0\4\0\0" + b"\x7f\xff\xff\xff" * 256 + b"a\0",
    ):
        yield with_change("declared place", charsmap(value))
    for value in (2, 3, 4):
        yield with_change("kind of model", kind_of_model(value), EITHER)
