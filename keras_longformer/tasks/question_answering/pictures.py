"""Pictures of how predicted spans lie to the right ones."""

from keras_longformer.tasks.pictures import BLUE
from keras_longformer.tasks.pictures import GREY
from keras_longformer.tasks.pictures import RED

SPAN_ERRORS = ("right", "within", "around", "overlaps", "beside")


def span_errors(axes, errors: list[str]) -> None:
    """Draws how predicted spans lie to the right ones."""
    shares = [
        100 * errors.count(kind) / max(len(errors), 1) for kind in SPAN_ERRORS
    ]
    bars = axes.barh(
        [
            "the answer itself",
            "within the answer",
            "around the answer",
            "overlaps the answer",
            "elsewhere",
        ],
        shares,
        color=[BLUE, GREY, GREY, GREY, RED],
    )
    axes.bar_label(bars, [f"{share:.0f} %" for share in shares], padding=4)
    axes.invert_yaxis()
    axes.set_xlim(0, 112)
    axes.set_xlabel("of the questions whose answer is in the context")
    axes.spines[["top", "right"]].set_visible(False)
