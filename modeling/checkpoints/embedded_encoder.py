"""The encoder that comes with this project, BERT-Tiny, pre-trained.

Its folder, encoders/uncased_L-2_H-128_A-2, has the weights in float16 with
Hugging Face's names, and the checksums of weights, configuration and
vocabulary. The vocabulary itself, the released uncased one, is not there.
"""

import hashlib
import os
import re
from collections.abc import Sequence

from modeling.checkpoints import (
  hugging_face_reader,
  location,
  recorded_casing,
)
from modeling.checkpoints.file_names import VOCAB
from modeling.checkpoints.hugging_face_reader import CONFIG_FILE, WEIGHTS_FILES
from system import files, project, text_files
from system.errors import UserError, shown

_NAME = os.path.join('encoders', 'uncased_L-2_H-128_A-2')
FOLDER = os.path.join(project.ROOT, _NAME)
_SUMS = 'SHA256SUMS'
_WEIGHTS = WEIGHTS_FILES[0]
# A line of sha256sum.
_SUM = re.compile(r'([0-9a-f]{64}) [ *](.+)')


def path() -> str:
  """Returns the folder as `project.path` does."""
  return project.path(_NAME)


def has_vocabulary(tokens: Sequence[str]) -> bool:
  """Returns whether these tokens, in this order, are the encoder's."""
  content = ''.join(f'{token}\n' for token in tokens).encode()
  sums = _read_sums(os.path.join(FOLDER, _SUMS))
  return hashlib.sha256(content).hexdigest() == sums.get(VOCAB)


def unpack(encoder_dir: str, vocab_file: str, output_dir: str) -> None:
  """Writes an encoder as a released-BERT checkpoint, in float32.

  Args:
    encoder_dir: the folder with config.json, model.safetensors and SHA256SUMS.
    vocab_file: the vocabulary whose checksum SHA256SUMS has.
    output_dir: the folder to write to, created if missing. The checkpoint is
      written last: a folder that has one is complete.

  Raises:
    UserError: a file is missing, or its checksum is another than the recorded
      one; the message names it. Or the folder to write to holds another
      checkpoint. Nothing has been written.
  """
  location.check_no_other(output_dir)
  config_file = os.path.join(encoder_dir, CONFIG_FILE)
  weights_file = os.path.join(encoder_dir, _WEIGHTS)
  paths = {
    CONFIG_FILE: config_file,
    _WEIGHTS: weights_file,
    VOCAB: vocab_file,
  }
  _check(paths, _read_sums(os.path.join(encoder_dir, _SUMS)))
  config = hugging_face_reader.read_config(config_file)
  weights, _ = hugging_face_reader.read_weights(weights_file)
  from modeling.checkpoints import exporting

  files.make_folder(output_dir)
  recorded_casing.write(output_dir, do_lower_case=True)
  tokens = text_files.read_lines(vocab_file)
  exporting.write_folder(output_dir, weights, config, tokens)


def _read_sums(path: str) -> dict[str, str]:
  """Reads sha256sum's output: file name → checksum in hexadecimal.

  Raises:
    UserError: the file is missing, or a line is malformed.
  """
  sums = {}
  for number, line in enumerate(text_files.read_lines(path), 1):
    if not (match := _SUM.fullmatch(line)):
      raise UserError(
        f'{path}, line {number}: expected a SHA-256 and a name, found '
        f'{shown(line)}'
      )
    sums[match[2]] = match[1]
  return sums


def _check(paths: dict[str, str], sums: dict[str, str]) -> None:
  """Compares files with their checksums.

  Args:
    paths: name in `sums` → the file to check.
    sums: from `_read_sums`.

  Raises:
    UserError: a file is missing, has no checksum or has another one.
  """
  for name, path in paths.items():
    files.require_file(path, f'{name} of the encoder')
    found = files.sha256(path)
    if found != (expected := sums.get(name)):
      reason = 'is damaged: restore it from the repository'
      if name == VOCAB:
        reason = "is not the encoder's vocabulary, the released uncased one"
      raise UserError(
        f'{path} {reason} (SHA-256 {found}, expected {expected or "one"})'
      )
