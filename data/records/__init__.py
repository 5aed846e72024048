"""Record files: their fields, order, serialization and batches."""
