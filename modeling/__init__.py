"""The model: configuration, layers, encoder and heads."""
