"""The files that Hugging Face keeps a SentencePiece tokenizer in."""

import base64
import dataclasses
import json
from collections.abc import Mapping

from keras_longformer.tokenizers.hugging_face import TokenizerFolder
from keras_longformer.tokenizers.hugging_face import read_folder
from keras_longformer.tokenizers.hugging_face import refuse
from keras_longformer.tokenizers.sentence_piece.layout import CAMEMBERT
from keras_longformer.tokenizers.sentence_piece.layout import XLM_ROBERTA
from keras_longformer.tokenizers.sentence_piece.layout import IdLayout
from keras_longformer.tokenizers.sentence_piece.model import SentencePieceModel
from keras_longformer.tokenizers.sentence_piece.unigram import SPACES
from keras_longformer.tokenizers.sentence_piece.unigram import is_unigram
from keras_longformer.tokenizers.sentence_piece.unigram import read_unigram
from keras_longformer.tokenizers.special_tokens import AddedToken

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
    problems = []
    arguments = {}
    path = folder.path(*MODEL_FILES, KERAS_HUB_FILE)
    if is_unigram(folder):
        proto, layout, options = read_unigram(folder, problems)
        layout = _with_rows(folder, layout, problems)
        arguments |= dataclasses.asdict(options)
    elif folder.tokenizer is not None or path is None:
        return None
    else:
        proto, layout = path, _layout_of_class(folder, problems)
    if folder.config.get("sp_model_kwargs"):
        problems.append(
            "tokenizer_config.json: sp_model_kwargs = "
            f"{folder.config['sp_model_kwargs']!r}"
        )
    layout = _with_names(folder, layout)
    refuse(folder.source, problems)
    model = SentencePieceModel(proto)
    ids = layout.ids(model.pieces)
    known = {*ids, *(token.content for token in folder.added_tokens)}
    refuse(
        folder.source,
        [
            f"additional special token {token!r}, which has no id"
            for token in folder.additional_special_tokens
            if token not in known
        ],
    )
    if layout.mask_token not in known:
        layout = dataclasses.replace(layout, mask_token=None)
    return {
        "proto": model.proto,
        "layout": layout,
        "added_tokens": _added(folder, layout, ids),
        **arguments,
    }


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


def _with_names(folder, layout):
    """Returns the layout with the special tokens that the folder names."""
    names = {
        ours: folder.special_tokens[theirs]
        for theirs, ours in SPECIAL_TOKENS
        if theirs in folder.special_tokens
    }
    # The rows of a `tokenizer.json` are what its post-processor makes.
    if folder.tokenizer is not None:
        names.pop("start_token", None)
        names.pop("end_token", None)
    return dataclasses.replace(layout, **names)


def _added(folder, layout, ids) -> list[AddedToken]:
    """Returns the tokens to look for in texts, with ids and flags."""
    tokens = {token.content: token for token in folder.added_tokens}
    for content in folder.additional_special_tokens:
        if content not in tokens and content not in layout.special_tokens():
            flags = folder.flags_of(content) or AddedToken(
                content, 0, special=True, normalized=False
            )
            tokens[content] = dataclasses.replace(flags, id=ids[content])
    return list(tokens.values())


def _with_rows(folder, layout, problems) -> IdLayout:
    """Returns the layout with the rows that the post-processor makes."""
    step = folder.part("post_processor")
    kind = step.get("type")
    if kind in ("RobertaProcessing", "BertProcessing"):
        return dataclasses.replace(
            layout,
            start_token=step["cls"][0],
            end_token=step["sep"][0],
            num_separators=2 if kind == "RobertaProcessing" else 1,
        )
    single, pair = (
        [_part(part) for part in step.get(name) or ()]
        for name in ("single", "pair")
    )
    if kind == "TemplateProcessing" and len(single) == 3 and len(pair) > 4:
        start, text, end = single
        num = len(pair) - 4
        wanted = [start, ("A", 0), *[end] * num, ("B", 0), end]
        if text == ("A", 0) and pair == wanted and not start[1] | end[1]:
            return dataclasses.replace(
                layout,
                start_token=start[0],
                end_token=end[0],
                num_separators=num,
            )
    problems.append(
        "tokenizer.json: post_processor "
        + (f"{kind} {single} {pair}" if kind else "that adds no tokens")
    )
    return layout


def _part(part):
    """Returns the token or text of a template, and its token type."""
    ((_, value),) = part.items()
    return value["id"], value["type_id"]


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
    name = _class_of(layout)
    as_json = model.is_hugging_face_unigram
    if name is None and not as_json:
        raise ValueError(
            "transformers opens no such tokenizer: its model is no Unigram "
            "that drops extra white space, and its ids are neither "
            "XLM-RoBERTa's nor CamemBERT's."
        )
    tokens = {
        theirs: getattr(layout, ours)
        for theirs, ours in SPECIAL_TOKENS
        if getattr(layout, ours) is not None
    }
    added = _all_added(tokenizer)
    config = tokens | {
        "tokenizer_class": name or "PreTrainedTokenizerFast",
        "model_max_length": max_sequence_length,
        "added_tokens_decoder": {
            str(token["id"]): {k: v for k, v in token.items() if k != "id"}
            for token in added
        },
    }
    others = [t["content"] for t in added if t["special"]]
    others = [t for t in others if t not in tokens.values()]
    if others:
        config["additional_special_tokens"] = others
    files = {
        "special_tokens_map.json": _json(
            tokens | ({"additional_special_tokens": others} if others else {})
        ),
        "tokenizer_config.json": _json(config),
    }
    if name is not None:
        files["sentencepiece.bpe.model"] = tokenizer.proto
    if as_json:
        files["tokenizer.json"] = _json(_tokenizer(tokenizer, model, added))
    return files


def _class_of(layout):
    """Returns transformers' class that gives pieces such ids, or `None`."""
    for name in ("XLMRobertaTokenizer", "CamembertTokenizer"):
        theirs = LAYOUTS[name]
        same = ("head", "replaced", "unk_token", "num_separators")
        if all(getattr(theirs, x) == getattr(layout, x) for x in same):
            return name
    return None


def _all_added(tokenizer) -> list[dict]:
    """Returns added and special tokens as a `tokenizer.json` has them."""
    ids = tokenizer.vocabulary
    tokens = {
        content: AddedToken(
            content,
            ids[content],
            special=True,
            lstrip=content == tokenizer.mask_token,
            normalized=False,
        )
        for content in tokenizer.layout.special_tokens()
    }
    tokens |= {token.content: token for token in tokenizer.added_tokens}
    tokens = sorted(tokens.values(), key=lambda token: token.id)
    return [dataclasses.asdict(token) for token in tokens]


def _tokenizer(tokenizer, model, added):
    """Returns `tokenizer.json`'s content."""
    layout = tokenizer.layout
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
    if not tokenizer.keep_trailing_space:
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
    start, end = (
        {"SpecialToken": {"id": token, "type_id": 0}}
        for token in (layout.start_token, layout.end_token)
    )
    first, second = ({"Sequence": {"id": x, "type_id": 0}} for x in "AB")
    between = [end] * layout.num_separators
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": metaspace,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [start, first, end],
            "pair": [start, first, *between, second, end],
            "special_tokens": {
                token: {"id": token, "ids": [ids[token]], "tokens": [token]}
                for token in (layout.start_token, layout.end_token)
            },
        },
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": ids[layout.unk_token],
            "vocab": vocabulary,
            "byte_fallback": model.has_bytes,
        },
    }


def _json(content):
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
