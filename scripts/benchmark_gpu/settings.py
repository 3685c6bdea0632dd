"""Sizes, by how much time there is."""

import dataclasses

# Of the released models: 12 heads of 64, a window of 512, `<s>` global.
LENGTHS = tuple(1024 * 2**i for i in range(8))


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is run.

    Attributes:
        dry: bool, everything once in tiny sizes on the CPU, nothing timed.
        quick: bool, fewer lengths, tiles, dtypes and rounds.
        cases: names of cases to check, or `None` for all.
        largest_case: int, the longest case that is checked, or `None`.
        check_dtypes: of the cases that are in float32.
        lengths: n of the timed calls.
        tokens: int, b * n of a timed call, where n is shorter than that.
        batch_seconds: float, what is measured at a time.
    """

    dry: bool = False
    quick: bool = False
    cases: tuple | None = None
    largest_case: int | None = None
    check_dtypes: tuple = ("bfloat16", "float16", "float32")
    lengths: tuple = LENGTHS
    tokens: int = 32768
    heads: int = 12
    head_size: int = 64
    window_size: int = 512
    rounds: int = 7
    batch_seconds: float = 0.03
    tune_length: int = 16384
    tune_dtypes: tuple = ("bfloat16", "float16", "float32")
    matrix_size: int = 8192
    copy_bytes: int = 2**31

    @classmethod
    def choose(cls, *, dry, quick, **given):
        given = {k: v for k, v in given.items() if v is not None}
        if dry:
            defaults = dict(
                largest_case=40,
                check_dtypes=("float32",),
                lengths=(32,),
                tokens=32,
                heads=1,
                head_size=16,
                window_size=16,
                rounds=1,
                tune_length=32,
                tune_dtypes=("float32",),
                matrix_size=64,
                copy_bytes=2**12,
            )
        elif quick:
            defaults = dict(
                lengths=(1024, 4096, 16384, 65536),
                rounds=3,
                check_dtypes=("bfloat16",),
                tune_dtypes=("bfloat16",),
            )
        else:
            defaults = {}
        return cls(dry=dry, quick=quick, **(defaults | given))

    @property
    def dtype(self):
        """str, of what is timed; the interpreter cannot do bfloat16."""
        return "float32" if self.dry else "bfloat16"

    def problem(self, n, b=None):
        """Dict of `walk.Problem`'s arguments."""
        return {
            "n": n,
            "b": b or max(1, self.tokens // n),
            "h": self.heads,
            "d": self.head_size,
            "reach": self.window_size // 2,
        }
