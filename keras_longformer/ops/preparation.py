"""What a training settles about its attention before it makes its model."""

from keras_longformer.ops import native
from keras_longformer.ops import native_cpu


def settle_default(before: str | None = None) -> str:
    """Says what runs where no implementation is named, and keeps to it.

    Where the CPU's kernel is not built, it is built now, in half a minute,
    so that the training and all that go on with it compute the same. The
    environment variable `KERAS_LONGFORMER_NATIVE` can say `off` or `built`.

    Args:
        before: `"native"` or `"chunked"`: what a training took that is to go
            on now. Its last bits depend on it.

    Returns:
        `"native"` or `"chunked"`. Another than `before` is printed.
    """
    if before == "chunked":
        native_cpu.leave()
    reason = native.reason_against_default(wait=True)
    now = "native" if reason is None else "chunked"
    if before not in (None, now):
        why = f": {reason}" if reason else ", as this process has decided"
        print(
            f"The training was begun with `{before}` attention and goes on "
            f"with `{now}`{why}. Its weights will not be the very same ones.",
            flush=True,
        )
    return now
