"""Which implementations calls of window attention took, for reports."""

import collections

_counts = collections.Counter()


def note(implementation: str, reason: str | None = None) -> None:
    """Counts a call, or the making of a graph with one.

    Args:
        implementation: its name.
        reason: why it is not the kernel, where nobody named it.
    """
    _counts[implementation, reason] += 1


def now() -> collections.Counter:
    """What was counted in this process, for `sentence` to leave out."""
    return collections.Counter(_counts)


def sentence(before: collections.Counter | None = None) -> str:
    """Says which implementations calls took, and why the kernel not.

    Args:
        before: what `now` returned; calls until then do not count.
    """
    taken = [*(_counts - (before or collections.Counter()))]
    parts = []
    for name in sorted({name for name, _ in taken}):
        reasons = sorted(why for other, why in taken if other == name and why)
        why = f" (not `native`: {'; '.join(reasons)})" if reasons else ""
        parts.append(f"`{name}`{why}")
    return f"Attention by {' and '.join(parts) or 'nothing'}."
