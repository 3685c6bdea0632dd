"""SentencePiece: XLM-RoBERTa's and CamemBERT's tokenizer."""
