"""Parts of tokenizer files that all kinds read and write alike."""

import dataclasses
import json
from collections.abc import Iterable
from collections.abc import Mapping

FILE, CONFIG = "tokenizer.json", "tokenizer_config.json"
MOST_HOLES = 1_000_000  # Ids that no token has: each takes memory too.
LONGEST_TOKEN = 10_000  # Characters. Common ones have 200 at most.
LISTED_PROBLEMS = 10  # An error message longer than this helps nobody.


def flat_parts(part: Mapping | None, key: str) -> list[Mapping]:
    """Returns the steps of a `Sequence` of `tokenizer.json`, one step, or none.

    Args:
        part: its `normalizer`, `pre_tokenizer`, `post_processor` or `decoder`.
        key: str, what a `Sequence` of such names its list: `"normalizers"`,
            `"pretokenizers"`, `"processors"` or `"decoders"`.
    """
    if not part:
        return []
    if part.get("type") == "Sequence":
        inner = part.get(key) or ()
        return [leaf for item in inner for leaf in flat_parts(item, key)]
    return [part]


def shown_part(part: Mapping) -> str:
    """Returns a step and its options, for messages."""
    options = ", ".join(
        f"{name}={value!r}"
        for name, value in part.items()
        if name != "type" and not isinstance(value, dict | list)
    )
    kind = str(part.get("type"))
    return f"{kind}({options})" if options else kind


def side_problems(config: Mapping, tokenizer: Mapping | None) -> list[str]:
    """Returns where rows are cut or filled on the other side.

    Args:
        config: mapping, `tokenizer_config.json`.
        tokenizer: mapping, `tokenizer.json`, or `None`.
    """
    problems = [
        f"{CONFIG}: {name} 'left', rows here are cut and filled on the right"
        for name in ("padding_side", "truncation_side")
        if config.get(name) == "left"
    ]
    for name in ("padding", "truncation"):
        part = (tokenizer or {}).get(name) or {}
        side = f"{name}_side"
        if part.get("direction") == "Left" and side not in config:
            problems.append(f"{FILE}: {name} on the left")
    return problems


def id_problems(tokens: Mapping[str, int], needed: Iterable[str]) -> list[str]:
    """Returns what keeps a mapping from being a vocabulary.

    Args:
        tokens: mapping from token to id.
        needed: special tokens that must be in it.
    """
    problems, owners = [], {}
    most = len(tokens) + MOST_HOLES
    for token, i in tokens.items():
        if not isinstance(token, str):
            problems.append(f"token {token!r} is not a string")
        elif len(token) > LONGEST_TOKEN:
            start = token[:20]
            problems.append(f"token {start!r}... has {len(token)} characters")
        if not isinstance(i, int) or isinstance(i, bool) or i < 0:
            problems.append(f"token {token!r} has id {i!r}, not an int >= 0")
            continue
        if i >= most:
            problems.append(
                f"token {token!r} has id {i}, of {len(tokens)} tokens"
            )
        elif i in owners:
            problems.append(f"tokens {owners[i]!r} and {token!r} share id {i}")
        owners[i] = token
    missing = [token for token in needed if token not in tokens]
    if missing:
        problems.append(f"special tokens missing: {' '.join(missing)}")
    return problems


def raise_if_any(problems: list[str], what: str) -> None:
    """Raises a `ValueError` that lists the first of them after `what`."""
    if not problems:
        return
    shown = "".join(f"\n  {problem}" for problem in problems[:LISTED_PROBLEMS])
    hidden = len(problems) - LISTED_PROBLEMS
    more = f"\n  and {hidden} more" if hidden > 0 else ""
    raise ValueError(f"{what}:{shown}{more}")


# Writing


def as_json(content: object) -> str:
    """Returns the text of a JSON file."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def limited_json(content: Mapping, owner: object, longest: int) -> str:
    """Returns the text of a `tokenizer.json` that cuts and fills rows up.

    Args:
        content: mapping, what it says of all else.
        owner: the tokenizer.
        longest: int, the most tokens of a row.
    """
    cut = {
        "direction": "Right",
        "max_length": longest,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    fill = {
        "strategy": "BatchLongest",
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": int(owner.pad_token_id),
        "pad_type_id": 0,
        "pad_token": owner.pad_token,
    }
    return as_json({**content, "truncation": cut, "padding": fill})


def special_tokens_map(owner: object, names, added_tokens) -> dict:
    """Returns `special_tokens_map.json`'s content.

    Args:
        owner: what has the special tokens as attributes.
        names: rows of transformers' name and the attribute's.
        added_tokens: sequence of `AddedToken`; those that are special and
            have no such name are the additional ones.
    """
    tokens = {
        theirs: getattr(owner, ours)
        for theirs, ours, *_ in names
        if getattr(owner, ours) is not None
    }
    control = set(tokens.values())
    additional = [
        token.content
        for token in added_tokens
        if token.special and token.content not in control
    ]
    if additional:
        tokens["additional_special_tokens"] = additional
    return tokens


def listed_tokens(added_tokens) -> list[dict]:
    """Returns `added_tokens` of `tokenizer.json`."""
    return [dataclasses.asdict(token) for token in added_tokens]


def decoder_tokens(added_tokens) -> dict[str, dict]:
    """Returns `added_tokens_decoder` of `tokenizer_config.json`."""
    listed = listed_tokens(added_tokens)
    return {str(token.pop("id")): token for token in listed}
