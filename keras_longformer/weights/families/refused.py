"""Encoders that people ask for and that no Longformer can be made of: why."""

# By Hugging Face's `model_type`. What is not here is refused without a reason.
REFUSED = {
    "roberta-prelayernorm": "normalises before each sublayer, where a "
    "Longformer's blocks normalise after it",
    "distilbert": "has no token types, and names of its own that are not read "
    "here",
    "albert": "shares one block among its layers, and its embeddings have "
    "another width",
    "mpnet": "adds a relative position bias to the scores of its attention",
    "deberta": "scores contents and relative positions apart in its attention",
    "deberta-v2": "scores contents and relative positions apart in its "
    "attention",
    "big_bird": "has random and block attention, and it is long already",
    "nystromformer": "approximates its attention, and it is long already",
    "led": "is an encoder with a decoder: take LongformerSeq2SeqLM",
    "bart": "is an encoder with a decoder: take LongformerSeq2SeqLM",
    "mbart": "is an encoder with a decoder",
    "t5": "is an encoder with a decoder, and its positions are relative",
    "modernbert": "has rotary positions, and it is long already",
    "nomic_bert": "has rotary positions, and it is long already",
    "new": "has rotary positions, and it is long already",
    "rembert": "has embeddings of another width than its layers",
    "xlnet": "has relative positions",
    "funnel": "pools its sequence from layer to layer",
    "ernie": "has a fourth embedding, of tasks",
    "nezha": "has relative positions",
    "roformer": "has rotary positions",
    "esm": "normalises before each sublayer, and reads proteins",
    "xlm": "has other blocks and embeddings of languages",
    "xlm-roberta-xl": "normalises before each sublayer, where a Longformer's "
    "blocks normalise after it",
    "xmod": "has adapters in its layers, one for each language",
    "ibert": "is made for integer arithmetic",
    "mobilebert": "has bottlenecks in its layers",
    "squeezebert": "has grouped convolutions for its dense layers",
    "data2vec-text": "has names of its own that are not read here",
    "gpt2": "is a decoder",
    "llama": "is a decoder",
}
