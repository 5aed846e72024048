"""Labels texts with a LiteRT export: ai-edge-litert, no TensorFlow.

The folder is one of `tools.export_model --format=litert`; `FILES` names its
models. Each takes one text of a fixed length.

Tested by `tests/serving/litert_model_test.py`.
"""

import threading
from collections.abc import Mapping, Sequence

import numpy as np

from modeling.checkpoints import export_file
from serving import export_folder, padded_batches, tokenizer_file
from serving.model import Model, Text
from serving.tokenizer_file import TokenizerFile
from system import files
from system.errors import UserError, reason_of

# The kinds of models; the first is always there.
FILES = {
  'float32': 'model.tflite',
  'float16': 'model_float16.tflite',
  'dynamic': 'model_dynamic.tflite',
  'static': 'model_static.tflite',
}
PACKAGES = ('ai_edge_litert', tokenizer_file.PACKAGE)
INPUTS = ('input_ids', 'input_mask', 'input_type_ids')
_OUTPUT = 'logits'


class LitertModel(Model):
  """A classifier or regressor that LiteRT computes; `load` makes it."""

  def __init__(self, runner, tokenizer: TokenizerFile, **attributes):
    """Takes the parts of a model.

    Args:
      runner: runs the signature of an `ai_edge_litert` interpreter.
      tokenizer: cuts its inputs at `max_seq_length`.
      **attributes: those of `Model`.
    """
    super().__init__(**attributes)
    self._runner = runner
    # An interpreter has one set of tensors.
    self._lock = threading.Lock()
    self._tokenizer = tokenizer

  def _logits(
    self, texts: Sequence[Text], are_pairs: bool, batch_size: int
  ) -> np.ndarray:
    del batch_size  # A model takes one text.
    ids, segments = self._tokenizer.encode(texts, are_pairs)
    return padded_batches.run(
      self._run, ids, segments, 1, self._tokenizer.pad_id
    )

  def _run(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
    pad_id = self._tokenizer.pad_id
    inputs = padded(features, self.max_seq_length, pad_id)
    with self._lock:
      return self._runner(**inputs)[_OUTPUT]


def padded(
  features: Mapping[str, np.ndarray], length: int, pad_id: int = 0
) -> dict[str, np.ndarray]:
  """Returns the inputs of a model.

  Args:
    features: `input_ids`, `attention_mask` and `token_type_ids`, int [N, s].
    length: S, at least s.
    pad_id: fills `input_ids`; the other two are filled with 0.

  Returns:
    Each of `INPUTS`, int32 [N, S].
  """
  fills = (pad_id, 0, 0)
  return {
    name: np.pad(
      features[feature],
      ((0, 0), (0, length - features[feature].shape[1])),
      constant_values=fill,
    ).astype(np.int32)
    for name, feature, fill in zip(
      INPUTS, padded_batches.FEATURES, fills, strict=True
    )
  }


def find(folder: str, kind: str) -> str:
  """Returns the path of a folder's model of a kind, one of `FILES`.

  Raises:
    UserError: the folder, the model or its tokenizer is missing.
  """
  return export_folder.find_model(
    folder, FILES, kind, 'LiteRT export', 'litert', [tokenizer_file.NAME]
  )


def load(folder: str, kind: str = 'float32') -> LitertModel:
  """Loads a model.

  Args:
    folder: the export, see the module's docstring.
    kind: one of `FILES`.

  Raises:
    UserError: a file is missing or damaged, or the names of the labels are
      unknown.
  """
  path = find(folder, kind)
  runner = _runner(path)
  length = int(runner.get_input_details()[INPUTS[0]]['shape'][1])
  num_outputs = int(runner.get_output_details()[_OUTPUT]['shape'][1])
  recorded = export_file.read(folder)
  labels = export_folder.labels(folder, num_outputs)
  return LitertModel(
    runner,
    TokenizerFile(folder, length),
    labels=labels,
    takes_pairs=recorded.takes_pairs,
    max_seq_length=length,
    temperature=recorded.temperature,
  )


def _runner(path: str):
  """Returns the runner of a model's signature.

  Raises:
    UserError: the file is not a model, or it has other inputs or outputs.
  """
  from ai_edge_litert import interpreter

  with files.open_stream(path) as file:
    content = file.read()
  try:
    runner = interpreter.Interpreter(
      model_content=content
    ).get_signature_runner()
  except (RuntimeError, ValueError) as error:
    reason = reason_of(error)
    raise UserError(f'{path} is not a LiteRT model: {reason}') from error
  inputs, outputs = runner.get_input_details(), runner.get_output_details()
  if set(inputs) != set(INPUTS) or set(outputs) != {_OUTPUT}:
    raise UserError(
      f'{path} maps {", ".join(inputs)} to {", ".join(outputs)}, expected '
      f'{", ".join(INPUTS)} to {_OUTPUT}'
    )
  return runner
