"""What the tokenizer files of a Hugging Face folder say, of any kind.

Three generations of files say the same things in other words, and a folder may
hold all of them:

    tokenizer.json            the whole tokenizer, of the `tokenizers` package
    tokenizer_config.json     arguments of transformers' class, added tokens
    special_tokens_map.json   which token is the padding, the mask, ...
    added_tokens.json         ids of tokens that were added later
    vocab.json, merges.txt / vocab.txt / *.model    the vocabulary

`read_folder` puts them together by transformers' rules, and each kind of
tokenizer takes from it what it knows and refuses the rest (`refuse`).
"""

import dataclasses
import types
from collections.abc import Mapping
from collections.abc import Sequence

from keras_longformer.tokenizers.special_tokens import NO_ID
from keras_longformer.tokenizers.special_tokens import AddedToken
from keras_longformer.weights.readers import read_json

# Keys that name one special token each, as transformers has them.
SPECIAL_TOKEN_KEYS = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@dataclasses.dataclass(frozen=True)
class TokenizerFolder:
    """The tokenizer files of a folder, read.

    Attributes:
        files: mapping of file name to path, all that are there.
        config: dict, `tokenizer_config.json`; {} without one.
        tokenizer: dict, `tokenizer.json`, or `None`.
        special_tokens: dict from `"bos_token"`, `"pad_token"`, ... to the
            token, as the files say; what none says is left out.
        additional_special_tokens: tuple of str, those that have no such key.
        added_tokens: tuple of `AddedToken`, by id: of `tokenizer.json`, of
            `added_tokens_decoder`, whose flags win, and of
            `added_tokens.json`. A vocabulary may hold them as well.
        declared_tokens: tuple of `AddedToken` without an id (`NO_ID`), which
            `special_tokens_map.json` and `tokenizer_config.json` write with
            their flags.
        tokenizer_class: str, `tokenizer_config.json`'s or else
            `config.json`'s, or `None`.
        model_type: str, `config.json`'s, or `None`.
        model_config: dict, `config.json`; {} without one.
    """

    files: Mapping[str, str]
    config: dict = dataclasses.field(default_factory=dict)
    tokenizer: dict | None = None
    special_tokens: dict[str, str] = dataclasses.field(default_factory=dict)
    additional_special_tokens: tuple[str, ...] = ()
    added_tokens: tuple[AddedToken, ...] = ()
    declared_tokens: tuple[AddedToken, ...] = ()
    tokenizer_class: str | None = None
    model_type: str | None = None
    model_config: dict = dataclasses.field(default_factory=dict)

    def path(self, *names: str) -> str | None:
        """Returns the path of the first of these files that is there."""
        return next((self.files[n] for n in names if n in self.files), None)

    @property
    def source(self) -> str:
        """The files' names, for messages."""
        return ", ".join(sorted(self.files)) or "no files"

    def part(self, name: str) -> dict:
        """Returns `model`, ... of `tokenizer.json`, {} without one."""
        return (self.tokenizer or {}).get(name) or {}

    @property
    def is_legacy(self) -> bool:
        """Whether the files are of the time before `added_tokens_decoder`."""
        return "added_tokens_decoder" not in self.config

    def flags_of(self, content: str) -> AddedToken | None:
        """Returns the flags that transformers gives a special token.

        `None` where the files name it only, so that its class decides.
        """
        if self.is_legacy:
            known = [t["content"] for t in self._added_in_tokenizer()]
        else:
            decoder = self.config["added_tokens_decoder"]
            known = [_content(token) for token in decoder.values()]
        added = [t for t in self.added_tokens if t.content in known]
        for token in (*added, *self.declared_tokens):
            if token.content == content:
                return token
        return None

    def _added_in_tokenizer(self):
        return (self.tokenizer or {}).get("added_tokens") or ()


def read_folder(files: Mapping[str, str]) -> TokenizerFolder:
    """Reads the tokenizer files of a folder.

    As transformers does it: where `tokenizer_config.json` has an
    `added_tokens_decoder`, it alone says which tokens are special;
    `special_tokens_map.json` and `added_tokens.json` are of the time before
    and count without one.

    Args:
        files: mapping of file name to path, those that are there.

    Raises:
        ValueError: a file that is no JSON object, or files that give one
            token two ids or two tokens one.
    """
    config = _read(files, "tokenizer_config.json") or {}
    tokenizer = _read(files, "tokenizer.json")
    model_config = _read(files, "config.json") or {}
    says = dict(config)
    legacy = "added_tokens_decoder" not in config
    if legacy:
        says |= _read(files, "special_tokens_map.json") or {}
    additional = says.get("additional_special_tokens") or []
    if legacy:  # The lists are joined, not replaced.
        additional = [
            *(config.get("additional_special_tokens") or []),
            *additional,
        ]
    named = {
        key: _content(says[key])
        for key in SPECIAL_TOKEN_KEYS
        if says.get(key) is not None
    }
    declared = [
        _token(value, special=True)
        for value in (*(says.get(k) for k in SPECIAL_TOKEN_KEYS), *additional)
        if isinstance(value, dict)
    ]
    # The newest name for more of them: an object, by what each is for.
    extra = config.get("extra_special_tokens") or {}
    extra = extra.values() if isinstance(extra, dict) else extra
    additional = [*additional, *extra]
    additional = tuple(dict.fromkeys(_content(value) for value in additional))
    return TokenizerFolder(
        files=types.MappingProxyType(dict(files)),
        config=config,
        tokenizer=tokenizer,
        special_tokens=named,
        additional_special_tokens=additional,
        added_tokens=_added_tokens(
            files, config, tokenizer, {*named.values(), *additional}, legacy
        ),
        declared_tokens=tuple(dict.fromkeys(declared)),
        tokenizer_class=config.get("tokenizer_class")
        or model_config.get("tokenizer_class"),
        model_type=model_config.get("model_type"),
        model_config=model_config,
    )


def refuse(source: str, problems: Sequence[str]) -> None:
    """Raises `ValueError` for all that would change ids and cannot be followed.

    Args:
        source: str, the files, for the message.
        problems: list of sentences such as `"tokenizer.json: normalizer NFC"`;
            an empty list is none.
    """
    if not problems:
        return
    lines = "".join(f"\n  {problem}" for problem in dict.fromkeys(problems))
    raise ValueError(
        "The tokenizer of this folder would give other token ids than its "
        f"model was trained with, because it says ({source}):{lines}\n"
        "Tokenize with Hugging Face's and give the model token ids "
        "(`preprocessor=None`), or, where the model does not need it, take it "
        "out of the file."
    )


def _read(files, name):
    return read_json(files[name]) if name in files else None


def _content(value) -> str:
    """Returns the text of a token that is written as str or as dict."""
    if isinstance(value, dict):
        value = value.get("content")
    if not isinstance(value, str):
        raise ValueError(
            "A special token must be a string, or an object with `content`. "
            f"Received: {value!r}."
        )
    return value


def _token(value: Mapping, index: int = NO_ID, **defaults) -> AddedToken:
    flags = {name: value[name] for name in FLAGS if name in value}
    wrong = [name for name, flag in flags.items() if not isinstance(flag, bool)]
    if type(index) is not int or wrong:
        raise ValueError(
            "An added token must have an integer `id` and true or false as "
            f"its flags. Received: {value!r:.300}."
        )
    if "normalized" not in flags:  # What `AddedToken` does with the lack.
        flags["normalized"] = not flags.get("special", False)
    return AddedToken(_content(value), index, **{**flags, **defaults})


def _added(value, index=None):
    """An entry of `added_tokens`, or of `added_tokens_decoder` with its id."""
    if not isinstance(value, Mapping) or value.get("content") == "":
        raise ValueError(
            "An added token must be an object with `content`. "
            f"Received: {value!r:.300}."
        )
    return _token(value, value.get("id") if index is None else index)


def _added_tokens(files, config, tokenizer, special, legacy):
    """Joins the three lists of added tokens, by id."""
    found = {}
    problems = []

    def add(token, source):
        here = found.get(token.content, (token, source))
        if here[0].id != token.id:
            problems.append(
                f"{token.content!r} has id {here[0].id} in {here[1]} and "
                f"{token.id} in {source}"
            )
        if source != "added_tokens.json" or here[1] == source:
            found[token.content] = (token, source)

    for value in (tokenizer or {}).get("added_tokens") or ():
        add(_added(value), "tokenizer.json")
    for i, value in (config.get("added_tokens_decoder") or {}).items():
        i = int(i) if i.isdecimal() else i
        add(_added(value, i), "tokenizer_config.json")
    if legacy:
        added = _read(files, "added_tokens.json") or {}
        for content, i in added.items():
            is_special = content in special
            token = AddedToken(
                content, i, special=is_special, normalized=not is_special
            )
            add(token, "added_tokens.json")
    owners = {}
    for token, source in found.values():
        other = owners.setdefault(token.id, token)
        if other is not token:
            problems.append(
                f"{other.content!r} and {token.content!r} ({source}) have the "
                f"same id {token.id}"
            )
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise ValueError(
            "The files of this tokenizer do not agree on its added tokens, so "
            f"its ids cannot be known:{lines}"
        )
    return tuple(sorted((t for t, _ in found.values()), key=lambda t: t.id))
