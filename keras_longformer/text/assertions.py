"""Finds in what TensorFlow says of an error the sentence that matters."""

import ast
import re

# How a graph's `tf.debugging.Assert` begins, after where in the graph it is,
# and what follows all that it has to say.
_IN_GRAPH = re.compile(
    r"assertion failed: \[(.*?)\]\s*(?=\n\s*\[\[|\[Op:|\[\[\{\{|\Z)", re.DOTALL
)
_CONDITION = re.compile(
    r"\] \[Condition x [<>=!]+ y did not hold element-wise:\] "
    r"\[x \(.*?\) = \] \[(.*?)\] \[y \(.*?\) = \] \[(.*)",
    re.DOTALL,
)
# The same outside of graphs, where Keras adds what a layer was called with.
_EAGER = re.compile(
    r"Expected '.*?' to be true\. Summarized data: (.*?)(?=\x1b|\n\n|\Z)",
    re.DOTALL,
)
_EAGER_CONDITION = re.compile(
    r"(?:\A|\x1b\[1m)([^\n\x1b]*)\nCondition x [<>=!]+ y did not hold\..*?"
    r"elements of x:\n\[(.*?)\]\nFirst \d+ elements of y:\n\[(.*?)\]",
    re.DOTALL,
)
# What operations check themselves.
_INDEX = re.compile(
    r"indices(?:\[[\d,]*\])? = \[?-?\d+\]? is not in \[0, \d+\)"
)
_LABEL = re.compile(
    r"Received a label value of -?\d+ which is outside the valid range of "
    r"\[\d+, \d+\)"
)
_NODE = re.compile(r"Detected at node (\S+) defined|\{\{node ([^}\s]+)\}\}")


def sentence_of(message: str) -> str | None:
    """Returns what an error says in one sentence, `None` if that is unknown.

    Args:
        message: str, of an error of TensorFlow's: an assertion of ours, an id
            without a row in its table, or a label that no class has; with the
            graph and the stack around it.
    """
    found = _IN_GRAPH.search(message)
    if found:
        return _plain(_with_values(found.group(1)))
    found = _EAGER.search(message)
    if found:
        return " ".join(map(_evaluated, found.group(1).split("\n")))
    found = _EAGER_CONDITION.search(message)
    if found:
        return f"{found[1]} {found[2]}, {found[3]}."
    found = _INDEX.search(message)
    if found:
        return f"An id has no row in its table{_place(message)}: {found[0]}."
    found = _LABEL.search(message)
    return found and f"{found[0]}."


def _with_values(said):
    """A comparison's message ends where its numbers belong."""
    found = _CONDITION.search(said)
    if found is None:
        return said.replace("] [", " ")
    return f"{said[: found.start()]} {found[1]}, {found[2]}."


def _place(message):
    found = _NODE.search(message)
    if found is None:
        return ""
    parts = (found[1] or found[2]).split("/")
    # The last is the operation's.
    return f", in '{parts[-2]}'" if len(parts) > 1 else ""


def _evaluated(said):
    """A string as Python shows one of bytes, or a number."""
    if not said.startswith(("b'", 'b"')):
        return said
    try:
        return ast.literal_eval(said).decode("utf-8", "replace")
    except (SyntaxError, ValueError):  # Cut short.
        return said


def _plain(said):
    """TensorFlow writes strings as C does, each byte of its own."""
    try:
        said = said.encode().decode("unicode_escape").encode("latin-1")
    except (UnicodeDecodeError, UnicodeEncodeError):
        return said
    return said.decode("utf-8", "replace")
