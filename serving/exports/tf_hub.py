"""The format of TensorFlow Hub: an encoder, and the model that feeds it.

encoder/     a SavedModel that tf-models-official's own exporter writes:
             `input_word_ids`, `input_mask`, `input_type_ids`, int32 [B, S]
             → `pooled_output` and `default` [B, H], `sequence_output`
             [B, S, H], `encoder_outputs`, a list of L × [B, S, H], float32.
             With pre-training heads, `mlm` also takes `masked_lm_positions`
             [B, P], and also returns `mlm_logits` [B, P, V].
preprocess/  a SavedModel, see `preprocessing.Preprocessor`

The next-sentence head has no place in this format.
"""

import contextlib
import os
import tempfile
import warnings
from collections.abc import Iterator

import tensorflow as tf
from absl import logging

from modeling.checkpoints import object_graph
from modeling.checkpoints import tf_models as their
from serving.exports import heads, tf_models
from serving.exports.format import Format
from serving.exports.parts import Parts
from system import text_files

_ENCODER, _PREPROCESS = 'encoder', 'preprocess'
# The length of TensorFlow Hub's own preprocessing models.
_SEQ_LENGTH = 128


def write(parts: Parts, folder: str) -> None:
  """Writes a model into an existing folder.

  Raises:
    UserError: tf-models-official lacks the model's activation.
  """
  from official.nlp.configs import encoders

  from serving.exports.preprocessing import Preprocessor

  settings = their.their_config(parts.config)['bert']
  config = encoders.EncoderConfig(
    type='bert', bert=encoders.BertEncoderConfig(**settings)
  )
  _write_encoder(parts, config, os.path.join(folder, _ENCODER))
  seq_length = min(_SEQ_LENGTH, parts.max_seq_length)
  tf.saved_model.save(
    Preprocessor(parts.tokenizer, seq_length), os.path.join(folder, _PREPROCESS)
  )


def _write_encoder(parts: Parts, config, path: str) -> None:
  from official.nlp.tools import export_tfhub_lib

  with tempfile.TemporaryDirectory() as work:
    checkpoint = os.path.join(work, tf_models.CHECKPOINT)
    _write_checkpoint(parts, checkpoint)
    # It stores the vocabulary, for programs that have a tokenizer.
    vocab_file = os.path.join(work, 'vocab.txt')
    text_files.copy(parts.checkpoint.vocab_file, vocab_file)
    with _without_warnings():
      export_tfhub_lib.export_model(
        path,
        encoder_config=config,
        model_checkpoint_path=checkpoint,
        with_mlm=parts.head == heads.PRETRAINING,
        vocab_file=vocab_file,
        do_lower_case=parts.tokenizer.do_lower_case,
      )


def _write_checkpoint(parts: Parts, prefix: str) -> None:
  """Writes the weights that the exporter reads; others would be warned of."""
  kept = (f'{their.ENCODER}/', f'{their.MASKED_LM}/')
  variables = {
    path: value
    for path, value in tf_models.variables_of(parts).items()
    if path.startswith(kept)
  }
  is_alone = parts.head == heads.NONE
  aliases = {their.MODEL: their.ENCODER} if is_alone else {}
  object_graph.write(prefix, variables, aliases)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
  """Hides Keras' warnings, which concern only its own way to load a model."""
  verbosity = logging.get_verbosity()
  logging.set_verbosity(logging.ERROR)
  try:
    with warnings.catch_warnings():
      warnings.filterwarnings('ignore', 'Input dict contained keys')
      yield
  finally:
    logging.set_verbosity(verbosity)


_ENCODER_OUTPUTS = heads.OUTPUTS[heads.NONE]
FORMAT = Format(
  name='tf_hub',
  writer_packages=('official', 'tensorflow', 'tensorflow_text'),
  # tensorflow_hub needs pkg_resources.
  checker_packages=(
    *('pkg_resources', 'tensorflow', 'tensorflow_hub', 'tensorflow_text'),
    'tf_keras',
  ),
  checker='tf_hub.py',
  bound=1e-5,
  write=write,
  check=lambda parts: their.their_config(parts.config),
  heads=(heads.PRETRAINING, heads.NONE),
  may_import=('keras', 'tensorflow', 'tensorflow_text', 'tf_keras'),
  outputs={
    heads.PRETRAINING: {'prediction_logits': True, **_ENCODER_OUTPUTS},
    heads.NONE: _ENCODER_OUTPUTS,
  },
)
