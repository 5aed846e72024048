"""Loads an export in a fresh process, and compares it with our own model.

The process runs one of the scripts of `checkers/` as

  PYTHON -I checkers/hugging_face.py FOLDER WORK

WORK holds request.json (the head, the texts or pairs, the maximum length) and
features.npz; the script adds answer.json (tokens' ids, labels, versions, and
the modules that it imported) and outputs.npz.

Tested by `tests/serving/exports/exporting_test.py`.
"""

import dataclasses
import json
import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serving.exports import isolated_script
from serving.exports.format import Format
from serving.exports.parts import Parts
from serving.exports.reference import Reference
from system.errors import UserError, shown

# What proves nothing of an ecosystem if its checker imports it, unless it
# belongs to the ecosystem (`Format.may_import`).
FOREIGN = (
  *('tensorflow', 'tf_keras', 'keras', 'tensorflow_text'),
  *('official', 'serving', 'modeling', 'training', 'distillation', 'system'),
  'cli',
)
_NUM_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Difference:
  """How an export differs from our own model.

  Attributes:
    num_texts: N.
    largest_difference: between two outputs, on our own token ids.
    largest_output: the largest absolute value of ours.
    equal_labels: the share of texts whose label is ours, from text to label;
      None if the model predicts none.
    equal_token_ids: the share of texts whose token ids are ours; None if the
      ecosystem has no tokenizer.
    other_token_ids: some texts whose token ids are not.
    versions: the packages of the checker → their versions.
  """

  num_texts: int
  largest_difference: float
  largest_output: float
  equal_labels: float | None
  equal_token_ids: float | None
  other_token_ids: Sequence[str]
  versions: Mapping[str, str]

  def allowed(self, bound: float) -> float:
    """Returns the largest difference that a format's bound allows."""
    return bound * max(1.0, self.largest_output)


def compare(
  chosen: Format,
  folder: str,
  parts: Parts,
  reference: Reference,
  python: str,
) -> Difference:
  """Loads an export in a fresh process, and compares.

  Args:
    chosen: the export's format.
    folder: the export.
    parts: the model that was exported.
    reference: our own outputs.
    python: the interpreter that runs the checker.

  Raises:
    UserError: the checker fails; the end of its output is shown.
    RuntimeError: the checker imported this project, or TensorFlow without
      need.
  """
  outputs, answer = answers(chosen, folder, parts, reference, python)
  names = chosen.outputs[parts.head]
  ours = {name: reference.outputs[name] for name in names}
  return _compared(reference, ours, outputs, answer)


def answers(
  chosen: Format,
  folder: str,
  parts: Parts,
  reference: Reference,
  python: str,
  model_file: str = '',
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
  """Runs the checker; other arguments, and errors, are those of `compare`.

  Args:
    model_file: the file in the folder to load, if a format has several.

  Returns:
    The outputs by name, and the content of answer.json.
  """
  with tempfile.TemporaryDirectory() as work:
    _write_request(work, chosen, parts, reference, model_file)
    script = os.path.join('checkers', chosen.checker)
    isolated_script.run(python, script, folder, work, action='loaded')
    answer = json.loads(pathlib.Path(work, 'answer.json').read_text())
    with np.load(os.path.join(work, 'outputs.npz'), allow_pickle=False) as file:
      outputs = dict(file)
  refused = set(FOREIGN) - set(chosen.may_import)
  if foreign := sorted(refused & set(answer['modules'])):
    raise RuntimeError(f'the checker imported {", ".join(foreign)}')
  return outputs, answer


def _write_request(
  work: str,
  chosen: Format,
  parts: Parts,
  reference: Reference,
  model_file: str,
) -> None:
  request = {
    'head': parts.head,
    'outputs': chosen.outputs[parts.head],
    'texts': reference.texts,
    'max_seq_length': parts.max_seq_length,
    'model_file': model_file,
  }
  pathlib.Path(work, 'request.json').write_text(json.dumps(request))
  np.savez(os.path.join(work, 'features.npz'), **reference.features)


def _compared(
  reference: Reference,
  ours: Mapping[str, np.ndarray],
  outputs: Mapping[str, np.ndarray],
  answer: Mapping[str, Any],
) -> Difference:
  num_texts = len(reference.texts)
  other = None
  if answer['ids'] is not None:
    other = _other_token_ids(reference, answer['ids'])
  labels = None
  if reference.labels is not None:
    pairs = zip(reference.labels, answer['labels'], strict=True)
    labels = float(np.mean([expected == found for expected, found in pairs]))
  return Difference(
    num_texts,
    largest_difference(ours, outputs),
    max(float(np.abs(x).max()) for x in ours.values()),
    labels,
    None if other is None else 1 - len(other) / num_texts,
    (other or [])[:_NUM_SHOWN],
    answer['versions'],
  )


def _other_token_ids(
  reference: Reference, found: Sequence[list[list[int]]]
) -> list[str]:
  """Returns the texts whose ids or segments differ, as messages show them."""
  rows = zip(reference.texts, _token_ids(reference), found, strict=True)
  return [shown(text) for text, ours, theirs in rows if ours != theirs]


def _token_ids(reference: Reference) -> list[list[list[int]]]:
  """Returns the ids and the segments of each text, without padding."""
  features = reference.features
  lengths = features['attention_mask'].sum(axis=1)
  ids, segments = features['input_ids'], features['token_type_ids']
  return [
    [ids[i, :n].tolist(), segments[i, :n].tolist()]
    for i, n in enumerate(lengths)
  ]


def largest_difference(
  ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]
) -> float:
  """Returns the largest difference; infinite if a value is not finite."""
  largest = 0.0
  for name, expected in ours.items():
    found = theirs[name]
    if found.shape != expected.shape:
      raise UserError(
        f'the export gives {name} the shape {found.shape}, expected '
        f'{expected.shape}'
      )
    difference = np.abs(found.astype(np.float64) - expected).max()
    largest = max(largest, float(np.nan_to_num(difference, nan=np.inf)))
  return largest
