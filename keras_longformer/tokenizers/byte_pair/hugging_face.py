"""The files that Hugging Face keeps a byte-level BPE tokenizer in.

What is read is what `AutoTokenizer` of transformers makes of the folder. Of
what its files can say,

- offsets are as with `trim_offsets` false, whatever they say;
- `errors`, `clean_up_tokenization_spaces` and the decoder's options are of
  `decode`, not of ids;
- `do_lower_case` has no effect in transformers' byte-level BPE, and none here;
- `truncation` and `padding` of `tokenizer.json` are off in transformers unless
  a call asks for them; a preprocessor does both.
"""

from collections.abc import Mapping

from keras_longformer.tokenizers.added_ids import add_tokens
from keras_longformer.tokenizers.byte_pair import refusals
from keras_longformer.tokenizers.byte_pair.special_tokens import END
from keras_longformer.tokenizers.byte_pair.special_tokens import MASK
from keras_longformer.tokenizers.byte_pair.special_tokens import PAD
from keras_longformer.tokenizers.byte_pair.special_tokens import START
from keras_longformer.tokenizers.byte_pair.special_tokens import UNKNOWN
from keras_longformer.tokenizers.byte_pair.vocabulary import NO_VOCABULARY
from keras_longformer.tokenizers.file_parts import as_json
from keras_longformer.tokenizers.file_parts import decoder_tokens
from keras_longformer.tokenizers.file_parts import id_problems
from keras_longformer.tokenizers.file_parts import listed_tokens
from keras_longformer.tokenizers.file_parts import raise_if_any
from keras_longformer.tokenizers.file_parts import side_problems
from keras_longformer.tokenizers.file_parts import special_tokens_map
from keras_longformer.tokenizers.hugging_face import TokenizerFolder
from keras_longformer.tokenizers.hugging_face import read_folder
from keras_longformer.tokenizers.hugging_face import refuse
from keras_longformer.tokenizers.post_processors import RowTokens
from keras_longformer.tokenizers.post_processors import read_post_processor
from keras_longformer.tokenizers.post_processors import write_post_processor
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import check_tokens
from keras_longformer.weights.readers import read_json

# Their name, our tokenizer's attribute.
SPECIAL_TOKENS = (
    ("bos_token", "bos_token"),
    ("eos_token", "eos_token"),
    ("cls_token", "start_token"),
    ("sep_token", "end_token"),
    ("unk_token", "unk_token"),
    ("pad_token", "pad_token"),
    ("mask_token", "mask_token"),
)
# transformers' classes, without "Tokenizer" and "Fast", whose rows, mask and
# special tokens are RoBERTa's where the files do not say otherwise.
ROBERTA = ("Roberta", "Longformer", "Bart", "LED", "Mvp")
ROBERTA_TOKENS = {
    "bos_token": START,
    "eos_token": END,
    "unk_token": UNKNOWN,
    "sep_token": END,
    "pad_token": PAD,
    "cls_token": START,
    "mask_token": MASK,
}
# Those that add nothing of their own to what `tokenizer.json` says.
PLAIN = ("PreTrained", "PreTrainedTokenizer", "TokenizersBackend", "GPT2")
MODEL_TYPES = {
    "roberta": "Roberta",
    "longformer": "Longformer",
    "led": "LED",
    "bart": "Bart",
}


def read_files(files: Mapping[str, str]) -> dict | None:
    """Returns the arguments of a `LongformerTokenizer`.

    Args:
        files: mapping of file name to path.

    Returns:
        Dict of the constructor's arguments, or `None` where these are the
        files of another kind of tokenizer.

    Raises:
        ValueError: a broken file, or all that would change ids and cannot be
            followed.
    """
    folder = read_folder(files)
    model = folder.part("model")
    has_slow_files = {"vocab.json", "merges.txt"} <= set(files)
    if folder.tokenizer is not None:
        if model.get("type", "BPE") != "BPE" or "merges" not in model:
            return None
        vocabulary, merges = model.get("vocab"), _pairs(model["merges"])
        if not isinstance(vocabulary, dict):
            raise ValueError(
                "tokenizer.json: `model.vocab` must be an object from token "
                f"to id, not {vocabulary!r:.100}."
            )
        problems = refusals.text_problems(folder.tokenizer)
        problems += refusals.model_problems(model)
        if has_slow_files:
            problems += _disagreements(files, vocabulary, merges)
    elif has_slow_files:
        vocabulary = read_json(files["vocab.json"])
        merges, problems = _read_merges(files, folder)
    else:
        return None
    raise_if_any(id_problems(vocabulary, ()), NO_VOCABULARY)
    problems += side_problems(folder.config, folder.tokenizer)
    arguments, more = _special(folder, vocabulary)
    problems += more
    problems += refusals.missing_byte_problems(
        vocabulary, model, arguments.get("unk_token")
    )
    prefix, more = _prefix_space(folder)
    problems += more
    refuse(folder.source, problems)
    added = arguments["added_tokens"]
    return {
        "vocabulary": vocabulary | {t.content: t.id for t in added},
        "merges": [f"{left} {right}" for left, right in merges],
        "add_prefix_space": prefix,
        **arguments,
    }


def must_keep_whole(files: Mapping[str, str]) -> bool:
    """Whether `tokenizer.json` takes words of the vocabulary unmerged."""
    if "tokenizer.json" not in files:
        return False
    model = read_json(files["tokenizer.json"]).get("model") or {}
    return bool(model.get("ignore_merges"))


def write_files(tokenizer, max_sequence_length: int) -> dict[str, str]:
    """Returns the text of each file, by its name.

    Args:
        tokenizer: a `LongformerTokenizer`.
        max_sequence_length: int, the most tokens that its model reads.
    """
    added_tokens = tokenizer.added_tokens
    tokens = special_tokens_map(tokenizer, SPECIAL_TOKENS, added_tokens)
    config = tokens | {
        "tokenizer_class": "LongformerTokenizer",
        "model_max_length": max_sequence_length,
        "add_prefix_space": tokenizer.add_prefix_space,
        "errors": "replace",
        "added_tokens_decoder": decoder_tokens(added_tokens),
    }
    files = {
        "vocab.json": as_json(tokenizer.vocabulary),
        # Their reader drops the first line, whatever it says.
        "merges.txt": "\n".join(["#version: 0.2", *tokenizer.merges, ""]),
        "special_tokens_map.json": as_json(tokens),
    }
    # Without `tokenizer.json` rows are RoBERTa's, and the mask is there.
    if tokenizer.row_tokens is not None or "mask_token" not in tokens:
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        names = ["input_ids", "attention_mask"]
        if tokenizer.row_template.token_types is not None:
            names.insert(1, "token_type_ids")
        config["model_input_names"] = names
        files["tokenizer.json"] = as_json(tokenizer_json(tokenizer))
    files["tokenizer_config.json"] = as_json(config)
    return files


def tokenizer_json(tokenizer) -> dict:
    """Returns the content of `tokenizer.json`."""
    byte_level = {"type": "ByteLevel", "trim_offsets": True, "use_regex": True}
    space = {"add_prefix_space": tokenizer.add_prefix_space}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": listed_tokens(tokenizer.added_tokens),
        "normalizer": None,
        "pre_tokenizer": byte_level | space,
        "post_processor": write_post_processor(
            tokenizer.rows, tokenizer.token_to_id
        ),
        "decoder": byte_level | {"add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": tokenizer.unk_token,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": tokenizer.vocabulary,
            "merges": tokenizer.merges,
        },
    }


def _special(folder: TokenizerFolder, vocabulary) -> tuple[dict, list[str]]:
    """Returns the special and added tokens and the rows, as arguments."""
    name, problems = _class_name(folder)
    is_roberta = name in ROBERTA
    roles = dict(folder.special_tokens)
    if is_roberta:
        roles = ROBERTA_TOKENS | roles
    if name is None:  # Nothing says whose it is: what is there of RoBERTa's.
        known = {*vocabulary, *(t.content for t in folder.added_tokens)}
        found = {k: t for k, t in ROBERTA_TOKENS.items() if t in known}
        roles = found | roles
    flags = ()
    if "mask_token" in roles and (is_roberta or name is None):
        mask = roles["mask_token"]  # Their `<mask>` takes the blank before it.
        flags = (AddedToken(mask, -1, lstrip=True, normalized=False),)
    added, more = add_tokens(folder, vocabulary, roles, flags)
    problems += more + check_tokens(added)
    ids = {**vocabulary, **{token.content: token.id for token in added}}
    if folder.tokenizer is not None:
        rows, more = read_post_processor(folder.part("post_processor"), ids)
        problems += more
    else:
        start = roles.get("cls_token", roles.get("bos_token"))
        end = roles.get("sep_token", roles.get("eos_token"))
        rows = RowTokens((start,), (end, end), (end,))
    pad = roles.get("pad_token", _pad_of_model(folder, ids))
    if pad is None:
        problems.append("no pad_token, in no file")
    if rows is None or None in (*rows.start, *rows.end):
        return {"added_tokens": added}, problems or ["no cls_token, sep_token"]
    problems += _row_problems(folder, rows)
    start, end = rows.start[0], rows.end[-1]
    if is_roberta or not _has_token_types(folder):
        rows = RowTokens(rows.start, rows.between, rows.end)
    is_plain = rows == RowTokens((start,), (end, end), (end,))
    arguments = {
        "start_token": start,
        "end_token": end,
        "pad_token": pad,
        "unk_token": roles.get("unk_token"),
        "mask_token": roles.get("mask_token"),
        "bos_token": roles.get("bos_token"),
        "eos_token": roles.get("eos_token"),
        "added_tokens": added,
        "row_tokens": None if is_plain else rows,
    }
    return arguments, problems


def _class_name(folder):
    """Returns whose rules count, `None` for nobody's, and what is unknown."""
    written = folder.tokenizer_class
    if written is None:
        if folder.model_type is None:
            return None, []
        name = MODEL_TYPES.get(folder.model_type)
        if name is None:
            what = f"config.json: model_type {folder.model_type!r} and no"
            return "", [f"{what} tokenizer_class that has a byte-level BPE"]
        return name, []
    name = written.removesuffix("Fast").removesuffix("Tokenizer")
    if name in ROBERTA or (name in PLAIN and folder.tokenizer is not None):
        return name, []
    without = "" if folder.tokenizer is not None else " without tokenizer.json"
    return name, [f"tokenizer_class {written}{without}, of other rules"]


def _row_problems(folder, rows):
    """Returns where a file names other tokens than rows begin and end with."""
    says = {"cls_token": rows.start[0], "sep_token": rows.end[-1]}
    return [
        f"tokenizer_config.json: {name} {folder.special_tokens[name]!r}, where "
        f"the post_processor puts {token!r}"
        for name, token in says.items()
        if folder.special_tokens.get(name, token) != token
    ]


def _has_token_types(folder):
    names = folder.config.get("model_input_names")
    if names is not None:
        return "token_type_ids" in names
    return (folder.tokenizer_class or "").startswith("PreTrained")


def _pad_of_model(folder, ids):
    """Returns the token that `config.json` pads with, where none is named."""
    wanted = folder.model_config.get("pad_token_id")
    return next((token for token, i in ids.items() if i == wanted), None)


def _prefix_space(folder):
    """Returns `add_prefix_space` by transformers' rules."""
    says = folder.config.get("add_prefix_space")
    if folder.tokenizer is None:
        return bool(says), []
    in_tokenizer = refusals.prefix_space(folder.tokenizer)
    if refusals.is_sequence(folder.tokenizer):
        return in_tokenizer, []  # transformers looks into no list.
    nobody = folder.tokenizer_class is None and folder.model_type is None
    if says is None and in_tokenizer and not nobody:
        return False, [
            "tokenizer.json: pre_tokenizer.add_prefix_space true, which "
            "transformers takes for false, because tokenizer_config.json does "
            'not say it. Write "add_prefix_space": true or false there: what '
            "the model was trained with"
        ]
    return in_tokenizer if says is None else bool(says), []


def _disagreements(files, vocabulary, merges):
    """Returns where `vocab.json`, `merges.txt` and `tokenizer.json` differ."""
    other = read_json(files["vocab.json"])
    problems = [
        f"tokenizer.json has {token!r} as {vocabulary.get(token)}, vocab.json "
        f"as {other.get(token)}"
        for token in {**vocabulary, **other}
        if vocabulary.get(token) != other.get(token)
    ]
    lines, _ = _lines_of_merges(files)
    theirs = _pairs([line for line in lines if line])
    if merges != theirs:
        at = next(
            (
                i
                for i, (a, b) in enumerate(zip(merges, theirs, strict=False))
                if a != b
            ),
            min(len(merges), len(theirs)),
        )
        problems.append(
            f"tokenizer.json has {len(merges)} merges, merges.txt "
            f"{len(theirs)}; the first to differ is merge {at}"
        )
    more = len(problems) - 3
    return problems[:3] + ([f"and {more} more of these"] if more > 0 else [])


def _read_merges(files, folder):
    """Returns the merges of `merges.txt` alone, and what transformers loses."""
    lines, has_version = _lines_of_merges(files)
    problems = []
    is_theirs = folder.tokenizer_class or folder.model_type
    if is_theirs and not has_version:
        problems.append(
            "merges.txt: begins with a merge, which transformers drops: it "
            "takes the first line for '#version: 0.2'. Write that before it"
        )
    if is_theirs and lines[-1]:
        problems.append(
            "merges.txt: its last line has no line end, so transformers drops "
            f"the merge {lines[-1]!r}"
        )
    if not any(lines):
        problems.append("merges.txt: it holds no merge")
    return _pairs([line for line in lines if line]), problems


def _lines_of_merges(files):
    path = files["merges.txt"]
    with open(path, encoding="utf-8") as file:
        try:
            lines = file.read().split("\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"'{path}' is not UTF-8: {error}.") from error
    if lines[0].startswith("\ufeff"):
        raise ValueError(
            f"'{path}' begins with a byte-order mark, which its first merge "
            "would have: save it as UTF-8 without one."
        )
    has_version = lines[0].startswith("#version")
    return lines[has_version:], has_version


def _pairs(merges):
    """Newer files hold pairs, older ones strings."""
    if not isinstance(merges, list):
        raise ValueError(f"`merges` must be a list, not {merges!r:.100}.")
    pairs = [tuple(m.split(" ")) if isinstance(m, str) else m for m in merges]
    for number, pair in enumerate(pairs):
        is_pair = isinstance(pair, list | tuple) and len(pair) == 2
        if not is_pair or not all(isinstance(x, str) and x for x in pair):
            raise ValueError(
                f"merge {number}, {merges[number]!r:.100}, is not two tokens "
                "with a blank between them."
            )
    return [tuple(pair) for pair in pairs]
