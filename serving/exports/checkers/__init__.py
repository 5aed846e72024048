"""Scripts that load an export without this project, and convert models.

Of those that load, those of saved_model, tf_models and tf_hub need TensorFlow;
the others must not import it. Each is run as a file in a process of its own;
`checking` says how.
"""
