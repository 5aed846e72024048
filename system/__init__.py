"""Files, errors, settings, progress and threads: nothing specific to BERT."""
