r"""Records the result of a run as one small JSON file for `tools.report`.

  python -m tools.record_result --run_dir=out/PD --method=PD --seed=1 \
    --results_dir=results

For recipes that compare methods over several seeds. The file holds the method,
the seed, the accuracy, the number of parameters and the speed.
"""

import os

from absl import flags, logging

from cli import flag_group, script
from modeling.configs import BertConfig, count_parameters
from system import files
from system.errors import UserError

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string('run_dir', None, 'The --output_dir of a --do_eval run.')
  flags.DEFINE_string(
    'method', None, 'The method that the run used, PD for example.'
  )
  flags.DEFINE_integer('seed', None, "The run's seed.")
  flags.DEFINE_string(
    'results_dir', None, 'The folder to write <method>-seed<seed>.json to.'
  )


def read_result(run_dir: str) -> dict[str, float]:
  """Returns a run's accuracy, speed and number of parameters.

  Raises:
    UserError: the run was not evaluated.
  """
  path = os.path.join(run_dir, 'eval_results.txt')
  lines = files.read_text(files.require_file(path, '--run_dir')).splitlines()
  scores = dict(line.split(' = ', 1) for line in lines)
  if 'eval_accuracy' not in scores:
    raise UserError(f'{path} has no eval_accuracy')
  config = BertConfig.from_json_file(os.path.join(run_dir, 'bert_config.json'))
  speed = files.read_json(os.path.join(run_dir, 'eval_speed.json'))
  return {
    'accuracy': float(scores['eval_accuracy']),
    'parameters': count_parameters(config),
    'examples_per_second': speed['examples_per_second'],
  }


def main(_: list[str]) -> None:
  """Writes the file."""
  flag_group.require('run_dir', 'method', 'seed', 'results_dir')
  result = {
    'method': FLAGS.method,
    'seed': FLAGS.seed,
    **read_result(FLAGS.run_dir),
  }
  files.make_folder(FLAGS.results_dir)
  name = f'{FLAGS.method}-seed{FLAGS.seed}.json'
  files.write_json(os.path.join(FLAGS.results_dir, name), result)
  logging.info('%s', result)


if __name__ == '__main__':
  define_flags()
  script.run(main)
