"""Loads a checkpoint's weights into a model.

Loading assigns nothing before every check has passed. Resuming a run needs more
than weights: see `training.resuming`.
"""

import concurrent.futures
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from modeling.checkpoints import initialisation
from modeling.checkpoints.load_report import LoadReport, compact
from modeling.checkpoints.location import Checkpoint
from modeling.checkpoints.released_names import (
  CLASSIFIER_HEAD,
  POSITIONS,
  is_encoder,
)
from modeling.checkpoints.stored_weights import StoredWeights, Variables
from system.errors import UserError, few


def everything(_: str) -> bool:
  """Returns True: the checkpoint must hold every variable."""
  return True


def load_released(
  checkpoint: Checkpoint,
  variables: Mapping[str, tf.Variable],
  is_needed: Callable[[str], bool] = is_encoder,
  init: str = initialisation.ALL,
  extends_positions: bool = False,
  head_rows: Sequence[int] | None = None,
  check_checksums: Callable[[], object] | None = None,
) -> LoadReport:
  """Assigns a checkpoint's weights to a model's variables.

  Assigns nothing before every check has passed and every value is read.

  Args:
    checkpoint: see `location.locate`.
    variables: released name → variable.
    is_needed: returns whether the checkpoint must hold a name, in the model's
      shape; other variables that it lacks, or has in another shape, keep their
      initial values. By default the encoder is needed and heads are not: the
      checkpoint of a classifier with three labels can initialise the encoder
      of one with two. `everything` is for a trained model.
    init: which weights to load, a value of the setting `init`.
    extends_positions: whether the checkpoint may have fewer positions than the
      model; the model's other positions keep their initial values.
    head_rows: for each class of the model, its row in the checkpoint's
      output_weights and output_bias; None if both have the same order.
    check_checksums: called before assigning, in place of the checkpoint's, for
      a caller who started that earlier, in another thread.

  Returns:
    What was loaded, extended, missing, unused and of another shape.

  Raises:
    UserError: the checkpoint is damaged, a needed variable is missing, or
      shapes differ (the message names the variables), or model.json records
      other files.
  """
  opened = StoredWeights(checkpoint)
  stored = opened.variables
  report = plan(
    checkpoint.prefix, variables, stored, is_needed, init, extends_positions
  )
  source = initialisation.sources(init, variables, stored)
  wanted = [*report.loaded, *report.extended]
  # Checksums leave Python's lock to the reader, so the two run side by side.
  with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
    recorded = pool.submit(check_checksums or checkpoint.check_checksums)
    values = opened.read([source[name] for name in wanted])
    recorded.result()  # Last: the other messages say more.
  for name in wanted:
    value = values[source[name]]
    if name in report.extended:
      fresh = variables[name].numpy()[len(value) :]
      value = np.concatenate([value, fresh])
    if name in CLASSIFIER_HEAD and head_rows is not None:
      value = value[list(head_rows)]
    variables[name].assign(value)
  return report


def plan(
  prefix: str,
  variables: Mapping[str, tf.Variable],
  stored: Variables,
  is_needed: Callable[[str], bool],
  init: str,
  extends_positions: bool,
) -> LoadReport:
  """Decides which variables to load, without reading or assigning weights.

  Args:
    prefix: the checkpoint's, for messages.
    variables: released name → variable; only its shape is used.
    stored: the checkpoint's weights.
    is_needed: as for `load_released`, as are the others.

  Raises:
    UserError: a needed variable is missing, or shapes differ.
  """
  try:
    source = initialisation.sources(init, variables, stored)
  except UserError as error:
    raise UserError(f'{prefix}: {error}') from error
  found = sorted(name for name in source if source[name] in stored)
  mismatched = {
    name: (stored[source[name]][0], tuple(variables[name].shape))
    for name in found
    if stored[source[name]][0] != tuple(variables[name].shape)
  }
  loaded = [name for name in found if name not in mismatched]
  extended = {}
  if extends_positions and _is_longer(mismatched.get(POSITIONS)):
    extended[POSITIONS] = mismatched.pop(POSITIONS)
  report = LoadReport(
    prefix=prefix,
    loaded=loaded,
    extended=extended,
    missing=sorted(set(source) - set(found)),
    unused=sorted(set(stored) - set(source.values())),
    mismatched=mismatched,
    left_fresh=sorted(set(variables) - set(source)),
    layers=_selected_layers(init, variables, stored),
  )
  _check(report, is_needed)
  return report


def _is_longer(shapes: tuple[tuple[int, ...], tuple[int, ...]] | None) -> bool:
  """Returns whether two shapes differ only in that the model has more rows.

  Args:
    shapes: the checkpoint's and the model's; None if they are equal.
  """
  if shapes is None:
    return False
  theirs, ours = shapes
  return theirs[1:] == ours[1:] and theirs[0] < ours[0]


def _selected_layers(
  init: str, variables: Mapping[str, tf.Variable], stored: Variables
) -> list[int]:
  """Returns each layer's source if `init` selects layers; else no layers."""
  if init not in initialisation.SELECT_LAYERS:
    return []
  return initialisation.layer_sources(
    init,
    initialisation.num_layers(variables),
    initialisation.num_layers(stored),
  )


def _check(report: LoadReport, is_needed: Callable[[str], bool]) -> None:
  if missing := [name for name in report.missing if is_needed(name)]:
    held = report.loaded + list(report.mismatched) + report.unused
    raise UserError(
      f'{report.prefix} lacks variables that the model needs:'
      f' {", ".join(compact(missing))}. It holds'
      f' {few(compact(held)) or "no weights"}. {_advice(missing)}'
    )
  wrong = [
    f'{name} is {list(theirs)} in the checkpoint, {list(ours)} in the model'
    for name, (theirs, ours) in report.mismatched.items()
    if is_needed(name)
  ]
  if wrong:
    named = few(wrong, separator='; ')
    advice = (
      'Do the bert_config.json and the vocabulary given belong to this'
      ' checkpoint?'
    )
    heads = [report.mismatched.get(name) for name in CLASSIFIER_HEAD]
    if len(wrong) == len(shapes := [shape for shape in heads if shape]):
      theirs, ours = shapes[0]
      advice = f'Its head has {theirs[0]} classes, the task {ours[0]}.'
    raise UserError(
      f'{report.prefix} does not fit the model: {named}. {advice}'
    )


def _advice(missing: list[str]) -> str:
  if all(name.startswith('bert/pooler/') for name in missing):
    return (
      'It has no pooler: `python -m tools.import_hugging_face --fresh_pooler` '
      'gives a Hugging Face model one with random weights.'
    )
  if any(map(is_encoder, missing)):
    return 'Do its bert_config.json and the given one agree?'
  if all(name.startswith('cls/') for name in missing):
    return (
      'It has no pre-training heads, as a model that was fine-tuned, or was '
      'trained without them.'
    )
  return 'Its head was never trained: fine-tune it first, with `do_train`.'
