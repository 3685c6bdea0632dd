"""The files that Hugging Face keeps a byte-level BPE tokenizer in."""

import json
from collections.abc import Mapping

# Their name, our tokenizer's attribute.
SPECIAL_TOKENS = (
    ("bos_token", "start_token"),
    ("eos_token", "end_token"),
    ("cls_token", "start_token"),
    ("sep_token", "end_token"),
    ("unk_token", "unk_token"),
    ("pad_token", "pad_token"),
    ("mask_token", "mask_token"),
)


def read_files(files: Mapping[str, str]) -> dict | None:
    """Returns the arguments of a `LongformerTokenizer`.

    Args:
        files: mapping of file name to path.

    Returns:
        Dict of `vocabulary`, `merges` and `add_prefix_space`, from
        `vocab.json` and `merges.txt` or from `tokenizer.json`, and from
        `tokenizer_config.json`; `None` where these are the files of another
        kind of tokenizer.

    Raises:
        ValueError: a file that is no JSON.
    """
    arguments = {}
    if "tokenizer_config.json" in files:
        config = _read_json(files["tokenizer_config.json"])
        arguments["add_prefix_space"] = bool(
            config.get("add_prefix_space", False)
        )
    if {"vocab.json", "merges.txt"} <= set(files):
        with open(files["merges.txt"], encoding="utf-8") as file:
            lines = file.read().split("\n")
        if lines[0].startswith("#version"):
            lines = lines[1:]
        merges = [line for line in lines if line]
        vocabulary = _read_json(files["vocab.json"])
        return {"vocabulary": vocabulary, "merges": merges, **arguments}
    if "tokenizer.json" not in files:
        return None
    model = _read_json(files["tokenizer.json"]).get("model", {})
    if "merges" not in model:
        return None
    # Newer files hold pairs, older ones strings.
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    return {"vocabulary": model["vocab"], "merges": merges, **arguments}


def write_files(tokenizer, max_sequence_length: int) -> dict[str, str]:
    """Returns the text of each file, by its name.

    Args:
        tokenizer: a `LongformerTokenizer`.
        max_sequence_length: int, the most tokens that its model reads.
    """
    tokens = {
        theirs: str(getattr(tokenizer, ours)) for theirs, ours in SPECIAL_TOKENS
    }
    config = tokens | {
        "tokenizer_class": "LongformerTokenizer",
        "model_max_length": max_sequence_length,
        "add_prefix_space": tokenizer.add_prefix_space,
        "errors": "replace",
    }
    return {
        "vocab.json": _json(tokenizer.vocabulary),
        # Their reader drops the first line, whatever it says.
        "merges.txt": "\n".join(["#version: 0.2", *tokenizer.merges, ""]),
        "special_tokens_map.json": _json(tokens),
        "tokenizer_config.json": _json(config),
    }


def _read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"'{path}' is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"'{path}' must hold a JSON object. "
            f"Received: {type(content).__name__}."
        )
    return content


def _json(content):
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
