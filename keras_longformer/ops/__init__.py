"""The attention operation and its implementations.

One notation holds in docstrings, comments, einsums, C++ and tests:

| letter | meaning | letter | meaning |
|---|---|---|---|
| `b` | batch | `n` | sequence length |
| `h` | heads | `d` | size of one head |
| `q` | query position | `k` | key position |
| `m` | model width | `f` | feed-forward width |
| `c` | chunks | `g` | global tokens, padded to the most in the batch |
| `v` | vocabulary | | |

Attention tensors are `(b, n, h, d)`, scores `(b, h, q, k)`.

`window_size` is the paper's *w*: both sides of a token together, even. Inside,
`reach = window_size // 2` tokens on each side, so a token sees
`2 * reach + 1` keys.
"""

from keras_longformer.ops.attention import IMPLEMENTATIONS as IMPLEMENTATIONS
from keras_longformer.ops.attention import window_attention as window_attention
from keras_longformer.ops.preparation import settle_default as settle_default
