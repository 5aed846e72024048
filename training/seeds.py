"""Runs a job with several seeds; summarises their scores."""

import dataclasses
import math
import os
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from absl import logging

from devices import workers
from system import files, settings, text_table
from training import (
  gradient_registry,
  output_folder_check,
  resuming,
  run_folder,
  run_lock,
  seed_folders,
)

Scores = Mapping[str, float]
# (changed settings by name) → the script and its flags, for `run.json`.
Command = Callable[..., Mapping[str, Any]]

_COLUMNS = ('median', 'lowest', 'highest', 'mean', 'std')


def run(
  options: Any,
  command: Command,
  job: Callable[[Any, Mapping[str, Any]], Scores],
) -> None:
  """Runs a job once, or with each of `num_seeds` seeds in its own folder.

  With several seeds it reports their scores.

  Args:
    options: the job's; `training.seed` is the first seed.
    command: see `Command`; a seed's `run.json` starts only that seed again.
    job: (options, the command for `run.json`) → scores.
  """
  training, num_seeds = options.training, options.evaluation.num_seeds
  if num_seeds == 1:
    job(options, command())
    return
  output_dir = training.output_dir
  # Each seed's run has its own folder; this one holds the report.
  with run_lock.held(output_dir):
    workers.chief_does(lambda: output_folder_check.check_seeds(output_dir))
    folders = seed_folders.of_seeds(options)
    begun = [x for x in folders.values() if resuming.has_progress(x)]
    if training.do_train:
      # Before the first seed, which may train for hours.
      decided = {**settings.weights_decided_by(training), 'seed': None}
      for folder in begun:
        run_folder.check_settings(folder, decided)

    def record_command() -> None:
      if training.do_train:
        run_folder.claim(output_dir, {}, False, command=command())

    # A run with progress may refuse the command, which is then not recorded.
    if not begun:
      record_command()
    scores = {}
    for seed, folder in folders.items():
      own = {'seed': seed, 'output_dir': folder}
      logging.info('Seed %d, in %s', seed, folder)
      with gradient_registry.freeing_graphs():
        scores[seed] = job(
          dataclasses.replace(
            options, training=dataclasses.replace(training, **own)
          ),
          command(**own, num_seeds=1),
        )
    record_command()
    workers.chief_does(lambda: report(output_dir, scores))


def summarise(scores: Mapping[int, Scores]) -> dict[str, dict[str, float]]:
  """Returns each score's median, lowest, highest, mean and deviation.

  Args:
    scores: seed → name → value, of two seeds or more.

  Returns:
    name → statistics. `std` is the sample standard deviation, with the divisor
    N - 1 for N seeds. All are NaN if a value is not finite.
  """
  names = next(iter(scores.values()))
  summary = {}
  for name in names:
    values = [of_seed[name] for of_seed in scores.values()]
    if not all(map(math.isfinite, values)):
      summary[name] = dict.fromkeys(_COLUMNS, math.nan)
      continue
    summary[name] = {
      'median': statistics.median(values),
      'lowest': min(values),
      'highest': max(values),
      'mean': statistics.fmean(values),
      'std': statistics.stdev(values),
    }
  return summary


def report(output_dir: str, scores: Mapping[int, Scores]) -> None:
  """Prints the summary of the scores and writes it to `seeds.json`.

  Args:
    output_dir: the folder that holds the seeds' folders.
    scores: as for `summarise`.
  """
  summary = summarise(scores)
  logging.info(
    'Scores of %d seeds, %s', len(scores), ', '.join(map(str, scores))
  )
  rows = [
    [name, *(f'{values[column]:.4f}' for column in _COLUMNS)]
    for name, values in summary.items()
  ]
  for line in text_table.aligned([['', *_COLUMNS], *rows]):
    logging.info('%s', line)
  files.write_json(
    os.path.join(output_dir, seed_folders.REPORT),
    {
      'scores': {str(s): dict(v) for s, v in scores.items()},
      'summary': summary,
    },
  )
