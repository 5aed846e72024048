"""Small scripts around the pipeline: import, export, corpora, reports."""
