"""Several seeds of one run: the middle and the spread of their scores."""

import os
import statistics
from collections.abc import Mapping

from absl import logging

from system import files


def folder(output_dir: str, seed: int) -> str:
  """Returns where the run of one seed stands."""
  return os.path.join(output_dir, f'seed-{seed}')


def summarise(
  scores: Mapping[int, Mapping[str, float]],
) -> dict[str, dict[str, float]]:
  """Returns each score's median, lowest, highest, mean and deviation.

  Args:
    scores: of two seeds or more: seed → name → value.

  Returns:
    name → statistics. `std` is the sample's, divided by the number of seeds
    less one.
  """
  names = next(iter(scores.values()))
  summary = {}
  for name in names:
    values = [of_seed[name] for of_seed in scores.values()]
    summary[name] = {
      'median': statistics.median(values),
      'lowest': min(values),
      'highest': max(values),
      'mean': statistics.fmean(values),
      'std': statistics.stdev(values),
    }
  return summary


def report(output_dir: str, scores: Mapping[int, Mapping[str, float]]) -> None:
  """Prints what `summarise` returns and writes it to `seeds.json`.

  Args:
    output_dir: the folder that holds the seeds' folders.
    scores: as for `summarise`.
  """
  summary = summarise(scores)
  width = max(map(len, summary))
  columns = ('median', 'lowest', 'highest', 'mean', 'std')
  logging.info(
    'Scores of %d seeds, %s', len(scores), ', '.join(map(str, scores))
  )
  logging.info('%s', ' ' * width + ''.join(f'{name:>10}' for name in columns))
  for name, values in summary.items():
    cells = ''.join(f'{values[column]:10.4f}' for column in columns)
    logging.info('%s', f'{name:{width}}{cells}')
  files.write_json(
    os.path.join(output_dir, 'seeds.json'),
    {
      'scores': {str(s): dict(v) for s, v in scores.items()},
      'summary': summary,
    },
  )
