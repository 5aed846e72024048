"""Checkpoints in released BERT's format: find, read, write, initialise from.

location        which checkpoint a path names, and the files next to it
model_file      model.json: how the model was trained, and checksums
embedded_encoder  the encoder that comes with this project
recorded_casing whether its text was lower-cased
tensor_bundle   a TensorFlow checkpoint's two files
bundle_check    whether both are complete
file_names      names of a checkpoint's files, and of those that describe it
hugging_face    the names, layout and configuration of Hugging Face's models
hugging_face_reader  a BERT in a Hugging Face folder
object_graph    the graph of objects in a TensorFlow 2 checkpoint
tf_models       the names, layout and settings of tf-models-official's BERT
tf_models_reader  a BERT in a checkpoint of tf-models-official
safetensors_file  the tensors of a model.safetensors
pytorch_file    the tensors of a pytorch_model.bin, without running code
tokenizer_files what a Hugging Face folder says about its tokenizer
released_names  names of released BERT's variables
initialisation  which weights of a checkpoint a model starts from
start_check     whether a model can start from a checkpoint
stored_weights  checkpoint → weights by their released names
load_report     which variables a checkpoint initialised
loading         checkpoint → model
exporting       model → checkpoint
pruning         weights without the rows of some tokens
"""
