"""Encoders that people ask for and that no Longformer can be made of: why."""

# By Hugging Face's `model_type`. What is not here is refused without a reason.
REFUSED = {
    "roberta-prelayernorm": "normalises before each sublayer, where a "
    "Longformer's blocks normalise after it",
    "distilbert": "has neither token types nor BERT's names, and its blocks "
    "would have to be renamed",
    "albert": "shares one block among its layers, and its embeddings have "
    "another width",
    "mpnet": "adds a relative position bias to the scores of its attention",
    "deberta": "has no absolute positions: its attention is disentangled",
    "deberta-v2": "has no absolute positions: its attention is disentangled",
    "big_bird": "has random and block attention, and it is long already",
    "nystromformer": "approximates its attention, and it is long already",
    "led": "is an encoder with a decoder",
    "bart": "is an encoder with a decoder",
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
    "ibert": "computes with integers",
    "mobilebert": "has bottlenecks in its layers",
    "squeezebert": "has grouped convolutions for its dense layers",
    "data2vec-text": "has other names, and was not compared",
    "gpt2": "is a decoder",
    "llama": "is a decoder",
}
