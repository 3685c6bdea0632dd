"""The files that Hugging Face keeps a SentencePiece tokenizer in."""

import base64
import dataclasses
from collections.abc import Mapping

from keras_longformer.tokenizers.added_ids import add_tokens
from keras_longformer.tokenizers.file_parts import as_json
from keras_longformer.tokenizers.file_parts import decoder_tokens
from keras_longformer.tokenizers.file_parts import listed_tokens
from keras_longformer.tokenizers.file_parts import side_problems
from keras_longformer.tokenizers.file_parts import special_tokens_map
from keras_longformer.tokenizers.hugging_face import TokenizerFolder
from keras_longformer.tokenizers.hugging_face import read_folder
from keras_longformer.tokenizers.hugging_face import refuse
from keras_longformer.tokenizers.post_processors import RowTokens
from keras_longformer.tokenizers.post_processors import read_post_processor
from keras_longformer.tokenizers.post_processors import write_post_processor
from keras_longformer.tokenizers.sentence_piece.layout import CAMEMBERT
from keras_longformer.tokenizers.sentence_piece.layout import XLM_ROBERTA
from keras_longformer.tokenizers.sentence_piece.layout import IdLayout
from keras_longformer.tokenizers.sentence_piece.model import SentencePieceModel
from keras_longformer.tokenizers.sentence_piece.unigram import SPACES
from keras_longformer.tokenizers.sentence_piece.unigram import is_unigram
from keras_longformer.tokenizers.sentence_piece.unigram import read_unigram
from keras_longformer.tokenizers.special_tokens import NO_ID
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.tokenizers.special_tokens import check_tokens

MODEL_FILES = (
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
)
KERAS_HUB_FILE = "vocabulary.spm"  # of an XLM-RoBERTa's preset
# Which layout a model file has, by transformers' class or the model's type.
LAYOUTS = {
    "XLMRobertaTokenizer": XLM_ROBERTA,
    "CamembertTokenizer": CAMEMBERT,
    "xlm-roberta": XLM_ROBERTA,
    "camembert": CAMEMBERT,
}
# transformers' name of a special token, the layout's. It makes rows of the
# classifier's and separator's; the others matter where these are not given.
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
    """Returns the arguments of a `LongformerSentencePieceTokenizer`.

    A `tokenizer.json` counts where there is one, as it does for transformers'
    fast tokenizers, otherwise the model file.

    Args:
        files: mapping of file name to path.

    Returns:
        Dict of arguments; `None` where these are the files of another kind of
        tokenizer.

    Raises:
        ValueError: a broken file, or what cannot be followed, all of it.
    """
    if not {"tokenizer.json", KERAS_HUB_FILE, *MODEL_FILES} & set(files):
        return None
    folder = read_folder(files)
    path = folder.path(*MODEL_FILES, KERAS_HUB_FILE)
    problems = side_problems(folder.config, folder.tokenizer)
    arguments = {}
    if is_unigram(folder):
        proto, layout, options = read_unigram(folder, problems)
        arguments |= dataclasses.asdict(options)
    elif folder.tokenizer is not None or path is None:
        return None
    else:
        proto, layout = path, _layout_of_class(folder, problems)
        # transformers makes a fast tokenizer of it, and that does so.
        arguments["trailing_space"] = "before_tokens"
    if folder.config.get("sp_model_kwargs"):
        problems.append(
            "tokenizer_config.json: sp_model_kwargs = "
            f"{folder.config['sp_model_kwargs']!r}"
        )
    refuse(folder.source, problems)
    model = SentencePieceModel(proto)
    vocabulary = layout.ids(model.pieces)
    roles = _roles(folder, layout, vocabulary)
    mask = roles.get("mask_token")
    flags = ()
    if mask is not None:  # Their mask takes the blank before it.
        flags = (AddedToken(mask, NO_ID, lstrip=True, normalized=False),)
    added, problems = add_tokens(folder, vocabulary, roles, flags)
    problems += check_tokens(added)
    rows = None
    if folder.tokenizer is not None:
        ids = vocabulary | {token.content: token.id for token in added}
        rows, more = read_post_processor(folder.part("post_processor"), ids)
        problems += more
    missing = [x for x in ("unk_token", "pad_token") if x not in roles]
    problems += [f"no {name}, in no file" for name in missing]
    refuse(folder.source, problems)
    layout, rows = _with_rows(folder, layout, roles, rows)
    return {
        "proto": model.proto,
        "layout": layout,
        "added_tokens": listed_tokens(added),
        "row_tokens": rows,
        **arguments,
    }


def _roles(folder, layout, vocabulary):
    """Returns the special tokens that files name, or else the layout's."""
    known = {*vocabulary, *(token.content for token in folder.added_tokens)}
    own = {
        theirs: getattr(layout, ours)
        for theirs, ours in SPECIAL_TOKENS
        if getattr(layout, ours) in known
    }
    return own | folder.special_tokens


def _with_rows(folder, layout, roles, rows):
    """Returns the layout with the folder's special tokens, and the rows, or
    `None` for RoBERTa's."""
    start = roles.get("cls_token", roles.get("bos_token"))
    end = roles.get("sep_token", roles.get("eos_token"))
    if rows is None:
        rows = RowTokens((start,), (end, end), (end,))
    if layout.head:  # fairseq's models have no token types.
        rows = RowTokens(rows.start, rows.between, rows.end)
    start, end = rows.start[0], rows.end[-1]
    others = [roles.get(name) for name in ("bos_token", "eos_token")]
    others = [t for t in others if t not in (start, end, None)]
    layout = dataclasses.replace(
        layout,
        start_token=start,
        end_token=end,
        pad_token=roles["pad_token"],
        unk_token=roles["unk_token"],
        mask_token=roles.get("mask_token"),
        others=tuple(others),
    )
    is_plain = rows == RowTokens((start,), (end, end), (end,))
    return layout, None if is_plain else rows


def _layout_of_class(folder: TokenizerFolder, problems) -> IdLayout:
    """Returns the layout that transformers' class gives a model file."""
    names = (folder.tokenizer_class or "").removesuffix("Fast")
    name = names or folder.model_type
    if name in LAYOUTS:
        return LAYOUTS[name]
    if KERAS_HUB_FILE in folder.files and not name:
        return XLM_ROBERTA
    problems.append(
        f"tokenizer class {name!r} with a model file and no tokenizer.json; "
        f"the ids of {', '.join(LAYOUTS)} are known"
    )
    return XLM_ROBERTA


def write_files(tokenizer, max_sequence_length: int) -> dict[str, str | bytes]:
    """Returns the content of each file, by its name.

    Args:
        tokenizer: a `LongformerSentencePieceTokenizer`.
        max_sequence_length: int, the most tokens that its model reads.

    Raises:
        ValueError: transformers has no class that reads such a tokenizer.
    """
    layout = tokenizer.layout
    model = SentencePieceModel(tokenizer.proto)
    name = _class_of(layout) if tokenizer.row_tokens is None else None
    if name is None and not model.is_hugging_face_unigram:
        raise ValueError(
            "transformers opens no such tokenizer: its model is no Unigram "
            "that drops extra white space, and its ids are neither "
            "XLM-RoBERTa's nor CamemBERT's."
        )
    added = sorted(tokenizer.added_tokens, key=lambda token: token.id)
    tokens = special_tokens_map(layout, SPECIAL_TOKENS, added)
    config = tokens | {
        "tokenizer_class": name or "PreTrainedTokenizerFast",
        "model_max_length": max_sequence_length,
        "added_tokens_decoder": decoder_tokens(added),
    }
    files = {
        "special_tokens_map.json": as_json(tokens),
        "tokenizer_config.json": as_json(config),
    }
    if name is not None:
        files["sentencepiece.bpe.model"] = tokenizer.proto
    if model.is_hugging_face_unigram:
        files["tokenizer.json"] = as_json(tokenizer_json(tokenizer))
    return files


def _class_of(layout):
    """Returns transformers' class that gives pieces such ids, or `None`."""
    for name in ("XLMRobertaTokenizer", "CamembertTokenizer"):
        theirs = LAYOUTS[name]
        same = ("head", "replaced", "unk_token")
        if all(getattr(theirs, x) == getattr(layout, x) for x in same):
            return name
    return None


def tokenizer_json(tokenizer) -> dict | None:
    """Returns `tokenizer.json`'s content, `None` where it cannot say it."""
    layout = tokenizer.layout
    model = SentencePieceModel(tokenizer.proto)
    if not model.is_hugging_face_unigram:
        return None
    added = sorted(tokenizer.added_tokens, key=lambda token: token.id)
    ids = tokenizer.vocabulary
    pieces = model.scored_pieces()[layout.replaced :]
    vocabulary = [[token, 0.0] for token in layout.head]
    vocabulary += [[piece, score] for piece, score in pieces]
    vocabulary += [[token, 0.0] for token in layout.tail]
    normalizers = []
    if model.charsmap_bytes:
        charsmap = base64.b64encode(model.charsmap_bytes).decode("ascii")
        normalizers.append(
            {"type": "Precompiled", "precompiled_charsmap": charsmap}
        )
    if tokenizer.trailing_space != "always":
        normalizers.append(
            {"type": "Strip", "strip_left": False, "strip_right": True}
        )
    normalizers.append(
        {"type": "Replace", "pattern": {"Regex": SPACES}, "content": " "}
    )
    metaspace = {
        "type": "Metaspace",
        "replacement": "▁",
        "prepend_scheme": tokenizer.prepend_scheme,
        "split": True,
    }
    pre_tokenizer = metaspace
    drops = tokenizer.trailing_space == "never"
    if drops and any(t.normalized for t in tokenizer.added_tokens):
        steps = [{"type": "WhitespaceSplit"}, metaspace]
        pre_tokenizer = {"type": "Sequence", "pretokenizers": steps}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": listed_tokens(added),
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": pre_tokenizer,
        "post_processor": write_post_processor(
            tokenizer.rows, tokenizer.token_to_id
        ),
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": ids[layout.unk_token],
            "vocab": vocabulary,
            "byte_fallback": model.has_bytes,
        },
    }
