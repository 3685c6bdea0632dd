"""What a folder of sentence-transformers says besides its encoder.

modules.json                        the modules, one after the other
0_Transformer/ (or the folder)      a Hugging Face folder
1_Pooling/config.json               how tokens become one vector
2_Normalize/                        that vectors get length 1
"""

from collections.abc import Callable
from dataclasses import dataclass

from keras_longformer.weights.files import parse_json

MODULES = "modules.json"
POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "start",
}


@dataclass(frozen=True)
class Sentence:
    """How sentence-transformers makes an embedding of hidden states.

    Attributes:
        pooling: `"mean"` or `"start"`, or `None`: another one.
        normalize: bool, whether embeddings get length 1.
        problems: list of str, what our embedder cannot do.
    """

    pooling: str | None
    normalize: bool
    problems: tuple[str, ...] = ()


def encoder_folder(modules: list) -> str:
    """Returns the path of the encoder within the folder, "" for itself."""
    for module in modules:
        if _kind(module) == "Transformer":
            return module.get("path", "")
    return ""


def read_modules(path: str) -> list:
    """Returns what `modules.json` lists.

    Raises:
        ValueError: it holds something else.
    """
    modules = parse_json(path)
    if not isinstance(modules, list) or not all(
        isinstance(module, dict) for module in modules
    ):
        raise ValueError(
            f"'{path}' must list the modules of sentence-transformers."
        )
    for module in modules:
        inner = module.get("path", "")
        if (
            not isinstance(inner, str)
            or inner.startswith("/")
            or {*"\\:\0"} & {*inner}
            or ".." in inner.split("/")
        ):
            raise ValueError(
                f"'{path}' must name folders beside it. "
                f"Received: {module['path']!r}."
            )
    return modules


def read_sentence(modules: list, read: Callable[[str], dict]) -> Sentence:
    """Reads how embeddings are made.

    Args:
        modules: what `modules.json` lists.
        read: function of a path within the folder to the dict of that JSON
            file, empty where there is none.
    """
    pooling, normalize, problems = None, False, []
    for module in modules:
        kind, path = _kind(module), module.get("path", "")
        if kind == "Pooling":
            config = read(f"{path}/config.json")
            modes = [
                name
                for name, value in config.items()
                if name.startswith("pooling_mode_") and value
            ]
            if len(modes) == 1 and modes[0] in POOLINGS:
                pooling = POOLINGS[modes[0]]
            else:
                problems.append(
                    f"pools by {' and '.join(modes) or 'nothing'}, and not by "
                    "the mean of the tokens or the first one"
                )
        elif kind == "Normalize":
            normalize = True
        elif kind != "Transformer":
            problems.append(f"has a module {module.get('type')!r}")
    if read("sentence_bert_config.json").get("do_lower_case"):
        problems.append("lower-cases texts (do_lower_case)")
    return Sentence(pooling, normalize, tuple(problems))


def _kind(module):
    return str(module.get("type", "")).rpartition(".")[2]
