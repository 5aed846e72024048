"""Data: text, tasks and record files, up to the batches that models read."""
