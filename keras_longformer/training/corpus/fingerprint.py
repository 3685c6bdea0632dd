"""What tells one tokenizer, or some files, from others."""

import hashlib
import json
import os
import pathlib
import tempfile
from collections.abc import Sequence

# Of a tokenizer's config, what does not change the ids of a text.
_IRRELEVANT = (
    "name",
    "trainable",
    "dtype",
    "config_file",
    "sequence_length",
    "max_text_bytes",
    "row_tokens",
)
# Of a file, so much at its begin, in its middle and at its end.
_SAMPLE = 2**22


def files_fingerprint(files: Sequence[str]) -> str:
    """Returns 16 hex digits that follow from files' names and contents.

    Of files above 12 MiB: from their sizes, and three samples of 4 MiB.

    Args:
        files: paths, whose folders do not count.
    """
    digest = hashlib.sha256()
    for path in files:
        size = os.path.getsize(path)
        digest.update(json.dumps([os.path.basename(path), size]).encode())
        with open(path, "rb") as file:
            if size <= 3 * _SAMPLE:
                digest.update(file.read())
                continue
            for begin in (0, (size - _SAMPLE) // 2, size - _SAMPLE):
                file.seek(begin)
                digest.update(file.read(_SAMPLE))
    return digest.hexdigest()[:16]


def tokenizer_fingerprint(tokenizer) -> str:
    """Returns 16 hex digits that follow from what ids it gives to texts.

    Args:
        tokenizer: a `GraphTokenizer`.
    """
    config = tokenizer.get_config()
    facts = {k: x for k, x in config.items() if k not in _IRRELEVANT}
    digest = hashlib.sha256(type(tokenizer).__name__.encode())
    digest.update(json.dumps(facts, sort_keys=True).encode())
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_assets(folder)
        for path in sorted(pathlib.Path(folder).iterdir()):
            data = path.read_bytes()
            if path.suffix == ".json":  # In whatever order it was read.
                data = json.dumps(json.loads(data), sort_keys=True).encode()
            digest.update(path.name.encode() + data)
    return digest.hexdigest()[:16]
