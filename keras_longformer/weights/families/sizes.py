"""What a config says of an encoder's sizes, against the file's arrays."""

from collections.abc import Iterable
from collections.abc import Mapping

MOST_LAYERS = 1000  # Of weights that have none.


def problems_with_sizes(
    family, keywords: Mapping, shapes: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Returns what differs, a sentence each.

    An array that is not there is none of them: `assign` names what is missing.

    Args:
        family: the `Family`.
        keywords: mapping, what `Family.to_keywords` made of the config.
        shapes: mapping of PyTorch's name to the shape that it has there.
    """
    problems = problems_with_layers(
        "num_hidden_layers", keywords["num_layers"], family.layer_path, shapes
    )
    words, positions, types = (row[1] for row in family.embeddings[:3])
    first = family.layer_path.format(0)
    rows = keywords["max_sequence_length"] + family.position_offset(keywords)
    table = (
        ("vocab_size", keywords["vocabulary_size"], words, 0),
        ("hidden_size", keywords["hidden_dim"], words, 1),
        ("max_position_embeddings", rows, positions, 0),
        ("type_vocab_size", keywords["num_token_types"], types, 0),
        (
            "intermediate_size",
            keywords["intermediate_dim"],
            f"{first}.intermediate.dense",
            0,
        ),
    )
    return problems + problems_with_shapes(table, shapes)


def problems_with_layers(
    key: str, said: int, path: str, shapes: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Returns a sentence where the weights have other layers than are said.

    Args:
        key: str, theirs, which says it.
        said: int, how many.
        path: str, where they stand, `{}` for the layer's number.
        shapes: mapping of PyTorch's name to the shape that it has there.
    """
    number = path.split("{}")[0]
    layers = {
        int(name.removeprefix(number).split(".")[0])
        for name in shapes
        if name.startswith(number)
        and name.removeprefix(number).split(".")[0].isdecimal()
    }
    found = max(layers, default=-1) + 1
    # Without any, those that are missing are a model's, not a thousand million.
    if said == found or (not layers and said <= MOST_LAYERS):
        return []
    return [f"{key}={said}, and the weights have {found} layers"]


def problems_with_shapes(
    table: Iterable[tuple[str, int, str, int]],
    shapes: Mapping[str, tuple[int, ...]],
) -> list[str]:
    """Returns a sentence for each weight of another size than is said.

    Args:
        table: rows (key, size, module, axis of its weight).
        shapes: mapping of PyTorch's name to the shape that it has there.
    """
    problems = []
    for key, value, name, axis in table:
        shape = shapes.get(f"{name}.weight", ())
        if len(shape) == 2 and shape[axis] != value:
            what = "rows" if axis == 0 else "columns"
            problems.append(
                f"{key}={value}, and {name}.weight has {shape[axis]} {what}"
            )
    return problems
