"""Trained models as programs use them: text in, labels out."""
