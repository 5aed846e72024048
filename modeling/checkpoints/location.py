"""Which checkpoint a user means, and what stands beside it.

A checkpoint is named by its prefix: `prefix.index` and
`prefix.data-00000-of-00001`. Where one is read, a Hugging Face folder will do;
its `prefix` is the path of its model.safetensors.
"""

import dataclasses
import difflib
import hashlib
import os
import re

import tensorflow as tf

from modeling.checkpoints import casing, hugging_face
from modeling.configs import BertConfig
from system import files, text_files
from system.errors import UserError

INDEX = '.index'
DATA = '.data-00000-of-00001'
STATE_FILE = 'checkpoint'

_DATA_FILE = re.compile(r'\.data-\d{5}-of-\d{5}')
# Examples in an error message; the rest is counted.
_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """An existing checkpoint and the files that describe it.

  `locate` returns one. The methods read the files anew at each call.

  Attributes:
    prefix: 'FOLDER/model.ckpt-8' for 'FOLDER/model.ckpt-8.index', or the path
      of Hugging Face's model.safetensors.
  """

  prefix: str

  @property
  def folder(self) -> str:
    """The folder that holds it; '' for the working directory."""
    return os.path.dirname(self.prefix)

  @property
  def is_hugging_face(self) -> bool:
    """Whether it is a model.safetensors."""
    return is_hugging_face(self.prefix)

  @property
  def vocab_file(self) -> str | None:
    """The path of the vocab.txt beside it; None if there is no such file."""
    path = os.path.join(self.folder, 'vocab.txt')
    return path if files.exists(path) else None

  def config(self) -> tuple[str, BertConfig] | None:
    """Reads the model's configuration: bert_config.json or config.json.

    Returns:
      The file's path and the configuration; None if there is no such file.

    Raises:
      UserError: the file is malformed, or the model is not a BERT.
    """
    return config_beside(self.prefix)

  def casing(self) -> tuple[str, bool] | None:
    """Reads whether its text was lower-cased.

    Returns:
      The path of tokenizer_config.json or run.json, and its do_lower_case;
      None if neither says.
    """
    return casing.beside(self.prefix)

  def labels(self) -> tuple[str, tuple[str, ...]] | None:
    """Reads which label each column of its logits is.

    Returns:
      The path of labels.txt, and the labels in the order of the columns; None
      if there is no such file.

    Raises:
      UserError: a line is blank or a label appears twice.
    """
    path = os.path.join(casing.run_folder(self.folder), 'labels.txt')
    return (path, _read_labels(path)) if files.exists(path) else None

  def checksum(self) -> str:
    """Returns the SHA-256 of its weights, in hexadecimal.

    It is that of the data file, or of all data files one after another.

    Raises:
      UserError: there is no data file, or one cannot be read.
    """
    return checksum(self.prefix)


def locate(path: str) -> Checkpoint:
  """Finds the checkpoint that a path names.

  Args:
    path: a prefix; one of a checkpoint's two files; or a folder: the latest
      checkpoint that its `checkpoint` file names, else `bert_model.ckpt`, else
      the only checkpoint in it, else Hugging Face's `model.safetensors`.

  Raises:
    UserError: there is no such checkpoint. The message shows the path and what
      was looked for, and lists the checkpoints of that folder.
  """
  return Checkpoint(resolve(path))


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
  if files.exists(prefix + INDEX):
    return prefix
  if is_hugging_face(path) and files.exists(path):
    return path
  if files.is_folder(path):
    return _resolve_folder(path)
  folder = os.path.dirname(prefix) or '.'
  raise UserError(
    f'there is no checkpoint {path!r}: looked for {prefix + INDEX}'
    f' and for a folder of that name; {_candidates(folder, prefix)}'
  )


def _resolve_folder(folder: str) -> str:
  looked_for = [os.path.join(folder, STATE_FILE)]
  prefixes = []
  state = tf.train.get_checkpoint_state(folder)
  if state and state.model_checkpoint_path:
    latest = state.model_checkpoint_path
    # An absolute path is stale once the folder has been moved or copied.
    prefixes += [os.path.join(folder, os.path.basename(latest)), latest]
  prefixes.append(os.path.join(folder, 'bert_model.ckpt'))
  for prefix in dict.fromkeys(prefixes):
    if files.exists(prefix + INDEX):
      return prefix
    looked_for.append(prefix + INDEX)
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


def is_hugging_face(prefix: str) -> bool:
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
  if is_hugging_face(prefix) and files.exists(path):
    return path, hugging_face.read_config(path)
  return None


def _prefixes(folder: str) -> list[str]:
  names = files.list_folder(folder)
  return [
    name.removesuffix(INDEX)
    for name in names
    if name.endswith(INDEX) and not name.startswith('.')
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
  return f'in {folder!r} there are: {first_few(near)}'


def _read_labels(path: str) -> tuple[str, ...]:
  labels: list[str] = []
  for number, label in enumerate(text_files.read_lines(path), 1):
    if not label or label in labels:
      found = f'{label!r} a second time' if label else 'a blank line'
      raise UserError(
        f'{path}, line {number}: found {found}, expected another label'
      )
    labels.append(label)
  return tuple(labels)


def checksum(prefix: str) -> str:
  """Returns the SHA-256 of a checkpoint's weights, in hexadecimal.

  That of the data file, or of all of them one after another.

  Raises:
    UserError: there is none, or it cannot be read.
  """
  digest = hashlib.sha256()
  for path in data_files(prefix):
    with files.open_read(path, 'rb') as file:
      while block := file.read(1 << 20):
        digest.update(block)
  return digest.hexdigest()


def data_files(prefix: str) -> list[str]:
  """Returns the paths of the files that hold a checkpoint's weights, sorted.

  Raises:
    UserError: there is none.
  """
  if is_hugging_face(prefix):
    return [prefix]
  folder, start = os.path.split(prefix)
  paths = [
    os.path.join(folder, name)
    for name in files.list_folder(folder or '.')
    if name.startswith(start) and _DATA_FILE.fullmatch(name[len(start) :])
  ]
  if not paths:
    raise UserError(
      f'{prefix}{DATA} cannot be found, nor any other data file of '
      f'{prefix}{INDEX}'
    )
  return paths


def first_few(items: list[str]) -> str:
  """Joins a few items for a message and counts the rest."""
  more = f'; and {len(items) - _SHOWN} more' if len(items) > _SHOWN else ''
  return '; '.join(items[:_SHOWN]) + more
