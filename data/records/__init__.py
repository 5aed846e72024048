"""TFRecord files: fields, serialization, indexes, order and batches."""
