"""The sizes and the training of the paper's character language models.

Longformer: The Long-Document Transformer (arXiv 2004.05150v2), section 4.2
and Appendix B, Tables 12 and 13. 41 and 102 million weights besides the
embeddings.
"""

import dataclasses
from collections.abc import Sequence

from keras_longformer.training.phases import Phase

SOURCE = "arXiv 2004.05150v2, Appendix B"
# Of the optimizer, in all phases: AdamW.
WEIGHT_DECAY = 0.01
CLIP_NORM = 0.25
# Of the first phase: windows of the bottom and the top layer, tokens of a row,
# and rate; then rows of an update in each, and tokens of a row in the last.
WINDOWS = (32, 512)
LENGTH = 2_048
RATE = 2.5e-4
BATCH_SIZES = (32, 32, 16, 16, 16)
LONGEST = 23_040


@dataclasses.dataclass(frozen=True)
class Configuration:
    """One size.

    Attributes:
        backbone: dict of arguments of `LongformerDecoderBackbone`; with the
            windows of the last phase.
        phases: tuple of `Phase`, the staged training.
        source: str, where the numbers stand.
    """

    backbone: dict
    phases: tuple[Phase, ...]
    source: str = SOURCE


def growing_windows(bottom: int, top: int, num_layers: int) -> list[int]:
    """Returns a window for each layer, doubling from bottom to top.

    The paper says where they begin and end, and that their mean is 230 for 32
    to 512 in 12 layers. Doubling, with the layers that are over at the top,
    gives 229: 32 32 64 64 128 128 256 256 256 512 512 512.

    Args:
        bottom: even int, of the first layer.
        top: even int, of the last: `bottom` times a power of 2.
        num_layers: int.

    Raises:
        ValueError: another `top`.
    """
    sizes = [bottom]
    while sizes[-1] < top:
        sizes.append(2 * sizes[-1])
    if sizes[-1] != top:
        raise ValueError(
            "`top` must be `bottom` times a power of 2. Received: "
            f"bottom={bottom}, top={top}"
        )
    sizes = sizes[-num_layers:]
    each, over = divmod(num_layers, len(sizes))
    return [
        size
        for level, size in enumerate(sizes)
        for _ in range(each + (level >= len(sizes) - over))
    ]


def two_dilated_heads(gaps: list[int], num_heads: int) -> list:
    """Returns the dilation of each layer: on two heads, and 1 on the others.

    Args:
        gaps: list of int, of each layer: the tokens left out between two keys.
        num_heads: int.
    """
    return [
        1 if gap == 0 else [gap + 1] * 2 + [1] * (num_heads - 2) for gap in gaps
    ]


def staged_phases(
    window_size: int | Sequence[int],
    steps: Sequence[int],
    *,
    length: int | None = None,
    rate: float = RATE,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    warmup_steps: int | None = None,
) -> tuple[Phase, ...]:
    """Returns phases of twice the length and windows, and half the rate, each.

    Args:
        window_size: of the first phase, for all layers or for each.
        steps: updates of each phase; their number is that of the phases.
        length: int, tokens of a row of the first phase; by default the
            paper's: 2,048, and 23,040, not 32,768, in the last.
        rate: float, of the first phase.
        batch_sizes: rows of an update in each phase. Fewer than phases: the
            last stands for those after it.
        warmup_steps: int, of each phase; by default the paper's: a tenth, at
            most 10,000.
    """
    longest = LONGEST if length is None else None
    phases = []
    for i, count in enumerate(steps):
        phase_length = (length or LENGTH) * 2**i
        phases.append(
            Phase(
                length=min(phase_length, longest or phase_length),
                window_size=(
                    window_size * 2**i
                    if isinstance(window_size, int)
                    else [size * 2**i for size in window_size]
                ),
                rate=rate / 2**i,
                batch_size=batch_sizes[min(i, len(batch_sizes) - 1)],
                steps=count,
                warmup_steps=(
                    min(count // 10, 10_000)
                    if warmup_steps is None
                    else warmup_steps
                ),
            )
        )
    return tuple(phases)


def _configuration(gaps, dropout, steps) -> Configuration:
    phases = staged_phases(growing_windows(*WINDOWS, len(gaps)), steps)
    return Configuration(
        backbone={
            "num_layers": len(gaps),
            "num_heads": 8,
            "hidden_dim": 512,
            "intermediate_dim": 2048,
            "window_size": list(phases[-1].window_size),
            "dilation": two_dilated_heads(gaps, 8),
            "dropout": dropout,
        },
        phases=phases,
    )


CONFIGURATIONS = {
    "char_small": _configuration(
        [0] * 6 + [1] * 2 + [2] * 2 + [3] * 2,
        dropout=0.2,
        steps=(430_000, 50_000, 50_000, 35_000, 5_000),
    ),
    "char_large": _configuration(
        [0] * 15 + [1] * 5 + [2] * 5 + [3] * 5,
        dropout=0.4,
        steps=(350_000, 25_000, 10_000, 5_000, 5_000),
    ),
}
