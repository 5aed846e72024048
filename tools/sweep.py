r"""Runs a script with every combination of some flags' values.

  python -m tools.sweep --sweep_dir=sweep --grid=learning_rate=1e-4,3e-4 \
    --grid=train_batch_size=8,32 --seeds=1,2,3 -- \
    run_classifier.py --do_train --do_eval --task_name=SST-2 ...

The words after `--` are a script and the flags that all runs share. Each run
gets its own folder as --output_dir, SWEEP_DIR/runs/<values>, and a result
in SWEEP_DIR/results. The same command continues a sweep: finished runs are
skipped, unfinished ones resume; a folder with runs of another command is
refused. At the end the combinations are printed, the best first by --metric.

For a cluster, --write_flagfiles writes the flags of each run to
SWEEP_DIR/flags/<number>.txt, from 0, and runs nothing; the log lists the
numbers of the unfinished runs. The cluster's own scheduler then runs the script
once for each of these, with --flagfile and the file's path (docs/devices.md),
and --collect reads what has finished. If
--write_flagfiles is run again, each run keeps its number.
"""

import csv
import glob
import io
import itertools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence

from absl import flags, logging

from cli import flag_group, script
from system import files, local_files, step_runner, text_table
from system.errors import Stopped, UserError, listed, shown
from system.steps import Step, flag_words
from tools import run_result, sweep_table

FLAGS = flags.FLAGS

_WORDS_FILE = 'words.json'
# Files of a sweep that has made something: a result, a run in progress, scores.
_TRACES = ('results/*', 'runs/*/run.json', 'runs/*/eval_results.txt')
_SCRIPTS = ('run_classifier.py', 'run_distillation.py', 'run_pretraining.py')


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string('sweep_dir', None, 'The folder of the sweep.')
  flags.DEFINE_multi_string(
    'grid', [], "A flag and its values: 'learning_rate=1e-4,3e-4'. Repeatable."
  )
  flags.DEFINE_list(
    'seeds', [], 'Values of --seed; each combination runs with each of them.'
  )
  flags.DEFINE_integer('jobs', 1, 'Runs at the same time, on this machine.', 1)
  flags.DEFINE_string(
    'metric',
    None,
    "The score that orders the runs; by default the task's main metric, or "
    'the first score of eval_results.txt that is not a loss. f1:LABEL, '
    'precision:LABEL and recall:LABEL are scores of one label.',
  )
  flags.DEFINE_bool(
    'write_flagfiles', False, 'Whether to write flagfiles and run nothing.'
  )
  flags.DEFINE_bool(
    'collect', False, 'Whether to only collect the results of finished runs.'
  )


def parse_grid(
  grid: Sequence[str], seeds: Sequence[str]
) -> dict[str, list[str]]:
  """Returns flag → values.

  Raises:
    UserError: an entry is not name=value,..., or a flag or value occurs twice.
  """
  values: dict[str, list[str]] = {}
  entries = [*grid, *([f'seed={",".join(seeds)}'] if seeds else [])]
  for entry in entries:
    name, equals, text = entry.partition('=')
    name, items = name.lstrip('-'), text.split(',')
    if not (name and equals and all(items)):
      raise UserError(f'--grid={entry}: expected name=value,value')
    if name in values:
      raise UserError(f'--grid names {name} twice')
    if len(set(items)) < len(items):
      raise UserError(f'--grid={entry}: a value occurs twice')
    if name == 'output_dir':
      raise UserError('--grid: the sweep sets output_dir itself')
    values[name] = items
  if not values:
    raise UserError('give --grid or --seeds, or both')
  return values


def plan(
  sweep_dir: str, words: Sequence[str], grid: Mapping[str, Sequence[str]]
) -> list[Step]:
  """Returns a step for each combination; the last flag changes fastest.

  Args:
    sweep_dir: the sweep's folder.
    words: the script and the shared flags.
    grid: flag → values.

  Raises:
    UserError: there is no script of this project, it is not evaluated, or it
      has an --output_dir or a flag of the grid.
  """
  if not words or os.path.basename(words[0]) not in _SCRIPTS:
    found = shown(words[0]) if words else 'nothing'
    raise UserError(
      f'after -- expected one of {listed(_SCRIPTS)} and its flags, got {found}'
    )
  if not os.path.exists(words[0]):
    raise UserError(f'there is no script {words[0]}')
  given = _given(words)
  # A file of flags, or an earlier run, may have it.
  if not given.keys() & {'do_eval', 'flagfile', 'from_run'}:
    raise UserError(f'{words[0]} needs --do_eval: a sweep compares scores')
  if clash := given.keys() & {*grid, 'output_dir'}:
    raise UserError(
      f'--{sorted(clash)[0]} is given after --, but the sweep sets it'
    )
  if 'num_seeds' in {*given, *grid}:
    raise UserError('--num_seeds: a sweep has --seeds instead, a run for each')
  planned = [
    _step(sweep_dir, words, dict(zip(grid, values, strict=True)))
    for values in itertools.product(*grid.values())
  ]
  names = [step.name for step in planned]
  if again := {name for name in names if names.count(name) > 1}:
    raise UserError(
      f'--grid: two combinations would have the folder {sorted(again)[0]}; '
      'are two values the same?'
    )
  return planned


def _given(words: Sequence[str]) -> dict[str, str]:
  """Returns the flags of a command and their values; '' if it has none.

  Both forms are read: --name=value, and --name value.
  """
  given = {}
  for word, following in zip(words, [*words[1:], '-'], strict=True):
    if word.startswith('-'):
      name, equals, value = word.lstrip('-').partition('=')
      is_apart = not equals and not following.startswith('-')
      given[name] = following if is_apart else value
  return given


def check_flags(
  words: Sequence[str], grid: Mapping[str, Sequence[str]]
) -> None:
  """Lets the script parse the shared flags and every value of the grid.

  Raises:
    UserError: it has no such flag, or a flag does not take such a value.
  """
  # Absl parses every occurrence of a flag.
  values = [f'--{name}={x}' for name, items in grid.items() for x in items]
  step = Step('', (*words, *values, '--only_check_args'), '')
  done = subprocess.run(step.words(), capture_output=True, text=True)
  if done.returncode:
    message = done.stderr.strip().removeprefix('ERROR: ')
    raise UserError(f'{words[0]} does not take these flags: {message}')


def check_words(sweep_dir: str, words: Sequence[str]) -> None:
  """Records the words that all runs of a sweep share.

  Raises:
    UserError: the folder has runs or results that were made with others.
  """
  path = os.path.join(sweep_dir, _WORDS_FILE)
  earlier = list(words)
  if os.path.exists(path) and any(
    glob.glob(os.path.join(glob.escape(sweep_dir), x)) for x in _TRACES
  ):
    earlier = files.read_json(path)
  if earlier != list(words):
    changed = [x for x in [*words, *earlier] if (x in words) != (x in earlier)]
    raise UserError(
      f'--sweep_dir={sweep_dir} belongs to a sweep with other words after --: '
      f'{listed(changed) if changed else "another order"}. Give another folder.'
    )
  local_files.write(path, json.dumps(list(words), indent=2) + '\n')


def _run_dir(sweep_dir: str, name: str) -> str:
  return os.path.join(sweep_dir, 'runs', name)


def _step(
  sweep_dir: str, words: Sequence[str], values: Mapping[str, str]
) -> Step:
  keys = run_result.parse_keys(
    [f'{name}={value}' for name, value in values.items()]
  )
  name = run_result.file_name(keys).removesuffix('.json')
  folder = _run_dir(sweep_dir, name)
  result = os.path.join(sweep_dir, 'results', f'{name}.json')

  def record(seconds: float | None) -> None:
    run_result.write_of_step(result, folder, keys, seconds)

  own = flag_words({**values, 'output_dir': folder})
  return Step(name, (*words, *own), result, finish=record)


def write_flagfiles(sweep_dir: str, planned: Sequence[Step]) -> dict[int, Step]:
  """Writes the flags of each run, one per line, to flags/<number>.txt.

  A run that has a file keeps its number: a scheduler may start it again. Others
  get the next numbers. Files of runs that the grid no longer has stay, so that
  their numbers stay theirs.

  Returns:
    Number → run.
  """
  folder = os.path.join(sweep_dir, 'flags')
  texts = {
    ''.join(f'{word}\n' for word in step.command[1:]): step for step in planned
  }
  numbers: dict[str, int] = {}
  following = 0
  for path in glob.glob(os.path.join(glob.escape(folder), '*.txt')):
    name = os.path.basename(path).removesuffix('.txt')
    if not name.isdecimal():
      continue
    following = max(following, int(name) + 1)
    with open(path, encoding='utf-8') as file:
      text = file.read()
    if text in texts:
      numbers[text] = int(name)
  for text in texts:
    if text not in numbers:
      numbers[text] = following
      local_files.write(os.path.join(folder, f'{following}.txt'), text)
      following += 1
  return {number: texts[text] for text, number in numbers.items()}


def unfinished_numbers(planned: Mapping[int, Step]) -> str:
  """Returns the runs without a result as SLURM's --array takes them.

  For example '0-2,5'; '' if all have one.

  Args:
    planned: number → run.
  """
  numbers = sorted(n for n, step in planned.items() if not step.is_done)
  ranges: list[list[int]] = []
  for number in numbers:
    if ranges and ranges[-1][-1] == number - 1:
      ranges[-1].append(number)
    else:
      ranges.append([number])
  return ','.join(
    f'{first}-{rest[-1]}' if rest else str(first) for first, *rest in ranges
  )


def collect(sweep_dir: str, planned: Sequence[Step]) -> int:
  """Records finished runs that have no result yet; returns the unfinished."""
  log_dir = os.path.join(sweep_dir, 'logs')
  for step in planned:
    run = os.path.join(_run_dir(sweep_dir, step.name), 'eval_results.txt')
    # A run that was begun here and not ended may still have to predict.
    is_ours = step_runner.was_begun(step, log_dir)
    if not step.is_done and os.path.exists(run) and not is_ours:
      step.finish(None)
  return sum(not step.is_done for step in planned)


def main(arguments: list[str]) -> None:
  """Runs or collects the sweep."""
  if FLAGS.collect and FLAGS.write_flagfiles:
    raise UserError('--collect and --write_flagfiles exclude each other')
  flag_group.require('sweep_dir')
  local_files.require_local(FLAGS.sweep_dir)
  words, grid = arguments[1:], parse_grid(FLAGS.grid, FLAGS.seeds)
  planned = plan(FLAGS.sweep_dir, words, grid)
  task = _given(words).get('task_name', '')
  metric = FLAGS.metric or sweep_table.main_metric(task)
  if metric:
    sweep_table.check_metric(metric, words[0])
  if not FLAGS.collect:
    check_flags(words, grid)
  check_words(FLAGS.sweep_dir, words)
  collect(FLAGS.sweep_dir, planned)
  if FLAGS.write_flagfiles:
    numbered = write_flagfiles(FLAGS.sweep_dir, planned)
    left = unfinished_numbers(numbered) or 'none'
    logging.info('%s/flags; unfinished: %s', FLAGS.sweep_dir, left)
    return
  try:
    if not FLAGS.collect:
      log_dir = os.path.join(FLAGS.sweep_dir, 'logs')
      step_runner.run(planned, log_dir, FLAGS.jobs)
  except (Stopped, UserError):
    # A table that cannot be made must not hide why the runs ended.
    try:
      _report(planned, metric)
    except UserError as error:
      logging.warning('there is no table: %s', error)
    raise
  _report(planned, metric)


def _report(planned: Sequence[Step], metric: str | None) -> None:
  unfinished = collect(FLAGS.sweep_dir, planned)
  done = [step for step in planned if step.is_done]
  results = [run_result.read(step.done) for step in done]
  if unfinished:
    logging.warning('%d of %d runs have no result', unfinished, len(planned))
    log_dir = os.path.join(FLAGS.sweep_dir, 'logs')
    begun = [x.name for x in planned if step_runner.was_begun(x, log_dir)]
    if begun:
      logging.warning(
        'started on this machine, not finished: %s; the same command, without '
        '--collect, finishes them',
        listed(begun),
      )
  if not results:
    return
  if metric and sweep_table.is_of_label(metric):
    results = [
      sweep_table.with_label_score(
        result, _run_dir(FLAGS.sweep_dir, step.name), metric
      )
      for result, step in zip(results, done, strict=True)
    ]
  table = sweep_table.as_table(results, metric)
  text = io.StringIO()
  csv.writer(text, lineterminator='\n').writerows(table)
  path = os.path.join(FLAGS.sweep_dir, 'sweep.csv')
  local_files.write(path, text.getvalue())
  script.show(text_table.aligned(table))
  logging.info('saved %s', path)


if __name__ == '__main__':
  define_flags()
  script.run(main, takes_words=True)
