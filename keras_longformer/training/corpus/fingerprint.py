"""What tells one tokenizer from another."""

import hashlib
import json
import pathlib
import tempfile

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
