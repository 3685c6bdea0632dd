"""Assigns arrays to a model's variables, all of them or none."""

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from fnmatch import fnmatchcase

import keras
import numpy as np

from keras_longformer.weights.lazy import LazyArray

# A problem, the names that it concerns, and what to do about it.
WAYS_OUT = (
    (
        "missing",
        "attention/global_*",
        "RoBERTa has no global projections: `copy_global_projections` makes "
        "them from the local ones.",
    ),
    (
        "misshapen",
        "embeddings/position_embedding/*",
        "Another number of positions: `make_long` gives the arrays "
        "`max_sequence_length` of them.",
    ),
)


@dataclass(frozen=True)
class Assigned:
    """What `assign` did not touch, each list sorted.

    Attributes:
        fresh: names of variables that keep their initial values.
        unused: names of arrays that no variable took.
        not_finite: names of arrays that hold NaN or infinity.
    """

    fresh: list[str]
    unused: list[str]
    not_finite: list[str] = field(default_factory=list)


def assign(
    model: keras.Layer,
    arrays: Mapping[str, np.ndarray | LazyArray],
    *,
    source: str = "The arrays",
    may_be_fresh: Sequence[str] = (),
    may_be_unused: Sequence[str] = (),
    hint: str = "",
) -> Assigned:
    """Assigns each array to the variable of its name.

    An array belongs to the variable whose path is its name or ends with
    `"/"` and its name. If one variable or array stays alone that was not
    allowed to, or one shape differs, nothing is assigned. Seeds, metrics and
    an optimizer's state are no weights and stay out of it.

    Args:
        model: a built Keras layer or model.
        arrays: mapping of our name to array; a lazy one is read only to be
            assigned.
        source: str, the arrays' file, for messages.
        may_be_fresh: patterns like `"logits/*"` of variables that may keep
            their initial values.
        may_be_unused: patterns of arrays that may be left over.
        hint: str, a way out, put at the end of the error.

    Returns:
        An `Assigned`: which variables and arrays the patterns let pass.

    Raises:
        ValueError: names every missing, left over and misshapen array.
    """
    variables, ambiguous = _match(model, arrays)
    fresh = [name for name in variables if name not in arrays]
    unused = [name for name in arrays if name not in variables]
    misshapen = [
        name
        for name, variable in variables.items()
        if name in arrays and arrays[name].shape != tuple(variable.shape)
    ]
    problems = [
        ("missing", name, str(tuple(variables[name].shape)))
        for name in fresh
        if not matches(name, may_be_fresh)
    ]
    problems += [
        ("too many", name, str(arrays[name].shape))
        for name in unused
        if not matches(name, may_be_unused)
    ]
    problems += [
        (
            "misshapen",
            name,
            f"{arrays[name].shape}, the model has "
            f"{tuple(variables[name].shape)}",
        )
        for name in misshapen
    ]
    problems += [("ambiguous", name, paths) for name, paths in ambiguous]
    if problems:
        raise ValueError(_message(model, source, problems, hint))
    not_finite = []
    for name, variable in variables.items():
        if name in arrays:
            array = np.asarray(arrays[name])
            if not is_finite(array):
                not_finite.append(name)
            variable.assign(array)
    return Assigned(sorted(fresh), sorted(unused), sorted(not_finite))


def is_finite(array: np.ndarray) -> bool:
    """Says whether an array holds neither NaN nor infinity."""
    # A sum has no copy of the array, and that of finite float32 is finite.
    with np.errstate(invalid="ignore"):
        return bool(np.isfinite(np.sum(array, dtype=np.float64)))


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Says whether a name, or the end of a path, fits one of the patterns."""
    return any(
        fnmatchcase(name, pattern) or fnmatchcase(name, f"*/{pattern}")
        for pattern in patterns
    )


def without(
    arrays: Mapping[str, np.ndarray | LazyArray], patterns: Sequence[str]
) -> dict[str, np.ndarray | LazyArray]:
    """Returns the arrays whose names fit none of the patterns."""
    return {
        name: array
        for name, array in arrays.items()
        if not matches(name, patterns)
    }


def weights_by_name(
    model: keras.Layer, names: Sequence[str]
) -> dict[str, keras.Variable]:
    """Returns a model's weights under `names` where these end their paths.

    A weight that none of them fits stands under its path without the names
    of the model and its backbone, as far as these can be told.
    """
    return _match(model, names)[0]


def _match(model, names):
    """Returns weights by name, and names that several variables claim."""
    variables = {}
    claims = {}
    for variable in model.weights:
        path = _strip_model_names(model, variable.path)
        parts = path.split("/")
        ends = ["/".join(parts[i:]) for i in range(len(parts))]
        name = next((end for end in ends if end in names), path)
        if variables.setdefault(name, variable) is not variable:
            claims.setdefault(name, [variables[name].path]).append(
                variable.path
            )
    ambiguous = [(name, ", ".join(paths)) for name, paths in claims.items()]
    return variables, ambiguous


def _strip_model_names(model, path):
    backbone = getattr(model, "backbone", None)
    for part in (model, backbone):
        if part is not None:
            path = path.removeprefix(f"{part.name}/")
    return path


def _message(model, source, problems, hint):
    """Lays out all problems, one a line, and the way out."""
    name_width = max(len(name) for _, name, _ in problems)
    lines = [f"'{source}' does not fit {_describe(model)}."]
    lines += [
        f"  {problem:<9} {name:<{name_width}}  {detail}"
        for problem, name, detail in problems
    ]
    for problem, pattern, way_out in WAYS_OUT:
        if any(p == problem and matches(n, [pattern]) for p, n, _ in problems):
            lines.append(way_out)
    return "\n".join(lines + ([hint] if hint else []))


def _describe(model):
    """Returns the class and the size, `LongformerBackbone (12 layers, ...)`."""
    backbone = getattr(model, "backbone", model)
    num_layers = getattr(backbone, "num_layers", None)
    hidden_dim = getattr(backbone, "hidden_dim", None)
    name = type(model).__name__
    if num_layers is None or hidden_dim is None:
        return name
    layers = "1 layer" if num_layers == 1 else f"{num_layers} layers"
    return f"{name} ({layers}, width {hidden_dim})"
