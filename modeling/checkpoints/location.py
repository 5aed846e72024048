"""Finds a checkpoint, and the files in its folder that describe it.

A checkpoint's prefix names it: 'FOLDER/model.ckpt-8' for the two files
FOLDER/model.ckpt-8.index and FOLDER/model.ckpt-8.data-00000-of-00001. A
checkpoint may also be a Hugging Face folder; then its prefix is the path of
one of `hugging_face_reader.WEIGHTS_FILES`.
"""

import contextlib
import dataclasses
import difflib
import functools
import os
import re

from absl import logging
from google.protobuf import text_encoding

from modeling.checkpoints import (
  bundle_check,
  export_file,
  file_names,
  hugging_face_reader,
  model_file,
  recorded_casing,
  run_files,
)
from modeling.checkpoints.file_names import CONFIG, DATA, INDEX, PREFIX, VOCAB
from modeling.checkpoints.hugging_face_reader import WEIGHTS_FILES
from modeling.configs import BertConfig
from system import files
from system.errors import UserError, few

STATE_FILE = 'checkpoint'
# Its line that names the latest checkpoint, a text in the form of C.
_LATEST = re.compile(r'^model_checkpoint_path:\s*"((?:[^"\\\n]|\\.)*)"', re.M)

_DATA_FILE = re.compile(r'\.data-\d{5}-of-\d{5}')


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """An existing checkpoint and the files that describe it.

  `locate` makes it. Its methods read the files again at each call.

  Attributes:
    prefix: see the module's docstring.
  """

  prefix: str

  @property
  def folder(self) -> str:
    """The folder that holds it; '' for the working directory."""
    return os.path.dirname(self.prefix)

  @property
  def step(self) -> int:
    """The training step that ends its prefix, or else 0."""
    return file_names.step_in(self.prefix)

  @property
  def is_hugging_face(self) -> bool:
    """Whether it is a file of weights in a Hugging Face folder."""
    return os.path.basename(self.prefix) in WEIGHTS_FILES

  @property
  def vocab_file(self) -> str | None:
    """The path of the vocab.txt next to it; None if there is no such file."""
    path = os.path.join(self.folder, VOCAB)
    return path if files.exists(path) else None

  def config(self) -> tuple[str, BertConfig] | None:
    """Reads the model's configuration: bert_config.json or config.json.

    In a Hugging Face folder config.json comes first: 'gelu' has another meaning
    in each file.

    Returns:
      The file's path and the configuration; None if there is no such file.

    Raises:
      UserError: the file is malformed, or the model is not a BERT.
    """
    path = os.path.join(self.folder, hugging_face_reader.CONFIG_FILE)
    if self.is_hugging_face and files.exists(path):
      return path, hugging_face_reader.read_config(path)
    path = os.path.join(self.folder, CONFIG)
    if files.exists(path):
      return path, BertConfig.from_json_file(path)
    return None

  def required_config(self) -> BertConfig:
    """Returns the configuration of `config`.

    Raises:
      UserError: as for `config`, or there is no file.
    """
    if (found := self.config()) is None:
      raise UserError(f'there is no {CONFIG} next to {self.prefix}')
    return found[1]

  def model_json(self) -> model_file.ModelFile | None:
    """Reads the model.json next to it; None if there is no such file.

    Raises:
      UserError: as for `model_file.read`.
    """
    return None if self.is_hugging_face else model_file.read(self.folder)

  def model_record(self) -> model_file.ModelFile | None:
    """Reads model.json, or an export's export.json; None if there is neither.

    Raises:
      UserError: the file is malformed, or as for `model_json`.
    """
    if not self.is_hugging_face:
      return self.model_json()
    found = export_file.as_model_file(self.folder)
    return None if found == model_file.UNKNOWN else found

  def casing(self) -> tuple[str, bool] | None:
    """Reads whether the model's text was lower-cased.

    Returns:
      The path of the file that records it, and its do_lower_case; else the name
      of the folder, if it is that of a released model; else None.
    """
    recorded = recorded_casing.beside(self.prefix)
    return recorded or recorded_casing.of_name(self.folder)

  def casing_or(self, given: bool | None) -> bool | None:
    """Returns whether text is lower-cased, as recorded, or else as given.

    Args:
      given: the setting `do_lower_case`; None if it is not given.

    Raises:
      UserError: both are known and differ.
    """
    if (recorded := self.casing()) is None:
      return given
    path, is_lower_cased = recorded
    if given not in (None, is_lower_cased):
      raise UserError(
        f'`do_lower_case`={given} contradicts {path}, which says '
        f'{is_lower_cased}'
      )
    return is_lower_cased

  def data_files(self) -> list[str]:
    """Returns the sorted paths of the files that hold the weights.

    Raises:
      UserError: there is no such file.
    """
    if self.is_hugging_face:
      return hugging_face_reader.data_files(self.prefix)
    name = os.path.basename(self.prefix)
    paths = [
      os.path.join(self.folder, other)
      for other in files.list_folder(self.folder or '.')
      if other.startswith(name) and _DATA_FILE.fullmatch(other[len(name) :])
    ]
    if not paths:
      raise UserError(
        f'{self.prefix}{DATA} cannot be found, nor any other data file of '
        f'{self.prefix}{INDEX}'
      )
    return paths

  def check_files(self) -> None:
    """Checks the files without reading weights.

    Raises:
      UserError: a file is missing or cut off, or contradicts model.json; it is
        named.
    """
    if self.is_hugging_face:
      hugging_face_reader.check_files(self.prefix)
    else:
      bundle_check.check(self.prefix)
      self.model_json()

  def check_checksums(self) -> None:
    """Checks the model's files against model.json, if there is one.

    Raises:
      UserError: a file has another checksum than recorded; the message names
        it.
    """
    if content := self.model_json():
      paths = [self.prefix + INDEX, *self.data_files()]
      names = [CONFIG, VOCAB, *map(os.path.basename, paths)]
      model_file.check_files(self.folder, content, names)

  def checksum(self) -> str:
    """Returns the SHA-256 of its data files, in order, in hexadecimal.

    Raises:
      UserError: there is no data file, or one cannot be read.
    """
    return files.sha256(*self.data_files())


def label_folders(path: str) -> list[str]:
  """Returns the folders that may name the labels of a checkpoint.

  They are RUN for RUN and RUN/model.ckpt-8; RUN/best and then RUN for RUN/best
  and RUN/best/model.ckpt-8.

  Args:
    path: as for `locate`; need not exist.
  """
  folder = path if files.is_folder(path) else os.path.dirname(path)
  folder = folder.rstrip('/')
  return list(dict.fromkeys([folder, run_files.of_checkpoint(folder)]))


def locate(path: str) -> Checkpoint:
  """Finds the checkpoint that a path names.

  Args:
    path: a prefix; one of a checkpoint's two files; or a folder. In a folder
      it is the run's best checkpoint, else the latest one that the `checkpoint`
      file names, else bert_model.ckpt, else the only checkpoint, else
      one of `hugging_face_reader.WEIGHTS_FILES`.

  Raises:
    UserError: there is no such checkpoint, or its files are incomplete. The
      message shows the path and what was looked for, and lists the checkpoints
      of that folder.
  """
  checkpoint = _find(path)
  checkpoint.check_files()
  return checkpoint


def _find(path: str) -> Checkpoint:
  if not path:
    raise UserError('a checkpoint was expected, an empty path was received')
  prefix = re.sub(r'\.(index|data-\d{5}-of-\d{5})$', '', path)
  if files.exists(prefix + INDEX):
    return Checkpoint(prefix)
  if Checkpoint(path).is_hugging_face and files.exists(path):
    return Checkpoint(path)
  if has_best(path):
    checkpoint = locate_latest(best_folder(path))
    _name_best(checkpoint.prefix)
    return checkpoint
  if files.is_folder(path):
    return locate_latest(path)
  folder = os.path.dirname(prefix) or '.'
  raise UserError(
    f'there is no checkpoint {path!r}: looked for {prefix + INDEX}'
    f' and for a folder of that name; {_candidates(folder, prefix)}'
  )


@functools.cache
def _name_best(prefix: str) -> None:
  """Logs a path once: a job may locate it several times."""
  logging.info("Using the run's best checkpoint: %s", prefix)


def best_folder(folder: str) -> str:
  """Returns the folder of the best checkpoint of a run in `folder`."""
  return os.path.join(folder, run_files.BEST)


def has_best(folder: str) -> bool:
  """Returns whether a run in `folder` has kept its best checkpoint."""
  return files.exists(os.path.join(best_folder(folder), STATE_FILE))


def has_run(folder: str) -> bool:
  """Returns whether `folder` holds a run that has saved a checkpoint."""
  return has_best(folder) or files.exists(os.path.join(folder, STATE_FILE))


def locate_latest(folder: str) -> Checkpoint:
  """Finds a folder's latest checkpoint, as `locate` without the best one.

  Raises:
    UserError: there is none.
  """
  looked_for = [os.path.join(folder, STATE_FILE)]
  prefixes = []
  if latest := _recorded_latest(looked_for[0]):
    # An absolute path is stale once the folder has been moved or copied.
    names = os.path.basename(latest), latest
    prefixes += [os.path.join(folder, name) for name in names]
  prefixes.append(os.path.join(folder, PREFIX))
  for prefix in dict.fromkeys(prefixes):
    if files.exists(prefix + INDEX):
      return Checkpoint(prefix)
    looked_for.append(prefix + INDEX)
  if len(names := _names_in(folder)) == 1:
    return Checkpoint(os.path.join(folder, names[0]))
  if weights := hugging_face_reader.find_weights(folder):
    return Checkpoint(weights)
  looked_for += [os.path.join(folder, x) for x in WEIGHTS_FILES]
  others = f'; {_candidates(folder, folder)}' if names else ''
  raise UserError(
    f'no checkpoint was found in the folder {folder!r}: looked for'
    f' {", ".join(looked_for)}{others}'
  )


def check_no_other(folder: str) -> None:
  """Checks that a folder holds no checkpoint other than bert_model.ckpt.

  Otherwise `locate` might find the old one, with the new one's vocabulary,
  and the old one would lose its vocabulary and its other files.

  Args:
    folder: need not exist. The checkpoint to write may be there already.

  Raises:
    UserError: there is another one, or a Hugging Face model.
  """
  other = hugging_face_reader.find_weights(folder)
  if other is None:
    with contextlib.suppress(UserError):
      other = _find(folder).prefix
  if other not in (None, os.path.join(folder, PREFIX)):
    raise UserError(
      f'`output_dir`={folder} holds another checkpoint, {other}: give another '
      'folder'
    )


def _recorded_latest(path: str) -> str:
  """Returns the path that a `checkpoint` file names; '' if it is damaged.

  `tf.train.get_checkpoint_state` reads it, too, but the import of TensorFlow
  takes longer than all checks of a command.
  """
  if not files.exists(path):
    return ''
  with files.open_stream(path) as file:
    match = _LATEST.search(file.read().decode(errors='replace'))
  try:
    return text_encoding.CUnescape(match[1]).decode() if match else ''
  except ValueError:
    return ''


def _names_in(folder: str) -> list[str]:
  """Returns the names of a folder's checkpoints."""
  return [
    name.removesuffix(INDEX)
    for name in files.list_folder(folder)
    if name.endswith(INDEX) and not name.startswith('.')
  ]


def _candidates(folder: str, wanted: str) -> str:
  """Describes the checkpoints in `folder`, the most similar name first."""
  if not files.is_folder(folder):
    return f'there is no folder {folder!r}'
  names = _names_in(folder)
  if not names:
    return f'no other is in {folder!r}'
  near = difflib.get_close_matches(
    os.path.basename(wanted), names, len(names), cutoff=0.0
  )
  return f'in {folder!r} there are: {few(near, separator="; ")}'
