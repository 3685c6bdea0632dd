"""RoBERTa's special tokens."""

START, PAD, END, UNKNOWN, MASK = "<s>", "<pad>", "</s>", "<unk>", "<mask>"
SPECIAL_TOKENS = (START, PAD, END, UNKNOWN, MASK)
