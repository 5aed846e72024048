"""Checkpoints in released BERT's format: find, read, write, initialise from.

location        which checkpoint a path names, and the files beside it
recorded_casing whether its text was lower-cased
tensor_bundle   a TensorFlow checkpoint's two files
hugging_face    the names, layout and configuration of Hugging Face's models
pytorch_file    the tensors of a pytorch_model.bin, without running code
tokenizer_files what a Hugging Face folder says about its tokenizer
initialisation  which weights of a checkpoint a model starts from
load_report     which variables a checkpoint initialised
loading         checkpoint → model
exporting       model → checkpoint
"""
