"""Byte-level BPE: RoBERTa's and Longformer's tokenizer."""
