r"""Packs a pre-trained encoder as Google packed its release.

  python -m tools.pack_release --run_dir=run --output_dir=release

OUTPUT_DIR gets a folder and a zip file, uncased_L-2_H-128_A-2 for example, with
bert_config.json, vocab.txt and bert_model.ckpt. What loads Google's files loads
these. A cased model also gets tokenizer_config.json, which records its casing.
"""

import os
import pathlib
import shutil
import zipfile
from collections.abc import Sequence

from absl import flags

from cli import flag_group, script
from modeling.checkpoints import location, recorded_casing
from modeling.checkpoints.file_names import (
  CONFIG,
  DATA,
  INDEX,
  PREFIX,
  VOCAB,
)
from modeling.checkpoints.location import Checkpoint
from modeling.configs import BertConfig
from system import (
  file_systems,
  files,
  folders,
  local_files,
  temporary_files,
)
from system.errors import UserError, listed

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'run_dir', None, 'The --output_dir of run_pretraining.py.'
  )
  flags.DEFINE_string(
    'output_dir',
    None,
    'The folder for the packed folder and the zip file.',
  )
  flags.DEFINE_bool(
    'do_lower_case',
    None,
    'Whether the vocabulary is uncased, for the name. The default is what the '
    "run or its folder's name says, else true.",
  )


def release_name(config: BertConfig, do_lower_case: bool) -> str:
  """Returns the name that Google gave such a model."""
  return (
    f'{"uncased" if do_lower_case else "cased"}_L-{config.num_hidden_layers}'
    f'_H-{config.hidden_size}_A-{config.num_attention_heads}'
  )


def pack(
  run_dir: str, output_dir: str, do_lower_case: bool | None = None
) -> str:
  """Copies a run's last checkpoint to a folder and a zip with Google's names.

  Both are written under temporary names, the zip last.

  Args:
    run_dir: the run's folder.
    output_dir: the folder to write to, created if missing.
    do_lower_case: whether the vocabulary is uncased; None for what the run
      records, or else true.

  Returns:
    The zip's path.

  Raises:
    UserError: a file of the run is missing, the run records another casing, or
      the output cannot be written.
  """
  parts = {
    name: files.require_file(os.path.join(run_dir, name), '`run_dir`')
    for name in (CONFIG, VOCAB)
  }
  # Exports of later steps may be left of a run that was begun anew.
  prefix = location.locate_latest(run_dir).prefix
  for ending in (INDEX, DATA):
    parts[PREFIX + ending] = files.require_file(
      f'{prefix}{ending}', 'a file of the checkpoint'
    )
  config = BertConfig.from_json_file(parts[CONFIG])
  is_uncased = Checkpoint(prefix).casing_or(do_lower_case) is not False
  name = release_name(config, is_uncased)
  local_files.require_local(output_dir)
  folder = os.path.join(output_dir, name)
  _check_replaceable(folder, [*parts, recorded_casing.FILE])
  with folders.filled(folder) as temporary:
    with file_systems.explained('write', folder):
      for part, path in parts.items():
        shutil.copyfile(path, os.path.join(temporary, part))
    if not is_uncased:
      recorded_casing.write(temporary, False)
  target = f'{folder}.zip'
  _zip(folder, name, target)
  return target


def _check_replaceable(folder: str, names: Sequence[str]) -> None:
  """Raises a `UserError` if a folder holds more than an earlier package."""
  found = os.listdir(folder) if os.path.isdir(folder) else []
  if others := sorted(set(found) - set(names)):
    raise UserError(
      f'{folder} holds {listed(others)}, which are not part of a release, and '
      'would be replaced. Give another `output_dir`'
    )


def _zip(folder: str, name: str, target: str) -> None:
  """Packs the files of a folder under a name."""
  temporary = temporary_files.name_for(target)
  with file_systems.explained('write', target):
    try:
      with zipfile.ZipFile(temporary, 'w', zipfile.ZIP_DEFLATED) as packed:
        for part in sorted(os.listdir(folder)):
          packed.write(os.path.join(folder, part), f'{name}/{part}')
      os.replace(temporary, target)
    finally:
      pathlib.Path(temporary).unlink(missing_ok=True)


def main(_: list[str]) -> None:
  """Packs the model and prints the zip's path."""
  flag_group.require('run_dir', 'output_dir')
  print(pack(FLAGS.run_dir, FLAGS.output_dir, FLAGS.do_lower_case))


if __name__ == '__main__':
  define_flags()
  script.run(main)
