r"""Records the result of a finished run as one small JSON file.

  python -m tools.record_result --run_dir=out/PD --results_dir=results \
    --keys=task=SST-2,size=2/128,method=PD,seed=1

For recipes that compare runs; `tools.report` makes tables and figures of such
files. The file holds the keys, the scores, the size and the speed of the model,
the command, the versions, the hardware and the time. Record a run on the
machine that ran it. `tools/run_result.py` describes the fields.
"""

from absl import flags, logging

from cli import flag_group, script
from tools import run_result

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string('run_dir', None, 'The --output_dir of a --do_eval run.')
  flags.DEFINE_string(
    'model_dir', None, 'The evaluated model, if it is not in --run_dir.'
  )
  flags.DEFINE_string('results_dir', None, 'The folder to write the file to.')
  flags.DEFINE_list(
    'keys',
    None,
    'What the run stands for: NAME=VALUE,..., such as method=PD,seed=1.',
  )
  flags.DEFINE_string(
    'name',
    None,
    "The file's name, with or without .json; by default made from the keys' "
    'values.',
  )
  flags.DEFINE_float(
    'seconds', None, "The wall time of the run's commands.", lower_bound=0
  )
  flags.DEFINE_string(
    'split',
    None,
    "The evaluated split; by default the one that the run's evaluation "
    'recorded, or the --eval_split of its command.',
  )


def main(_: list[str]) -> None:
  """Writes the file."""
  flag_group.require('run_dir', 'results_dir', 'keys')
  keys = run_result.parse_keys(FLAGS.keys)
  record = run_result.make(
    FLAGS.run_dir, keys, FLAGS.seconds, FLAGS.split, FLAGS.model_dir
  )
  name = FLAGS.name or run_result.file_name(keys)
  path = run_result.write(FLAGS.results_dir, name, record)
  logging.info('%s: %s', path, run_result.scores_line(record))


if __name__ == '__main__':
  define_flags()
  script.run(main)
