"""The files that Hugging Face keeps a WordPiece tokenizer in.

What is read is what `BertTokenizerFast` of transformers makes of the folder;
where its slow tokenizer would give other ids, the folder is refused. Of what
the files can say, `clean_up_tokenization_spaces` and the decoder's options are
of `decode`, not of ids, and `truncation` and `padding` of `tokenizer.json` are
off in transformers unless a call asks for them.
"""

from collections.abc import Mapping

from keras_longformer.tokenizers.added_ids import add_tokens
from keras_longformer.tokenizers.file_parts import CONFIG
from keras_longformer.tokenizers.file_parts import FILE
from keras_longformer.tokenizers.file_parts import as_json
from keras_longformer.tokenizers.file_parts import decoder_tokens
from keras_longformer.tokenizers.file_parts import flat_parts
from keras_longformer.tokenizers.file_parts import listed_tokens
from keras_longformer.tokenizers.file_parts import shown_part
from keras_longformer.tokenizers.file_parts import side_problems
from keras_longformer.tokenizers.file_parts import special_tokens_map
from keras_longformer.tokenizers.hugging_face import TokenizerFolder
from keras_longformer.tokenizers.hugging_face import read_folder
from keras_longformer.tokenizers.hugging_face import refuse
from keras_longformer.tokenizers.post_processors import RowTokens
from keras_longformer.tokenizers.post_processors import read_post_processor
from keras_longformer.tokenizers.post_processors import write_post_processor
from keras_longformer.tokenizers.special_tokens import NO_ID
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import check_tokens
from keras_longformer.tokenizers.word_piece.vocabulary import read_tokens

# Their name, our tokenizer's attribute, BERT's token.
SPECIAL_TOKENS = (
    ("unk_token", "unk_token", "[UNK]"),
    ("sep_token", "end_token", "[SEP]"),
    ("pad_token", "pad_token", "[PAD]"),
    ("cls_token", "start_token", "[CLS]"),
    ("mask_token", "mask_token", "[MASK]"),
    ("bos_token", "bos_token", None),
    ("eos_token", "eos_token", None),
)
# transformers' classes, without "Tokenizer" and "Fast", that are BERT's under
# another name, and those that add nothing to what `tokenizer.json` says.
BERT = ("Bert", "DistilBert", "Electra", "MobileBert", "ConvBert", "LayoutLM")
PLAIN = ("PreTrained", "PreTrainedTokenizer", "TokenizersBackend", "Longformer")
WITHOUT_TOKEN_TYPES = ("DistilBert",)
# Their option, `tokenizer.json`'s, ours, and what it is without a word.
OPTIONS = (
    ("do_lower_case", "lowercase", "lowercase", True),
    ("strip_accents", "strip_accents", "strip_accents", None),
    ("tokenize_chinese_chars", "handle_chinese_chars", "split_on_cjk", True),
)
# What KerasHub's BertTokenizer does without a word.
KERAS_HUB = {"lowercase": False, "strip_accents": False, "split_on_cjk": True}


def read_files(files: Mapping[str, str]) -> dict | None:
    """Returns the arguments of a `LongformerWordPieceTokenizer`.

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
    if folder.tokenizer is not None and model:
        if model.get("type", "WordPiece") != "WordPiece" or "merges" in model:
            return None
        vocabulary = model["vocab"]
        if not isinstance(vocabulary, dict):
            return None  # A list, with scores: a unigram model's.
    else:
        path = folder.path("vocab.txt", "vocabulary.txt")
        if path is None:
            return None
        vocabulary = read_tokens(path)
    name, problems = _class_name(folder)
    problems += side_problems(folder.config, folder.tokenizer)
    options, more = _options(folder, name in BERT)
    problems += more
    arguments, more = _special(folder, vocabulary, name)
    problems += more
    if model:
        problems += _text_problems(folder.tokenizer)
        options |= {
            "suffix_indicator": model.get("continuing_subword_prefix", "##"),
            "max_word_characters": model.get("max_input_chars_per_word", 100),
        }
        problems += _disagreements(folder, vocabulary)
        if model.get("unk_token", "[UNK]") != arguments["unk_token"]:
            problems.append(
                f"{FILE}: model.unk_token {model.get('unk_token')!r}, where "
                f"unk_token is {arguments['unk_token']!r}"
            )
    else:
        problems += _slow_problems(folder, arguments)
    refuse(folder.source, problems)
    added = {t.content: t.id for t in arguments["added_tokens"]}
    return {"vocabulary": vocabulary | added, **options, **arguments}


def write_files(tokenizer, max_sequence_length: int) -> dict[str, str]:
    """Returns the text of each file, by its name.

    Args:
        tokenizer: a `LongformerWordPieceTokenizer`.
        max_sequence_length: int, the most tokens that its model reads.
    """
    added_tokens = tokenizer.added_tokens
    tokens = special_tokens_map(tokenizer, SPECIAL_TOKENS, added_tokens)
    names = ["input_ids", "attention_mask"]
    if tokenizer.row_template.token_types is not None:
        names.insert(1, "token_type_ids")
    config = tokens | {
        "tokenizer_class": "BertTokenizer",
        "model_max_length": max_sequence_length,
        "model_input_names": names,
        "added_tokens_decoder": decoder_tokens(added_tokens),
    }
    config |= {
        theirs: getattr(tokenizer, ours) for theirs, _, ours, _ in OPTIONS
    }
    if tokenizer.mask_token is None:  # Or it would be "[MASK]".
        config["mask_token"] = None
    files = {
        "special_tokens_map.json": as_json(tokens),
        "tokenizer.json": as_json(tokenizer_json(tokenizer)),
        "tokenizer_config.json": as_json(config),
    }
    lines = tokenizer.get_vocabulary()
    if len(lines) == tokenizer.vocabulary_size():  # A line for every id.
        files["vocab.txt"] = "".join(f"{token}\n" for token in lines)
    return files


def tokenizer_json(tokenizer) -> dict:
    """Returns the content of `tokenizer.json`."""
    normalizer = {
        theirs: getattr(tokenizer, ours) for _, theirs, ours, _ in OPTIONS
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": listed_tokens(tokenizer.added_tokens),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": tokenizer.clean_text,
            **normalizer,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": write_post_processor(
            tokenizer.rows, tokenizer.token_to_id
        ),
        "decoder": {
            "type": "WordPiece",
            "prefix": tokenizer.suffix_indicator,
            "cleanup": True,
        },
        "model": {
            "type": "WordPiece",
            "unk_token": tokenizer.unk_token,
            "continuing_subword_prefix": tokenizer.suffix_indicator,
            "max_input_chars_per_word": tokenizer.max_word_characters,
            "vocab": tokenizer.vocabulary,
        },
    }


def _class_name(folder: TokenizerFolder) -> tuple[str | None, list[str]]:
    """Returns whose rules count, `None` for nobody's, and what is unknown."""
    written = folder.tokenizer_class
    if written is None:
        # Without `tokenizer.json` there is no other class that opens them.
        is_bert = folder.model_type in {name.lower() for name in BERT}
        return "Bert" if is_bert or folder.tokenizer is None else None, []
    name = written.removesuffix("Fast").removesuffix("Tokenizer")
    if name in BERT or (name in PLAIN and folder.tokenizer is not None):
        return name, []
    without = "" if folder.tokenizer is not None else f" without {FILE}"
    return name, [f"tokenizer_class {written}{without}, of other rules"]


def _options(folder, is_bert) -> tuple[dict, list[str]]:
    """Returns the normalizer's options, and where files do not agree."""
    config = folder.config
    normalizers = flat_parts(folder.part("normalizer"), "normalizers")
    if not folder.part("model") and folder.tokenizer is not None:
        hub = folder.part("config")  # A KerasHub preset's.
        found = {name: hub.get(name, KERAS_HUB[name]) for name in KERAS_HUB}
        return found | {"clean_text": True}, []
    if not folder.part("model"):
        found = {
            ours: config.get(theirs, default)
            for theirs, _, ours, default in OPTIONS
        }
        return found | {"clean_text": True}, []
    if [part.get("type") for part in normalizers] != ["BertNormalizer"]:
        found = {ours: False for _, _, ours, _ in OPTIONS}
        return found | {"clean_text": False}, [
            f"{FILE}: normalizer {shown_part(part)}" for part in normalizers
        ]
    (part,) = normalizers
    in_sequence = folder.part("normalizer").get("type") == "Sequence"
    found, problems = {"clean_text": part.get("clean_text", True)}, []
    for theirs, in_part, ours, default in OPTIONS:
        found[ours] = part.get(in_part, default)
        said = config.get(theirs, default)
        if not is_bert or in_sequence or said == found[ours]:
            continue  # transformers looks into no list.
        if theirs in config:
            found[ours] = said
            continue
        problems.append(
            f"{FILE}: normalizer.{in_part} {found[ours]!r}, which transformers "
            f"takes for {default!r}, because {CONFIG} does not say it. Write "
            f'"{theirs}" there: what the model was trained with'
        )
    return found, problems


def _special(folder, vocabulary, name) -> tuple[dict, list[str]]:
    """Returns the special and added tokens and the rows, as arguments."""
    known = {*vocabulary, *(t.content for t in folder.added_tokens)}
    # BERT's, where its class is and where the vocabulary has them.
    roles = {
        theirs: token
        for theirs, _, token in SPECIAL_TOKENS
        if token and (name in BERT or token in known)
    }
    roles |= folder.special_tokens
    if folder.config.get("mask_token", "") is None:
        roles.pop("mask_token", None)
    plain = (*roles.values(), *folder.additional_special_tokens)
    flags = [AddedToken(token, NO_ID, normalized=False) for token in plain]
    added, problems = add_tokens(folder, vocabulary, roles, flags)
    problems += check_tokens(added)
    ids = {**vocabulary, **{token.content: token.id for token in added}}
    missing = [
        theirs
        for theirs, _, token in SPECIAL_TOKENS
        if theirs not in roles and token not in (None, "[MASK]")
    ]
    problems += [f"no {theirs}, in no file" for theirs in missing]
    start, end = roles.get("cls_token"), roles.get("sep_token")
    plain = RowTokens((start,), (end,), (end,), token_types=(0, 1))
    rows = plain
    if folder.part("model"):
        rows, more = read_post_processor(folder.part("post_processor"), ids)
        problems += more
    if rows is not None:
        wanted = {"cls_token": rows.start[0], "sep_token": rows.end[-1]}
        problems += [
            f"{key} {roles.get(key)!r}, where the post_processor of {FILE} "
            f"puts {token!r}"
            for key, token in wanted.items()
            if roles.get(key, token) != token
        ]
        names = folder.config.get("model_input_names", ["token_type_ids"])
        if name in WITHOUT_TOKEN_TYPES or "token_type_ids" not in names:
            rows = RowTokens(rows.start, rows.between, rows.end)
    arguments = {ours: roles.get(theirs) for theirs, ours, _ in SPECIAL_TOKENS}
    arguments["added_tokens"] = added
    arguments["row_tokens"] = None if rows == plain else rows
    return arguments, problems


def _text_problems(tokenizer):
    """Returns what of `tokenizer.json` this WordPiece cannot follow."""
    problems = []
    parts = flat_parts(tokenizer.get("pre_tokenizer"), "pretokenizers")
    if [part.get("type") for part in parts] != ["BertPreTokenizer"]:
        shown = ", ".join(map(shown_part, parts)) or "none"
        problems.append(
            f"{FILE}: pre_tokenizer {shown}, not BertPreTokenizer alone"
        )
    return problems


def _disagreements(folder, vocabulary):
    """Returns where `vocab.txt` and `tokenizer.json` differ."""
    if "vocab.txt" not in folder.files:
        return []
    other = read_tokens(folder.files["vocab.txt"])
    # A saved `vocab.txt` may hold the tokens that were added.
    own = {t.content for t in folder.added_tokens if t.id >= len(vocabulary)}
    problems = [
        f"{FILE} has {token!r} as {vocabulary.get(token)}, vocab.txt as "
        f"{other.get(token)}"
        for token in {**vocabulary, **other}
        if vocabulary.get(token) != other.get(token) and token not in own
    ]
    more = len(problems) - 3
    return problems[:3] + ([f"and {more} more of these"] if more > 0 else [])


def _slow_problems(folder, arguments):
    """Returns where transformers' slow tokenizer would give other ids."""
    config, problems = folder.config, []
    if not config.get("do_basic_tokenize", True):
        problems.append(
            f"{CONFIG}: do_basic_tokenize false, which BertTokenizerFast does "
            "not follow and BertTokenizer does"
        )
    added = {token.content for token in arguments["added_tokens"]}
    never = [t for t in config.get("never_split") or () if t not in added]
    if never:
        problems.append(
            f"{CONFIG}: never_split {never}, which BertTokenizerFast does not "
            "follow and BertTokenizer does"
        )
    return problems
