"""Command-line tools around the pipeline: corpora, vocabularies, reports."""
