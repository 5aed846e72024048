"""Text: the tokenizer, and corpora in any format as documents."""
