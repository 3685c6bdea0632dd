"""What the arguments of several commands have in common."""

import argparse
import json


def count(text: str) -> int:
    """Returns a number of things, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def part(text: str) -> float:
    """Returns a part of a whole, for argparse."""
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError("must be from 0 to less than 1")
    return value


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds `--json`."""
    parser.add_argument(
        "--json", action="store_true", help="write the result as one line"
    )


def write_result(result: dict, as_json: bool) -> None:
    """Writes a result to stdout: for a program, or for people."""
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
        return
    for name, value in result.items():
        said = f"{value:.4g}" if isinstance(value, float) else value
        print(f"{name.replace('_', ' '):24}{said}")


def add_lengths(group) -> None:
    """Adds what `from_preset` can change of any model."""
    group.add_argument(
        "--max-sequence-length",
        type=count,
        metavar="TOKENS",
        help="that the model can read (default: the preset's)",
    )
    group.add_argument(
        "--window-size",
        type=count,
        metavar="TOKENS",
        help="of the attention, both sides (default: the preset's)",
    )


def keywords(given: dict, *names: str) -> dict:
    """Takes those of `names` that were given out of `given`."""
    found = {name: given.pop(name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def add_task(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    """Adds `--task` and, where it is given, the options of its reader.

    Args:
        parser: of the command.
        arguments: list of str, those of the process; empty where another
            command was chosen.
    """
    parser.add_argument(
        "--task",
        required=True,
        metavar="NAME",
        help="what is learned, such as question_answering; or your own, as "
        "package.module:ClassName. With --help, its options are listed",
    )
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--task")
    name = early.parse_known_args(arguments)[0].task
    if name is None:
        return
    from keras_longformer.finetune import finding

    try:
        _, chosen = finding.find_fine_tuning(name)
    except (ImportError, ValueError) as error:
        parser.error(str(error))
    group = parser.add_argument_group(
        f"data of {name}", f"Files: {chosen.files}."
    )
    for option in chosen.options:
        _add_option(group, option)
    own = {option.name for option in chosen.options}
    for _, other in finding.fine_tunings().values():
        for option in other.options:
            if option.name not in own:
                own.add(option.name)
                _refuse_option(parser, option, name)


def task_options(given: dict) -> dict:
    """Takes the options of the task's reader that were given."""
    found = {
        name: given.pop(name) for name in list(given) if name.startswith("of:")
    }
    return {
        name.removeprefix("of:"): value
        for name, value in found.items()
        if value is not None
    }


def _flag(option):
    return f"--{option.name.replace('_', '-')}"


def _add_option(group, option):
    how = {"type": option.kind, "metavar": "COLUMN"}
    if option.kind is bool:
        how = {"action": "store_const", "const": True}
    group.add_argument(
        _flag(option), dest=f"of:{option.name}", help=option.help, **how
    )


def _refuse_option(parser, option, task):
    class Refuse(argparse.Action):
        def __call__(self, parser, namespace, values, option_string=None):
            parser.error(f"{option_string} is not for --task {task}")

    parser.add_argument(
        _flag(option),
        dest=f"of:{option.name}",
        action=Refuse,
        nargs="?",
        help=argparse.SUPPRESS,
    )
