"""Which special tokens `tokenizer.json` puts around texts."""

import dataclasses
from collections.abc import Callable

from keras_longformer.text.template import RowTemplate
from keras_longformer.tokenizers.file_parts import flat_parts

# They move offsets, and add nothing.
ADD_NOTHING = ("ByteLevel",)


@dataclasses.dataclass(frozen=True)
class RowTokens:
    """A `RowTemplate` by its tokens: what a tokenizer keeps of one.

    Attributes:
        start, between, end: tuples of str, as in `RowTemplate`.
        token_types: as there.
    """

    start: tuple[str, ...]
    between: tuple[str, ...]
    end: tuple[str, ...]
    token_types: tuple[int, int] | None = None

    @classmethod
    def of(cls, value) -> "RowTokens | None":
        """Returns one from a dict, as `as_dict` makes it; `None` is `None`."""
        if value is None or isinstance(value, cls):
            return value
        types = value.get("token_types")
        return cls(
            *(tuple(value[name]) for name in ("start", "between", "end")),
            token_types=None if types is None else tuple(types),
        )

    def as_dict(self) -> dict:
        """Returns lists that JSON can hold."""
        types = self.token_types
        return {
            "start": list(self.start),
            "between": list(self.between),
            "end": list(self.end),
            "token_types": None if types is None else list(types),
        }

    def template(self, id_of: Callable[[str], int], pad: int) -> RowTemplate:
        """Returns the template of ids."""
        parts = (self.start, self.between, self.end)
        return RowTemplate(
            *(tuple(id_of(token) for token in part) for part in parts),
            pad=pad,
            token_types=self.token_types,
        )


def read_post_processor(
    part: dict, id_of: dict[str, int]
) -> tuple[RowTokens | None, list[str]]:
    """Reads the `post_processor` of a `tokenizer.json`.

    Args:
        part: what it says; {} for none.
        id_of: mapping of all tokens to their ids.

    Returns:
        The tokens of a row, or `None`, and what cannot be followed.
    """
    steps = flat_parts(part, "processors")
    adds = [p for p in steps if p.get("type") not in ADD_NOTHING]
    if not adds:
        what = part.get("type") or "none"
        return None, [
            f"tokenizer.json: post_processor {what} puts no special tokens "
            "around a text, and rows here begin and end with one"
        ]
    if len(adds) > 1:
        names = [p.get("type") for p in adds]
        return None, [
            f"tokenizer.json: post_processor {names}, one after other"
        ]
    kind = adds[0].get("type")
    read = {
        "RobertaProcessing": _roberta,
        "BertProcessing": _bert,
        "TemplateProcessing": _template,
    }.get(kind)
    if read is None:
        return None, [f"tokenizer.json: post_processor {kind}"]
    rows, ids, problems = read(adds[0])
    for token, i in ids.items():
        if id_of.get(token) != i:
            problems.append(
                f"post_processor {kind} gives {token!r} id {i}, and the "
                f"vocabulary {id_of.get(token)}"
            )
    return rows, [f"tokenizer.json: {problem}" for problem in problems]


def write_post_processor(rows: RowTokens, id_of: Callable[[str], int]) -> dict:
    """Returns the `post_processor` of a `tokenizer.json` for such rows."""
    first, second = rows.token_types or (0, 0)

    def tokens(names, kind):
        return [{"SpecialToken": {"id": t, "type_id": kind}} for t in names]

    text = {"Sequence": {"id": "A", "type_id": first}}
    other = {"Sequence": {"id": "B", "type_id": second}}
    names = dict.fromkeys((*rows.start, *rows.between, *rows.end))
    return {
        "type": "TemplateProcessing",
        "single": [
            *tokens(rows.start, first),
            text,
            *tokens(rows.end, first),
        ],
        "pair": [
            *tokens(rows.start, first),
            text,
            *tokens(rows.between, first),
            other,
            *tokens(rows.end, second),
        ],
        "special_tokens": {
            t: {"id": t, "ids": [id_of(t)], "tokens": [t]} for t in names
        },
    }


def _roberta(part):
    start, end = part["cls"], part["sep"]
    rows = RowTokens((start[0],), (end[0], end[0]), (end[0],))
    return rows, dict([start, end]), []


def _bert(part):
    start, end = part["cls"], part["sep"]
    rows = RowTokens((start[0],), (end[0],), (end[0],), token_types=(0, 1))
    return rows, dict([start, end]), []


def _template(part):
    ids, problems = {}, []
    for name, token in part.get("special_tokens", {}).items():
        tokens = token.get("tokens") or [name]
        if len(tokens) != 1:
            problems.append(f"post_processor: {name!r} stands for {tokens}")
        ids[tokens[0]] = token["ids"][0]
    single, single_types = _steps(part.get("single", ()))
    pair, pair_types = _steps(part.get("pair", ()))
    rows = None
    if single.count("A") == 1 and (pair.count("A"), pair.count("B")) == (1, 1):
        a, b = pair.index("A"), pair.index("B")
        start, between, end = pair[:a], pair[a + 1 : b], pair[b + 1 :]
        same = a < b and single == [*start, "A", *end]
        if same and start and between and end:
            types = (pair_types[a], pair_types[b])
            wanted = [types[0]] * b + [types[1]] * (len(pair) - b)
            names = [tuple(t[1] for t in x) for x in (start, between, end)]
            if types == (0, 0):
                types = None
            if pair_types == wanted and set(single_types) == {wanted[0]}:
                rows = RowTokens(*names, token_types=types)
    if rows is None:
        problems.append(
            "post_processor TemplateProcessing makes rows of another form than "
            "`start A end` and `start A between B end`, each with a special "
            f"token: single {_shown(single)}, pair {_shown(pair)}"
        )
    return rows, ids, problems


def _steps(template):
    """Returns the steps, "A", "B" or (token,), and their token types."""
    steps, types = [], []
    for step in template:
        ((kind, value),) = step.items()
        steps.append(
            value["id"] if kind == "Sequence" else ("token", value["id"])
        )
        types.append(value.get("type_id", 0))
    return steps, types


def _shown(steps):
    return " ".join(
        step if isinstance(step, str) else step[1] for step in steps
    )
