"""Labels texts with a trained model, from the folder that holds it.

  from serving import text_model

  model = text_model.load('student')
  for prediction in model.predict(['a fine film', 'two dull hours']):
    print(prediction.label, prediction.probabilities)

Tested by `tests/serving/text_model_test.py`.
"""

import concurrent.futures
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data.records import memory_batches
from data.tasks import label_order, text_encoding
from data.text.tokenization import BertTokenizer
from modeling.checkpoints import (
  export_file,
  loading,
  location,
  stored_weights,
  tokenizer_files,
)
from modeling.checkpoints.file_names import VOCAB
from modeling.checkpoints.location import Checkpoint
from modeling.checkpoints.model_file import ModelFile, TaskRecord
from modeling.configs import BertConfig
from modeling.models import Classifier, released_variables
from serving import export_folder
from serving.direct_ops import direct_ops
from serving.model import Model, Text
from system import files
from system.errors import UserError
from training import calibration
from training.predictor import Predictor

# Google's format does not record the maximum input length.
_MAX_SEQ_LENGTH = 128


class TextModel(Model):
  """A classifier or regressor that TensorFlow computes; `load` makes it.

  Attributes:
    classifier: the model with its weights.
  """

  def __init__(
    self, classifier: Classifier, tokenizer: BertTokenizer, **attributes
  ):
    """Takes the parts of a model.

    Args:
      classifier: with its weights.
      tokenizer: the model's.
      **attributes: those of `Model`.
    """
    super().__init__(**attributes)
    self._tokenizer = tokenizer
    self.classifier = classifier
    self._predictor = Predictor(classifier)
    strings = tf.TensorSpec([None], tf.string)
    # By the number of texts in an input. Traced when they are first called.
    self._traced = {
      count: tf.function(self._encode, [strings] * count, autograph=False)
      for count in (1, 2)
    }
    self._is_first_call = True

  def _logits(
    self, texts: Sequence[Text], are_pairs: bool, batch_size: int
  ) -> np.ndarray:
    columns = zip(*texts, strict=True) if are_pairs else [texts]
    columns = [tf.constant(column) for column in columns]
    # The first answer does not wait for tracing, which pays off later only.
    # Without a graph, the last digits may differ.
    if self._is_first_call:
      self._is_first_call = False
      with direct_ops():
        encoded = self._encode(*columns)
        if len(texts) <= batch_size:
          return self._untraced_logits(*encoded)
    else:
      encoded = self._traced[len(columns)](*columns)
    batches = memory_batches.batches(*encoded, batch_size, self.max_seq_length)
    return self._predictor.predict(batches, len(texts), lambda _: None)

  def _untraced_logits(
    self, ids: tf.RaggedTensor, segments: tf.RaggedTensor
  ) -> np.ndarray:
    """Computes the logits of one batch, float32 [N, C]."""
    features = {
      'input_ids': ids.to_tensor(),
      'input_mask': tf.sequence_mask(ids.row_lengths(), dtype=tf.int32),
      'segment_ids': segments.to_tensor(),
    }
    return self.classifier(features)['logits'].numpy()

  def _encode(
    self, first: tf.Tensor, second: tf.Tensor | None = None
  ) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    return text_encoding.encode_texts(
      self._tokenizer, first, second, self.max_seq_length
    )


@direct_ops()
def load(path: str) -> TextModel:
  """Loads a trained model.

  Args:
    path: its folder, the folder of a run (its best checkpoint, else its last),
      or a checkpoint's prefix; see `location.locate`.

  Raises:
    UserError: there is no such checkpoint, or it has no head for a task, or
      what belongs to it is missing, damaged or contradictory.
  """
  checkpoint = location.locate(path)
  num_outputs = stored_weights.num_outputs(checkpoint)
  config = checkpoint.required_config()
  recorded = checkpoint.model_record() or ModelFile()
  task = recorded.task
  labels = labels_of(checkpoint, task, num_outputs)
  classifier, tokenizer = _load_parts(checkpoint, config, num_outputs)
  return TextModel(
    classifier,
    tokenizer,
    labels=labels,
    takes_pairs=task.is_pair if task else _takes_pairs(checkpoint),
    max_seq_length=(
      recorded.max_seq_length or longest_input(checkpoint, config)
    ),
    temperature=calibration.temperature_of(checkpoint),
  )


def _takes_pairs(checkpoint: Checkpoint) -> bool | None:
  """Returns whether inputs are pairs, as an export without labels says."""
  if not checkpoint.is_hugging_face:
    return None
  return export_file.read(checkpoint.folder).takes_pairs


def longest_input(checkpoint: Checkpoint, config: BertConfig) -> int:
  """Returns the maximum input length of a checkpoint without a model.json."""
  folder = checkpoint.folder
  if checkpoint.is_hugging_face:
    longest = export_folder.longest_input(folder)
  else:
    longest = export_folder.of_tokenizer(folder) or _MAX_SEQ_LENGTH
  return min(longest, config.max_position_embeddings)


def _load_parts(
  checkpoint: Checkpoint, config: BertConfig, num_outputs: int
) -> tuple[Classifier, BertTokenizer]:
  """Makes the classifier and the tokenizer while it checks the files."""
  with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
    # Checksums leave Python's lock to the other steps.
    check = pool.submit(checkpoint.check_checksums)
    # The checkpoint replaces every initial weight, so random ones would be
    # wasted.
    classifier = Classifier(config, num_outputs, seed=None)
    try:
      tokenizer = tokenizer_of(checkpoint, config)
    except UserError:
      check.result()  # A file that was changed is the better explanation.
      raise
    loading.load_released(
      checkpoint,
      released_variables(classifier),
      loading.everything,
      check_checksums=check.result,
    )
  return classifier, tokenizer


def labels_of(
  checkpoint: Checkpoint, task: TaskRecord | None, num_outputs: int
) -> tuple[str, ...]:
  """Returns the labels of a model in the order of the logits.

  Args:
    checkpoint: the model's.
    task: what model.json records; None if there is no such file.
    num_outputs: C, the number of the logits.

  Returns:
    C labels; none if the model is a regressor.

  Raises:
    UserError: the labels are not named, or are not C.
  """
  labels = task.labels if task else _labels_beside(checkpoint, num_outputs)
  if num_outputs != (len(labels) or 1):
    raise UserError(
      f'{checkpoint.prefix} has a head with {num_outputs} outputs, but '
      f'{len(labels)} labels are recorded next to it'
    )
  return labels


def _labels_beside(checkpoint: Checkpoint, num_outputs: int) -> tuple[str, ...]:
  """Returns the labels of a folder without model.json."""
  if num_outputs == 1:
    return ()
  folders = location.label_folders(checkpoint.prefix)
  if known := label_order.find(folders):
    return known[1]
  if labels := export_file.read(checkpoint.folder).labels:
    return labels
  raise UserError(
    f'there is neither model.json nor {label_order.FILE} next to '
    f'{checkpoint.prefix}: the names of its {num_outputs} labels are unknown'
  )


def tokenizer_of(checkpoint: Checkpoint, config: BertConfig) -> BertTokenizer:
  """Returns the tokenizer of the files next to a checkpoint.

  Raises:
    UserError: the vocabulary is missing or larger than the model's, or a file
      says that text is split otherwise than by BERT.
  """
  folder = checkpoint.folder
  if not (vocab_file := checkpoint.vocab_file):
    advice = ''
    if files.exists(os.path.join(folder, tokenizer_files.WHOLE)):
      advice = (
        f', only {tokenizer_files.WHOLE}, which `python -m '
        'tools.import_hugging_face` reads'
      )
    raise UserError(f'there is no {os.path.join(folder, VOCAB)}{advice}')
  casing = checkpoint.casing()
  do_lower_case = casing[1] if casing else True
  tokenizer_files.check(folder, do_lower_case)
  tokenizer = BertTokenizer(vocab_file, do_lower_case)
  if tokenizer.vocab_size > config.vocab_size:
    raise UserError(
      f'{vocab_file} has {tokenizer.vocab_size} tokens, but the model has '
      f'{config.vocab_size} ids'
    )
  return tokenizer
