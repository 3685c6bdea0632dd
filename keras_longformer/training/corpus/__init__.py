"""Documents as shards of tokens."""
