"""Prediction by partial matching, the best of small compressors for texts.

Cleary and Witten, 1984; escapes by Moffat's method C (1990) and Howard's method
D (1993); with exclusion, and updates of no shorter context than the one that
knew the byte.
"""

import math

METHODS = ("C", "D")
ALPHABET = 256


class PartialMatching:
    """Predicts a byte from the longest context that was seen before.

    A context that has not seen what follows escapes to the next shorter one,
    down to none, and at last to all bytes alike. A shorter context does not
    count bytes that a longer one would have known.

    Args:
        order: int, the bytes of the longest context.
    """

    def __init__(self, order: int = 5):
        self.order = order
        # Of each length, what followed each context, and how often.
        self.counts = [{} for _ in range(order + 1)]
        self.history = b""

    def update(self, byte: int) -> None:
        """Learns one more byte."""
        history = self.history
        for length in range(len(history), -1, -1):
            context = history[len(history) - length :]
            seen = self.counts[length].get(context)
            if seen is None:
                self.counts[length][context] = {byte: 1}
            elif byte in seen:
                seen[byte] += 1
                break
            else:
                seen[byte] = 1
        history += bytes((byte,))
        self.history = history[-self.order :] if self.order else b""

    def train(self, text: bytes) -> None:
        """Learns a text."""
        for byte in text:
            self.update(byte)

    def probability(self, byte: int, method: str = "D") -> float:
        """Returns that of a byte to be the next one.

        Args:
            byte: int.
            method: one of `METHODS`. Of `n` bytes in a context of which `q`
                are different, one that came `c` times has

                    C    c / (n + q)          all others together  q / (n + q)
                    D    (c - 1 / 2) / n                           q / (2 n)
        """
        history, excluded, result = self.history, set(), 1.0
        for length in range(len(history), -1, -1):
            seen = self.counts[length].get(history[len(history) - length :])
            if seen is None:
                continue
            if excluded:
                seen = {b: c for b, c in seen.items() if b not in excluded}
                if not seen:
                    continue
            total, kinds = sum(seen.values()), len(seen)
            if len(excluded) + kinds == ALPHABET:  # Nothing to escape to.
                if method == "C":
                    return result * seen[byte] / total
                return result * (seen[byte] - 0.5) / (total - kinds / 2)
            if byte in seen:
                if method == "C":
                    return result * seen[byte] / (total + kinds)
                return result * (seen[byte] - 0.5) / total
            if method == "C":
                result *= kinds / (total + kinds)
            else:
                result *= kinds / (2 * total)
            excluded.update(seen)
        return result / (ALPHABET - len(excluded))

    def bits(self, text: bytes) -> dict[str, float]:
        """Returns what a text costs by each method; it is learned on the way.

        Each byte is predicted from those before it alone.
        """
        costs = dict.fromkeys(METHODS, 0.0)
        for byte in text:
            for method in METHODS:
                costs[method] -= math.log2(self.probability(byte, method))
            self.update(byte)
        return costs
