"""Makes Longformers, trains, measures, asks and serves them.

    keras-longformer convert path/to/roberta-base longformer-base
    keras-longformer pretrain --preset path/to/roberta-base --train *.txt \\
        --max-sequence-length 4096 --output pretrained
    keras-longformer finetune --task text_classification --train train.csv \\
        --preset longformer-base --output reviews --export
    keras-longformer predict reviews/model folder-of-texts --output answers.csv
    keras-longformer COMMAND --help

Exit codes: 0 all is done; 1 something failed, and stderr says what; 2 the
arguments cannot be.
"""

import argparse
import importlib
import os
import sys
from importlib import metadata

COMMANDS = (
    "convert",
    "prepare-corpus",
    "pretrain",
    "finetune",
    "evaluate",
    "predict",
    "export",
    "verify",
    "ask",
    "prepare-triviaqa",
)


def main(arguments: list[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: list of str; by default the process's.

    Returns:
        The exit code, 0 or 1.

    Raises:
        SystemExit: 0 after `--help` and `--version`, 2 for arguments that
            cannot be.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser, modules = _parser(arguments)
    given = vars(parser.parse_args(arguments))
    name = given.pop("command")
    try:
        return modules[name].run(given) or 0
    except KeyboardInterrupt:
        print(f"keras-longformer {name}: interrupted", file=sys.stderr)
        return 1
    except _failures() as error:
        print(f"keras-longformer {name}: {_said(error)}", file=sys.stderr)
        return 1


def _parser(arguments):
    parser = argparse.ArgumentParser(
        prog="keras-longformer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {_version()}"
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND"
    )
    modules = {}
    chosen = next((x for x in arguments if not x.startswith("-")), None)
    for name in COMMANDS:
        module = importlib.import_module(
            f"keras_longformer.cli.{name.replace('-', '_')}"
        )
        modules[name] = module
        command = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(command, arguments if name == chosen else [])
    return parser, modules


def _failures():
    """What is the user's to mend; anything else is a fault, with its trace."""
    failures = (ImportError, OSError, ValueError, RuntimeError)
    if "tensorflow" in sys.modules:
        failures += (sys.modules["tensorflow"].errors.OpError,)
    return failures


def _said(error):
    message = getattr(error, "message", None) or str(error)
    return message.strip() or type(error).__name__


def _version():
    try:
        return metadata.version("keras_longformer")
    except metadata.PackageNotFoundError:
        return "(run from a checkout)"
