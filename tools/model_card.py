r"""Writes the model card of a trained model, README.md, from its run's files.

  python -m tools.model_card --model_dir=student --language=en \
    --license=apache-2.0 --limits='Trained on film reviews only.'

The card describes the model, its data, its teachers and its transfer set, and
has the command, the scores with their spread over seeds, the agreement with the
teacher, the size, the speed and how to use the model. What the files do not
record is left out. The command has the paths of the run, as they were given.

Tested by `tests/serving/exports/model_card_test.py`.
"""

import os

from absl import flags, logging

from cli import flag_group, script
from modeling.checkpoints import location
from serving.exports import model_card
from system import files, local_files
from system.errors import UserError
from tools import run_result

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'model_dir',
    None,
    "The folder of the model: a run's --output_dir, its best/, or a copy; or "
    'the prefix of a checkpoint in it.',
  )
  flags.DEFINE_string(
    'output_file', None, 'The card; by default README.md in that folder.'
  )
  flags.DEFINE_list(
    'results',
    [],
    'Result files of other runs, from tools.record_result, to compare with.',
  )
  flags.DEFINE_string(
    'split',
    None,
    "The evaluated split; by default the one that the run's evaluation "
    'recorded, or the --eval_split of its command.',
  )
  flags.DEFINE_list(
    'language', [], 'The languages of the texts, as codes such as en.'
  )
  flags.DEFINE_string(
    'license', None, 'The licence of the model, such as apache-2.0.'
  )
  flags.DEFINE_string(
    'limits', None, 'A text that says what the model is not suitable for.'
  )
  flags.DEFINE_bool('overwrite', False, 'Whether to replace an earlier card.')


def main(_: list[str]) -> None:
  """Writes the card."""
  flag_group.require('model_dir')
  path = FLAGS.output_file or os.path.join(_folder(), 'README.md')
  local_files.require_local(path)
  if files.exists(path) and not FLAGS.overwrite:
    raise UserError(f'{path} exists: give --overwrite to replace it')
  notes = model_card.Notes(FLAGS.language, FLAGS.license, FLAGS.limits)
  results = [run_result.read(each) for each in FLAGS.results]
  card = model_card.full_card(FLAGS.model_dir, notes, results, FLAGS.split)
  local_files.write(path, card)
  logging.info('Wrote %s', path)


def _folder() -> str:
  """Returns the folder of --model_dir, which may name a checkpoint in it."""
  if files.is_folder(FLAGS.model_dir):
    return FLAGS.model_dir
  return location.locate(FLAGS.model_dir).folder


if __name__ == '__main__':
  define_flags()
  script.run(main)
