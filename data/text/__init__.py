"""Text: corpora of any format read as documents, and BERT's tokenizer."""
