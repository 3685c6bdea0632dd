"""The command line: arguments to one call each, a file a subcommand.

A subcommand's file has a docstring, which is its help, with examples;
`SUMMARY`, str; `add_arguments(parser, arguments)`; and `run(given)`, which
returns the exit code. It imports what is heavy inside `run`, so that `--help`
does not wait for TensorFlow.
"""
