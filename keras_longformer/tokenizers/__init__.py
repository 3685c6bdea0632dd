"""Text to token ids and back, in the graph."""

from keras_longformer.tokenizers.byte import (
    LongformerByteTokenizer as LongformerByteTokenizer,
)
from keras_longformer.tokenizers.byte_pair.tokenizer import (
    LongformerTokenizer as LongformerTokenizer,
)
from keras_longformer.tokenizers.contract import (
    GraphTokenizer as GraphTokenizer,
)
from keras_longformer.tokenizers.contract import Tokens as Tokens
from keras_longformer.tokenizers.opening import no_tokenizer as no_tokenizer
from keras_longformer.tokenizers.opening import open_tokenizer as open_tokenizer
from keras_longformer.tokenizers.sentence_piece.tokenizer import (
    LongformerSentencePieceTokenizer as LongformerSentencePieceTokenizer,
)
from keras_longformer.tokenizers.word_piece.tokenizer import (
    LongformerWordPieceTokenizer as LongformerWordPieceTokenizer,
)
