"""Released-BERT checkpoints in and out.

A released checkpoint is `prefix.index` and `prefix.data-00000-of-00001`:
weights alone, float32, under the names of google-research/bert. What loads
Google's zip files loads ours. Resuming needs more than weights and is
`training`'s affair. Where a checkpoint is read, a Hugging Face folder will do;
its `prefix` is the path of its model.safetensors.
"""

import difflib
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from data import files, text_files
from data.errors import UserError, reason_of
from modeling import hugging_face, initialisation
from modeling.configs import BertConfig
from modeling.initialisation import POSITIONS, SEGMENTS
from modeling.load_report import LoadReport, compact

Variables = Mapping[str, tf.Variable | np.ndarray]

# google-research/bert's Estimator keeps as many (keep_checkpoint_max).
KEEP_CHECKPOINTS = 5

_INDEX = '.index'
_DATA = '.data-00000-of-00001'
_STATE_FILE = 'checkpoint'
_OBJECT_GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH'
# What a training run of google-research/bert saves beside its weights.
_TRAINING_STATE = re.compile(
  rf'(.*/(adam|lamb)_[mv]|global_step|{_OBJECT_GRAPH})$'
)
# Examples in an error message; the rest is counted.
_SHOWN = 5
_DATA_FILE = re.compile(r'\.data-\d{5}-of-\d{5}')
_EXPORTED = re.compile(r'model\.ckpt-(\d+)\.(index|data-\d{5}-of-\d{5})$')


def write_released(prefix: str, variables: Variables) -> None:
  """Writes a weights-only checkpoint, as `tf.train.Saver` would have.

  The files are written under temporary names and renamed when they are whole.
  The same values give the same bytes.

  Args:
    prefix: where to; `.index` and `.data-00000-of-00001` are appended.
    variables: released name → variable or array; stored as float32. Of a
      mirrored variable its primary value is stored.

  Raises:
    UserError: the files cannot be written; what stood there stays.
  """
  names = sorted(variables)
  values = [_float32(variables[name]) for name in names]
  temporary = files.temporary_name(prefix)
  try:
    with tf.device('CPU:0'):
      tf.raw_ops.SaveV2(
        prefix=temporary,
        tensor_names=names,
        shape_and_slices=[''] * len(names),
        tensors=[tf.constant(value) for value in values],
      )
    # The index last: without one a reader sees no checkpoint.
    for suffix in (_DATA, _INDEX):
      files.rename(temporary + suffix, prefix + suffix)
  except tf.errors.OpError as error:
    raise UserError(f'cannot write {prefix}: {reason_of(error)}') from error
  finally:
    for suffix in (_DATA, _INDEX):
      if files.exists(temporary + suffix):
        files.remove(temporary + suffix)


def export(
  output_dir: str,
  step: int,
  variables: Variables,
  config: Any,
  vocab_file: str | None = None,
  keep: int | None = KEEP_CHECKPOINTS,
) -> str:
  """Makes `output_dir` a folder that released BERT's users know.

  It then holds `model.ckpt-<step>`, `bert_config.json`, `vocab.txt` and the
  `checkpoint` file that names the latest.

  Args:
    output_dir: an existing folder.
    step: training steps done; goes into the checkpoint's name.
    variables: released name → variable.
    config: a `BertConfig`.
    vocab_file: copied to `vocab.txt`, as plain text, where given.
    keep: how many checkpoints stay, the latest ones; 0 or None keeps all.

  Returns:
    The checkpoint's prefix.

  Raises:
    UserError: a file cannot be written.
  """
  prefix = os.path.join(output_dir, f'model.ckpt-{step}')
  write_released(prefix, variables)
  config.to_json_file(os.path.join(output_dir, 'bert_config.json'))
  if vocab_file:
    text_files.copy(vocab_file, os.path.join(output_dir, 'vocab.txt'))
  # Later steps are left from a run that was set back; they are not its past.
  by_step = {s: n for s, n in _exported(output_dir).items() if s <= step}
  kept = sorted(by_step)[-keep if keep else 0 :]
  paths = [
    f'model.ckpt-{s}' for s in kept if f'model.ckpt-{s}.index' in by_step[s]
  ]
  lines = [f'model_checkpoint_path: "model.ckpt-{step}"']
  lines += [f'all_model_checkpoint_paths: "{path}"' for path in paths]
  files.write_text(
    os.path.join(output_dir, _STATE_FILE), '\n'.join(lines) + '\n'
  )
  for old in set(by_step) - set(kept):
    # The index sorts last but goes first: never an index without its data.
    for name in sorted(by_step[old], reverse=True):
      files.remove(os.path.join(output_dir, name))
  # As large as a model, each; a run has its folder alone.
  files.remove_abandoned(output_dir, r'model\.ckpt-\d+', is_alone=True)
  return prefix


def _exported(folder: str) -> dict[int, list[str]]:
  """Maps each exported step to the sorted names of its files."""
  by_step: dict[int, list[str]] = {}
  for name in files.list_folder(folder):
    if match := _EXPORTED.match(name):
      by_step.setdefault(int(match[1]), []).append(name)
  return by_step


def resolve(path: str) -> str:
  """Finds the checkpoint that a user means.

  Args:
    path: a prefix; one of a checkpoint's two files; or a folder: the latest
      checkpoint that its `checkpoint` file names, else `bert_model.ckpt`, else
      the only checkpoint in it, else Hugging Face's `model.safetensors`.

  Returns:
    The prefix of an existing checkpoint, or the path of model.safetensors.

  Raises:
    UserError: there is none. The message says what was received and what was
      looked for, and lists the checkpoints of that folder.
  """
  if not path:
    raise UserError('a checkpoint was expected, an empty path was received')
  prefix = re.sub(r'\.(index|data-\d{5}-of-\d{5})$', '', path)
  if files.exists(prefix + _INDEX):
    return prefix
  if _is_hugging_face(path) and files.exists(path):
    return path
  if files.is_folder(path):
    return _resolve_folder(path)
  folder = os.path.dirname(prefix) or '.'
  raise UserError(
    f'there is no checkpoint {path!r}: looked for {prefix + _INDEX}'
    f' and for a folder of that name; {_candidates(folder, prefix)}'
  )


def _resolve_folder(folder: str) -> str:
  looked_for = [os.path.join(folder, _STATE_FILE)]
  prefixes = []
  state = tf.train.get_checkpoint_state(folder)
  if state and state.model_checkpoint_path:
    latest = state.model_checkpoint_path
    # An absolute path is stale once the folder has been moved or copied.
    prefixes += [os.path.join(folder, os.path.basename(latest)), latest]
  prefixes.append(os.path.join(folder, 'bert_model.ckpt'))
  for prefix in dict.fromkeys(prefixes):
    if files.exists(prefix + _INDEX):
      return prefix
    looked_for.append(prefix + _INDEX)
  if len(only := _prefixes(folder)) == 1:
    return os.path.join(folder, only[0])
  weights = os.path.join(folder, hugging_face.WEIGHTS_FILE)
  if files.exists(weights):
    return weights
  looked_for.append(weights)
  raise UserError(
    f'no checkpoint was found in the folder {folder!r}: looked for'
    f' {", ".join(looked_for)}; {_candidates(folder, folder)}'
  )


def _is_hugging_face(prefix: str) -> bool:
  return os.path.basename(prefix) == hugging_face.WEIGHTS_FILE


def config_beside(prefix: str) -> tuple[str, BertConfig] | None:
  """Reads the model's configuration from the folder of its checkpoint.

  Args:
    prefix: as `resolve` returns it.

  Returns:
    The file and what it says; None where there is no such file.

  Raises:
    UserError: the file is malformed, or the model is no BERT.
  """
  folder = os.path.dirname(prefix)
  path = os.path.join(folder, 'bert_config.json')
  if files.exists(path):
    return path, BertConfig.from_json_file(path)
  path = os.path.join(folder, hugging_face.CONFIG_FILE)
  if _is_hugging_face(prefix) and files.exists(path):
    return path, hugging_face.read_config(path)
  return None


def _prefixes(folder: str) -> list[str]:
  names = files.list_folder(folder)
  return [
    name.removesuffix(_INDEX)
    for name in names
    if name.endswith(_INDEX) and not name.startswith('.')
  ]


def _candidates(folder: str, wanted: str) -> str:
  """Says which checkpoints stand in `folder`, the most similar first."""
  if not files.is_folder(folder):
    return f'there is no folder {folder!r}'
  names = _prefixes(folder)
  if not names:
    return f'there is no checkpoint in {folder!r}'
  near = difflib.get_close_matches(
    os.path.basename(wanted), names, len(names), cutoff=0.0
  )
  return f'in {folder!r} there are: {_examples(near)}'


def checksum(prefix: str) -> str:
  """Returns the SHA-256 of a checkpoint's weights, in hexadecimal.

  That of the data file, or of all of them one after another.

  Raises:
    UserError: there is none, or it cannot be read.
  """
  digest = hashlib.sha256()
  for path in _data_files(prefix):
    with files.open_read(path, 'rb') as file:
      while block := file.read(1 << 20):
        digest.update(block)
  return digest.hexdigest()


def _data_files(prefix: str) -> list[str]:
  """Returns the paths of the files that hold a checkpoint's weights, sorted.

  Raises:
    UserError: there is none.
  """
  if _is_hugging_face(prefix):
    return [prefix]
  folder, start = os.path.split(prefix)
  paths = [
    os.path.join(folder, name)
    for name in files.list_folder(folder or '.')
    if name.startswith(start) and _DATA_FILE.fullmatch(name[len(start) :])
  ]
  if not paths:
    raise UserError(
      f'{prefix}{_DATA} cannot be found, nor any other data file of '
      f'{prefix}{_INDEX}'
    )
  return paths


def read_variables(prefix: str) -> dict[str, tuple[tuple[int, ...], str]]:
  """Lists a checkpoint's weights.

  Args:
    prefix: as `resolve` returns it.

  Returns:
    name → (shape, name of the dtype), sorted. Optimizer slots, the step and
    the object graph are left out.

  Raises:
    UserError: the index file cannot be read.
  """
  return _weights(_open(prefix))


def _weights(reader) -> dict[str, tuple[tuple[int, ...], str]]:
  shapes = reader.get_variable_to_shape_map()
  dtypes = reader.get_variable_to_dtype_map()
  return {
    name: (tuple(shapes[name]), dtypes[name].name)
    for name in sorted(shapes)
    if not _TRAINING_STATE.match(name)
  }


def _open(prefix: str):
  if _is_hugging_face(prefix):
    return hugging_face.Reader(prefix)
  with _damage_explained(prefix + _INDEX):
    # `tf.train.load_checkpoint` takes a prefix on ram:// for a folder.
    return tf.compat.v1.train.NewCheckpointReader(prefix)


@contextmanager
def _damage_explained(what: str) -> Iterator[None]:
  """Turns what TensorFlow raises on a bad checkpoint into a `UserError`."""
  try:
    yield
  # Its checkpoint reader raises IndexError where a data file is cut short.
  except (tf.errors.OpError, IndexError, RuntimeError) as error:
    raise UserError(
      f'{what} cannot be read, it may be damaged or incomplete: '
      f'{reason_of(error)}'
    ) from error


def is_encoder(name: str) -> bool:
  """Returns whether a released name belongs to the encoder, pooler included."""
  return name.startswith('bert/')


def load_released(
  path: str,
  variables: Mapping[str, tf.Variable],
  is_required: Callable[[str], bool] = is_encoder,
  allow_mismatch: Callable[[str], bool] = lambda name: not is_encoder(name),
  init: str = initialisation.ALL,
  extends_positions: bool = False,
) -> LoadReport:
  """Assigns a checkpoint's weights to the variables of the same names.

  Nothing is assigned before every check has passed and every value is read.

  Args:
    path: as for `resolve`.
    variables: released name → variable.
    is_required: of a name: must the checkpoint hold it?
    allow_mismatch: of a name: may its shape differ, so that it keeps its fresh
      value? By default true of heads: a classifier of three labels initialises
      the encoder of one of two.
    init: which of the weights, and for which layers; a value of --init.
    extends_positions: whether the checkpoint may have fewer positions than the
      model, whose other ones keep their fresh values.

  Returns:
    What was loaded, extended, missing, unused, and of another shape.

  Raises:
    UserError: there is no such checkpoint, it is damaged, a required variable
      is missing, or shapes differ; the variables are named.
  """
  prefix = resolve(path)
  reader = _open(prefix)
  stored = _weights(reader)
  report = _plan(prefix, variables, stored, init, extends_positions)
  _check(report, is_required, allow_mismatch)
  source = initialisation.sources(init, variables, stored)
  wanted = [*report.loaded, *report.extended]
  values = _read(reader, prefix, [source[name] for name in wanted])
  for name in wanted:
    value = values[source[name]]
    if name in report.extended:
      fresh = _float32(variables[name])[len(value) :]
      value = np.concatenate([value, fresh])
    variables[name].assign(value)
  return report


def _plan(
  prefix: str, variables, stored, init: str, extends_positions: bool
) -> LoadReport:
  """Says what will become of each variable; reads no weights."""
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
    layers=_moved_layers(init, variables, stored),
  )


def _is_longer(shapes) -> bool:
  """Whether a table of the model only has more rows than the checkpoint's."""
  return bool(shapes) and (
    shapes[0][1:] == shapes[1][1:] and shapes[0][0] < shapes[1][0]
  )


def _moved_layers(init: str, variables, stored) -> list[int]:
  """Returns each layer's source where --init chooses among them."""
  if init not in (initialisation.BOTTOM_LAYERS, initialisation.EVERY_KTH_LAYER):
    return []
  return initialisation.layer_sources(
    init,
    initialisation.num_layers(variables),
    initialisation.num_layers(stored),
  )


def check_start(
  prefix: str, config: BertConfig, init: str, extends_positions: bool = False
) -> None:
  """Checks, before a model is built, that it can start from a checkpoint.

  Args:
    prefix: as `resolve` returns it.
    config: the model's.
    init: a value of --init.
    extends_positions: as for `load_released`.

  Raises:
    UserError: the number of layers, the width, the vocabulary's size or the
      number of positions or segments does not fit; both are told.
  """
  stored = read_variables(prefix)
  if initialisation.WORDS not in stored:
    raise UserError(
      f'{prefix} lacks {initialisation.WORDS}. It holds'
      f' {_examples(compact(stored)) or "no weights"}'
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


def _check_tables(
  prefix: str, stored, config: BertConfig, extends_positions: bool
) -> None:
  """Compares the numbers of segments and positions, where there are such."""
  (types, _), _ = stored.get(SEGMENTS, ((config.type_vocab_size, 0), ''))
  if types != config.type_vocab_size:
    raise UserError(
      f'{prefix} has type_vocab_size {types}, the model'
      f' {config.type_vocab_size}: do its bert_config.json and the one given'
      ' agree?'
    )
  ours = config.max_position_embeddings
  (theirs, _), _ = stored.get(POSITIONS, ((ours, 0), ''))
  if theirs < ours and not extends_positions:
    raise UserError(
      f'{prefix} has {theirs} positions (max_position_embeddings), the model'
      f' {ours}. --extend_positions keeps the {theirs} and initialises the'
      ' others.'
    )
  # Fewer could be taken, the first ones; but inputs are bounded by
  # --max_seq_length, so that no run needs fewer, and a bert_config.json with
  # fewer is rather one of another model.
  if theirs > ours:
    raise UserError(
      f'{prefix} has {theirs} positions (max_position_embeddings), the model'
      f' {ours}: expected as many. --max_seq_length alone makes inputs shorter.'
    )


def _check(report, is_required, allow_mismatch) -> None:
  if missing := [name for name in report.missing if is_required(name)]:
    held = report.loaded + list(report.mismatched) + report.unused
    raise UserError(
      f'{report.prefix} lacks variables that the model needs:'
      f' {", ".join(compact(missing))}. It holds'
      f' {_examples(compact(held)) or "no weights"}. {_advice(missing)}'
    )
  wrong = [
    f'{name} is {list(theirs)} in the checkpoint, {list(ours)} in the model'
    for name, (theirs, ours) in report.mismatched.items()
    if not allow_mismatch(name)
  ]
  if wrong:
    raise UserError(
      f'{report.prefix} does not fit the model: {_examples(wrong)}. Do the'
      ' bert_config.json and the vocabulary given belong to this checkpoint?'
    )


def _advice(missing: list[str]) -> str:
  if any(map(is_encoder, missing)):
    return 'Do its bert_config.json and the one given agree?'
  return 'Its head was never trained: --do_train comes first.'


def _examples(items: list[str]) -> str:
  more = f'; and {len(items) - _SHOWN} more' if len(items) > _SHOWN else ''
  return '; '.join(items[:_SHOWN]) + more


def _read(reader, prefix: str, names: list[str]) -> dict[str, np.ndarray]:
  with _damage_explained(', '.join(_data_files(prefix))):
    return {name: _float32(reader.get_tensor(name)) for name in names}


def _float32(value) -> np.ndarray:
  return np.asarray(
    value.numpy() if hasattr(value, 'numpy') else value, np.float32
  )
