"""Loads a checkpoint's weights into a model.

Loading assigns nothing before every check has passed. Resuming a run needs more
than weights: see `training.resuming`.
"""

import concurrent.futures
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from modeling.checkpoints import hugging_face, initialisation
from modeling.checkpoints.initialisation import POSITIONS, SEGMENTS
from modeling.checkpoints.load_report import LoadReport, compact
from modeling.checkpoints.location import INDEX, Checkpoint, first_few
from modeling.checkpoints.tensor_bundle import damage_explained
from modeling.configs import BertConfig
from system.errors import UserError

CLASSIFIER_HEAD = ('output_weights', 'output_bias')

_OBJECT_GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH'
# Variables that google-research/bert's training saves besides the weights; and
# those of TensorFlow 2, whose keys name no weight.
_TRAINING_STATE = re.compile(
  rf'(.*/(adam|lamb)_[mv]|global_step|{_OBJECT_GRAPH}|.*/\.ATTRIBUTES/.*)$'
)

# As `read_variables` returns it.
_Stored = Mapping[str, tuple[tuple[int, ...], str]]


def read_variables(
  checkpoint: Checkpoint,
) -> dict[str, tuple[tuple[int, ...], str]]:
  """Lists a checkpoint's weights.

  Args:
    checkpoint: see `location.locate`.

  Returns:
    name → (shape, name of the dtype), sorted; without optimizer slots, the
    step and the object graph.

  Raises:
    UserError: the index file cannot be read.
  """
  return _weights(_open(checkpoint))


def _weights(reader) -> dict[str, tuple[tuple[int, ...], str]]:
  shapes = reader.get_variable_to_shape_map()
  dtypes = reader.get_variable_to_dtype_map()
  return {
    name: (tuple(shapes[name]), dtypes[name].name)
    for name in sorted(shapes)
    if not _TRAINING_STATE.match(name)
  }


def _open(checkpoint: Checkpoint):
  """Returns a reader of the checkpoint's weights by their released names.

  Raises:
    UserError: the index file cannot be read, or the weights have no names.
  """
  if checkpoint.is_hugging_face:
    return hugging_face.Reader(checkpoint.prefix)
  with damage_explained(checkpoint.prefix + INDEX):
    # `tf.train.load_checkpoint` mistakes a prefix on ram:// for a folder.
    reader = tf.compat.v1.train.NewCheckpointReader(checkpoint.prefix)
  if reader.has_tensor(_OBJECT_GRAPH) and not _weights(reader):
    raise UserError(
      f'{checkpoint.prefix} is a TensorFlow 2 checkpoint, without released '
      'names. If it is of tf-models-official, `python -m '
      'tools.import_tf_models` converts it'
    )
  return reader


def read_weights(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
  """Reads all weights of a checkpoint, encoder and heads.

  Args:
    checkpoint: see `location.locate`.

  Returns:
    released name → float32 array.

  Raises:
    UserError: a file is damaged, a weight is NaN or infinite, or model.json
      records another checksum.
  """
  checkpoint.check_recorded()
  reader = _open(checkpoint)
  return _read(reader, checkpoint, list(_weights(reader)))


def is_encoder(name: str) -> bool:
  """Returns whether a released name belongs to the encoder, pooler included."""
  return name.startswith('bert/')


def load_released(
  checkpoint: Checkpoint,
  variables: Mapping[str, tf.Variable],
  is_required: Callable[[str], bool] = is_encoder,
  allow_mismatch: Callable[[str], bool] = lambda name: not is_encoder(name),
  init: str = initialisation.ALL,
  extends_positions: bool = False,
  head_rows: Sequence[int] | None = None,
  check_recorded: Callable[[], object] | None = None,
) -> LoadReport:
  """Assigns a checkpoint's weights to a model's variables.

  Assigns nothing before every check has passed and every value is read.

  Args:
    checkpoint: see `location.locate`.
    variables: released name → variable.
    is_required: returns whether the checkpoint must hold a name.
    allow_mismatch: returns whether a name may have another shape in the
      checkpoint; the variable then keeps its initial values. By default heads
      may: the checkpoint of a classifier with three labels can initialise the
      encoder of one with two.
    init: which weights to load, a value of the setting `init`.
    extends_positions: whether the checkpoint may have fewer positions than the
      model; the model's other positions keep their initial values.
    head_rows: for each class of the model, its row in the checkpoint's
      output_weights and output_bias; None if both have the same order.
    check_recorded: called before assigning, in place of the checkpoint's, for a
      caller who started that earlier, in another thread.

  Returns:
    What was loaded, extended, missing, unused and of another shape.

  Raises:
    UserError: the checkpoint is damaged, a required variable is missing, or
      shapes differ (the message names the variables), or model.json records
      other files.
  """
  reader = _open(checkpoint)
  stored = _weights(reader)
  report = _plan(checkpoint.prefix, variables, stored, init, extends_positions)
  _check(report, is_required, allow_mismatch)
  source = initialisation.sources(init, variables, stored)
  wanted = [*report.loaded, *report.extended]
  # Checksums leave Python's lock to the reader, so the two run side by side.
  with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
    recorded = pool.submit(check_recorded or checkpoint.check_recorded)
    values = _read(reader, checkpoint, [source[name] for name in wanted])
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


def _plan(
  prefix: str,
  variables: Mapping[str, tf.Variable],
  stored: _Stored,
  init: str,
  extends_positions: bool,
) -> LoadReport:
  """Decides which variables to load, without reading weights."""
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
  return LoadReport(
    prefix=prefix,
    loaded=loaded,
    extended=extended,
    missing=sorted(set(source) - set(found)),
    unused=sorted(set(stored) - set(source.values())),
    mismatched=mismatched,
    left_fresh=sorted(set(variables) - set(source)),
    layers=_selected_layers(init, variables, stored),
  )


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
  init: str, variables: Mapping[str, tf.Variable], stored: _Stored
) -> list[int]:
  """Returns each layer's source if `init` selects layers; else no layers."""
  if init not in (initialisation.BOTTOM_LAYERS, initialisation.EVERY_KTH_LAYER):
    return []
  return initialisation.layer_sources(
    init,
    initialisation.num_layers(variables),
    initialisation.num_layers(stored),
  )


def check_start(
  checkpoint: Checkpoint,
  config: BertConfig,
  init: str,
  extends_positions: bool = False,
) -> None:
  """Checks, before a model is built, that it can start from a checkpoint.

  Args:
    checkpoint: see `location.locate`.
    config: the model's.
    init: a value of the setting `init`.
    extends_positions: as for `load_released`.

  Raises:
    UserError: the number of layers, the hidden size, the vocabulary's size or
      the number of positions or segments does not fit, and the message shows
      both; or weights of the encoder cannot be read, or are not finite.
  """
  reader, prefix = _open(checkpoint), checkpoint.prefix
  stored = _weights(reader)
  if initialisation.WORDS not in stored:
    raise UserError(
      f'{prefix} lacks {initialisation.WORDS}. It holds'
      f' {first_few(compact(stored)) or "no weights"}'
    )
  vocab_size, width = stored[initialisation.WORDS][0]
  for name, theirs, ours in (
    ('hidden_size', width, config.hidden_size),
    ('vocab_size', vocab_size, config.vocab_size),
  ):
    if theirs != ours:
      raise UserError(
        f'{prefix} has {name} {theirs}, the model {ours}: the model can only'
        f' start from a checkpoint of the same {name}'
      )
  if init != initialisation.WORD_EMBEDDINGS:
    _check_tables(prefix, stored, config, extends_positions)
    try:
      initialisation.layer_sources(
        init, config.num_hidden_layers, initialisation.num_layers(stored)
      )
    except UserError as error:
      raise UserError(f'{prefix}: {error}') from error
  # One at a time: a model's weights may fill the memory.
  for name in _starting_points(config, init, stored):
    _read(reader, checkpoint, [name])


def _starting_points(
  config: BertConfig, init: str, stored: _Stored
) -> list[str]:
  """Returns the stored weights that the model's encoder starts from."""
  encoder = list(filter(is_encoder, stored))
  ours = initialisation.within_layers(encoder, config.num_hidden_layers)
  sources = initialisation.sources(init, ours, stored)
  return sorted(set(sources.values()) & stored.keys())


def _check_tables(
  prefix: str, stored: _Stored, config: BertConfig, extends_positions: bool
) -> None:
  """Compares the numbers of segments and positions, if the tables exist."""
  (types, _), _ = stored.get(SEGMENTS, ((config.type_vocab_size, 0), ''))
  if types != config.type_vocab_size:
    raise UserError(
      f'{prefix} has type_vocab_size {types}, the model'
      f' {config.type_vocab_size}: do its bert_config.json and the given one'
      ' agree?'
    )
  ours = config.max_position_embeddings
  (theirs, _), _ = stored.get(POSITIONS, ((ours, 0), ''))
  if theirs < ours and not extends_positions:
    raise UserError(
      f'{prefix} has {theirs} positions (max_position_embeddings), the model'
      f' {ours}. `extend_positions` keeps the {theirs} and initialises the'
      ' others at random.'
    )
  # The model could keep the first positions only. But `max_seq_length` bounds
  # the inputs, so no run needs fewer positions, and a bert_config.json with
  # fewer probably belongs to another model.
  if theirs > ours:
    raise UserError(
      f'{prefix} has {theirs} positions (max_position_embeddings), the model'
      f' {ours}: expected as many. For shorter inputs set only'
      ' `max_seq_length`.'
    )


def _check(
  report: LoadReport,
  is_required: Callable[[str], bool],
  allow_mismatch: Callable[[str], bool],
) -> None:
  if missing := [name for name in report.missing if is_required(name)]:
    held = report.loaded + list(report.mismatched) + report.unused
    raise UserError(
      f'{report.prefix} lacks variables that the model needs:'
      f' {", ".join(compact(missing))}. It holds'
      f' {first_few(compact(held)) or "no weights"}. {_advice(missing)}'
    )
  wrong = [
    f'{name} is {list(theirs)} in the checkpoint, {list(ours)} in the model'
    for name, (theirs, ours) in report.mismatched.items()
    if not allow_mismatch(name)
  ]
  if wrong:
    advice = (
      'Do the bert_config.json and the vocabulary given belong to this'
      ' checkpoint?'
    )
    heads = [report.mismatched.get(name) for name in CLASSIFIER_HEAD]
    if len(wrong) == len(shapes := [shape for shape in heads if shape]):
      theirs, ours = shapes[0]
      advice = f'Its head has {theirs[0]} classes, the task {ours[0]}.'
    raise UserError(
      f'{report.prefix} does not fit the model: {first_few(wrong)}. {advice}'
    )


def _advice(missing: list[str]) -> str:
  if any(map(is_encoder, missing)):
    return 'Do its bert_config.json and the given one agree?'
  return 'Its head was never trained: fine-tune it first, with `do_train`.'


def _read(
  reader, checkpoint: Checkpoint, names: list[str]
) -> dict[str, np.ndarray]:
  with damage_explained(', '.join(checkpoint.data_files())):
    values = {
      name: np.asarray(reader.get_tensor(name), np.float32) for name in names
    }
  check_finite(checkpoint.prefix, values)
  return values


def check_finite(path: str, values: Mapping[str, np.ndarray]) -> None:
  """Checks that weights are numbers.

  Args:
    path: the file that they come from, for the message.
    values: released name → values.

  Raises:
    UserError: a weight is NaN or infinite; its variable is named.
  """
  wrong = [
    name for name, value in values.items() if not np.isfinite(value).all()
  ]
  if wrong:
    raise UserError(
      f'{path} holds weights that are NaN or infinite:'
      f' {first_few(compact(sorted(wrong)))}'
    )


def check_shapes(
  path: str,
  values: Mapping[str, np.ndarray],
  variables: Mapping[str, tf.Variable],
  config_file: str,
) -> None:
  """Checks weights that another program wrote against a model.

  Does not check a classifier's head, which may have any number of classes.

  Args:
    path: the file that they come from, for the message.
    values: released name → values.
    variables: released name → variable of a pre-trainer.
    config_file: the name of the file with the model's sizes, for the message.

  Raises:
    UserError: a weight has another shape; all such weights are named.
  """
  wrong = [
    f'{name} has the shape {list(value.shape)} instead of'
    f' {list(variables[name].shape)}'
    for name, value in values.items()
    if name in variables and value.shape != tuple(variables[name].shape)
  ]
  if wrong:
    raise UserError(f'{path} does not fit {config_file}: {"; ".join(wrong)}')
