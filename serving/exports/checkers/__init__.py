"""Scripts that load an export without this project, and convert models.

The scripts that load the exports saved_model, tf_models and tf_hub need
TensorFlow; the other loading scripts must not import it. Each runs as a file in
a separate process; `checking` says how.
"""
