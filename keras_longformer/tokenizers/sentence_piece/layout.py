"""Which id each piece of a SentencePiece model has, as data.

    XLM-RoBERTa   <s> <pad> </s> <unk>        pieces from the fourth on   <mask>
    CamemBERT     <s>NOTUSED <pad> </s>NOTUSED <unk> <unk>NOTUSED
                                              pieces from the second on   <mask>
    plain         the pieces, as the model has them

fairseq put its own special tokens before the model's, and left out the model's
first three (`<unk>`, `<s>`, `</s>`); CamemBERT's kept two of these as well.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class IdLayout:
    """Which id each token has, and which tokens stand where in a row.

    Attributes:
        head: tuple of str, the tokens with the ids 0, 1, ...
        replaced: int, how many of the model's first pieces have no id of their
            own because `head` has them.
        tail: tuple of str, the tokens after the model's last piece.
        start_token, end_token, pad_token, unk_token, mask_token: str, one of
            all these or an added one; `mask_token` may be `None`.
        others: tuple of str, tokens besides that no text may hold by default,
            such as `bos_token` where rows begin with another.
    """

    head: tuple[str, ...] = ()
    replaced: int = 0
    tail: tuple[str, ...] = ()
    start_token: str = "<s>"
    end_token: str = "</s>"
    pad_token: str = "<pad>"
    unk_token: str = "<unk>"
    mask_token: str | None = "<mask>"
    others: tuple[str, ...] = ()

    def ids(self, pieces: Sequence[str]) -> dict[str, int]:
        """Returns the id of each token, where a model has these pieces.

        Raises:
            ValueError: two tokens are the same.
        """
        tokens = [*self.head, *pieces[self.replaced :], *self.tail]
        ids = {token: i for i, token in enumerate(tokens)}
        if len(ids) < len(tokens):
            again = [t for i, t in enumerate(tokens) if ids[t] != i]
            raise ValueError(
                f"The layout gives tokens two ids each: {again[:10]}. Is it "
                "that of another model?"
            )
        return ids

    def special_tokens(self) -> tuple[str, ...]:
        """Returns all tokens that stand for no text, in order, once each."""
        named = (self.start_token, self.end_token, self.pad_token)
        named += (self.unk_token, self.mask_token, *self.others)
        tokens = (*self.head, *(t for t in named if t is not None), *self.tail)
        return tuple(dict.fromkeys(tokens))

    def get_config(self) -> dict:
        """Returns the attributes as JSON has them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }


XLM_ROBERTA = IdLayout(
    head=("<s>", "<pad>", "</s>", "<unk>"), replaced=3, tail=("<mask>",)
)
CAMEMBERT = IdLayout(
    head=("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED"),
    replaced=1,
    tail=("<mask>",),
)
LAYOUTS = {"xlm_roberta": XLM_ROBERTA, "camembert": CAMEMBERT}


def as_layout(layout: "str | Mapping | IdLayout") -> IdLayout:
    """Returns a layout that is given by name, as a config, or as it is.

    Raises:
        ValueError: an unknown name or attribute.
        TypeError: something else.
    """
    if isinstance(layout, IdLayout):
        return layout
    if isinstance(layout, str):
        if layout not in LAYOUTS:
            raise ValueError(
                f"`layout` must be one of {list(LAYOUTS)}, or an IdLayout. "
                f"Received: layout={layout!r}"
            )
        return LAYOUTS[layout]
    if not isinstance(layout, Mapping):
        raise TypeError(
            "`layout` must be a name, an IdLayout or its config. "
            f"Received: {type(layout).__name__}"
        )
    known = {field.name for field in dataclasses.fields(IdLayout)}
    if not known >= set(layout):
        raise ValueError(
            f"`layout` has the keys {sorted(known)}. "
            f"Received: {sorted(set(layout) - known)}"
        )
    return IdLayout(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in layout.items()
        }
    )
