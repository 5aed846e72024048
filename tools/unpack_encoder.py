r"""Unpacks the encoder that comes with this project.

  python -m tools.unpack_encoder --vocab_file=models/vocab.txt \
    --output_dir=models/uncased_L-2_H-128_A-2

The output is a folder like Google's: bert_config.json, vocab.txt and
bert_model.ckpt in float32. `--init_checkpoint` takes it. The encoder is
BERT-Tiny, pre-trained; encoders/uncased_L-2_H-128_A-2/README.md describes it.

The repository has the weights in float16 and without the vocabulary, which is
the released uncased one: any uncased BERT has it beside its weights. The
checksums of weights, configuration and vocabulary are checked first.
"""

import os
import re

from absl import flags

from cli import flag_group, script
from modeling.checkpoints import hugging_face, model_file, recorded_casing
from system import files, text_files
from system.errors import UserError, shown

FLAGS = flags.FLAGS

ENCODER = os.path.join(
  os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
  'encoders',
  'uncased_L-2_H-128_A-2',
)
_SUMS = 'SHA256SUMS'
_VOCAB = 'vocab.txt'
_WEIGHTS = hugging_face.WEIGHTS_FILES[0]
# A line of sha256sum.
_SUM = re.compile(r'([0-9a-f]{64}) [ *](.+)')


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'vocab_file',
    None,
    'The released uncased vocabulary, which MiniLM and any uncased BERT have.',
  )
  flags.DEFINE_string(
    'output_dir',
    None,
    f'The folder to write bert_config.json, {_VOCAB} and bert_model.ckpt to.',
  )


def unpack(encoder_dir: str, vocab_file: str, output_dir: str) -> None:
  """Writes an encoder as a released-BERT checkpoint, in float32.

  Args:
    encoder_dir: the folder with config.json, model.safetensors and SHA256SUMS.
    vocab_file: the vocabulary whose checksum SHA256SUMS has.
    output_dir: the folder to write to, created if missing. The checkpoint is
      written last: a folder that has one is complete.

  Raises:
    UserError: a file is missing, or its checksum is another than the recorded
      one; it is named. Nothing has been written.
  """
  config_file = os.path.join(encoder_dir, hugging_face.CONFIG_FILE)
  weights_file = os.path.join(encoder_dir, _WEIGHTS)
  paths = {
    hugging_face.CONFIG_FILE: config_file,
    _WEIGHTS: weights_file,
    _VOCAB: vocab_file,
  }
  _check(paths, _read_sums(os.path.join(encoder_dir, _SUMS)))
  config = hugging_face.read_config(config_file)
  weights, _ = hugging_face.read_weights(weights_file)
  from modeling.checkpoints import exporting

  files.make_folder(output_dir)
  config.to_json_file(os.path.join(output_dir, 'bert_config.json'))
  text_files.copy(vocab_file, os.path.join(output_dir, _VOCAB))
  recorded_casing.write(output_dir, do_lower_case=True)
  exporting.write_released(os.path.join(output_dir, 'bert_model.ckpt'), weights)


def main(_: list[str]) -> None:
  """Unpacks the encoder and prints where it is."""
  flag_group.require('vocab_file', 'output_dir')
  unpack(ENCODER, FLAGS.vocab_file, FLAGS.output_dir)
  print(FLAGS.output_dir)


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
    found = model_file.checksum(path)
    if found != (expected := sums.get(name)):
      reason = 'is damaged: restore it from the repository'
      if name == _VOCAB:
        reason = "is not the encoder's vocabulary, the released uncased one"
      raise UserError(
        f'{path} {reason} (SHA-256 {found}, expected {expected or "one"})'
      )


if __name__ == '__main__':
  define_flags()
  script.run(main)
