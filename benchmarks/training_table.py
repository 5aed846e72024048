"""The results of `training`: rates, ratios, and the share of the peak."""

import statistics
from collections.abc import Sequence

from rounds import Worker
from training_jobs import PRODUCT_FLOPS, Job, step_flops

_TITLE_WIDTH = 28


def summarise(job: Job, workers: Sequence[Worker], product: Worker) -> dict:
  """Returns what the rounds of a job come to.

  Args:
    job: what was done.
    workers: who did it; the first is what the others are compared with.
    product: who measured the peak in the same rounds.
  """
  peaks = [_gigaflops(PRODUCT_FLOPS, r) for r in product.rounds]
  rows = [_row(job, worker, workers[0], peaks) for worker in workers]
  peak = statistics.median(peaks)
  return {'job': job.title, 'peak_gigaflops': peak, 'contestants': rows}


def _row(job: Job, worker: Worker, ours: Worker, peaks: list[float]) -> dict:
  if worker.failure:
    return {'title': worker.title, 'failure': worker.failure}
  pairs = list(zip(ours.rounds, worker.rounds, strict=True))
  seconds = [_each(theirs) / _each(our) for our, theirs in pairs]
  cpu = [
    _each(theirs, 'cpu_seconds') / _each(our, 'cpu_seconds')
    for our, theirs in pairs
  ]
  row = {
    'title': worker.title,
    'step_milliseconds': 1e3
    * _median(worker, lambda r: r['seconds'] / r['steps']),
    'examples_per_second': 1 / _median(worker, _each),
    'cpu_milliseconds': 1e3
    * _median(worker, lambda r: r['cpu_seconds'] / r['steps']),
    'times_ours': statistics.median(seconds),
    'times_ours_min': min(seconds),
    'times_ours_max': max(seconds),
    'times_our_cpu': statistics.median(cpu),
    'others': _median(worker, lambda r: r['others']),
    'peak_megabytes': worker.rounds[-1]['peak_megabytes'],
    **worker.start,
    'rounds': worker.rounds,
  }
  if job.kind == 'pretraining':
    row['share_of_peak'] = statistics.median(
      _gigaflops(step_flops(job), r) / peak
      for r, peak in zip(worker.rounds, peaks, strict=True)
    )
  return row


def _each(done: dict, what: str = 'seconds') -> float:
  return done[what] / done['examples']


def _median(worker: Worker, of) -> float:
  return statistics.median(map(of, worker.rounds))


def _gigaflops(flops: float, done: dict) -> float:
  return flops * done['steps'] / done['seconds'] / 1e9


_COLUMNS = {
  'ms/step': ('step_milliseconds', '{:,.0f}'),
  'examples/s': ('examples_per_second', '{:,.0f}'),
  'CPU ms': ('cpu_milliseconds', '{:,.0f}'),
  'of peak': ('share_of_peak', '{:.0%}'),
  'time': ('times_ours', '{:.2f} x'),
  'CPU time': ('times_our_cpu', '{:.2f} x'),
  'others': ('others', '{:.0%}'),
  'peak MB': ('peak_megabytes', '{:,.0f}'),
  'import s': ('import_seconds', '{:.1f}'),
  '1st step s': ('first_step_seconds', '{:.1f}'),
}


def lines(summary: dict) -> list[str]:
  """Returns a job's table."""
  head = ''.join(f'{title:>11}' for title in _COLUMNS)
  title = f'{summary["job"]}, peak {summary["peak_gigaflops"]:.0f} GFLOP/s'
  return ['', title, ' ' * _TITLE_WIDTH + head] + [
    f'{row["title"]:{_TITLE_WIDTH}}' + _cells(row)
    for row in summary['contestants']
  ]


def _cells(row: dict) -> str:
  if 'failure' in row:
    return f'  failed: {row["failure"]}'
  cells = (
    form.format(row[name]) if name in row else ''
    for name, form in _COLUMNS.values()
  )
  return ''.join(f'{cell:>11}' for cell in cells)
