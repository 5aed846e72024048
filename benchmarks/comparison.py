"""Medians, tables and ratios of the benchmarks' measurements."""

import dataclasses
import itertools
import statistics
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Measurement:
  """One run of a program, or the medians of several runs.

  Attributes:
    title: the program's name in tables.
    megabytes: size of the text that it reads, in 10^6 bytes.
    seconds: wall time.
    cpu_seconds: CPU time of all its processes.
    peak_megabytes: peak memory of all its processes together, in 10^6 bytes.
    records: number of records that it writes.
    failure: why the run failed; '' if it succeeded. After a failure the other
      numbers are meaningless.
  """

  title: str
  megabytes: float
  seconds: float
  cpu_seconds: float
  peak_megabytes: float
  records: float
  failure: str = ''


def median(runs: list[Measurement]) -> Measurement:
  """Returns the medians of a program's runs, or the first failed run."""
  for run in runs:
    if run.failure:
      return run
  columns = ('megabytes', 'seconds', 'cpu_seconds', 'peak_megabytes', 'records')
  return dataclasses.replace(
    runs[0],
    **{
      name: statistics.median(getattr(run, name) for run in runs)
      for name in columns
    },
  )


_COLUMNS = {
  'text MB': lambda row: f'{row.megabytes:,.1f}',
  'seconds': lambda row: f'{row.seconds:,.1f}',
  'CPU s': lambda row: f'{row.cpu_seconds:,.1f}',
  'records': lambda row: f'{row.records:,.0f}',
  'records/s': lambda row: f'{row.records / row.seconds:,.0f}',
  'MB/s': lambda row: f'{row.megabytes / row.seconds:.2f}',
  'peak MB': lambda row: f'{row.peak_megabytes:,.0f}',
}
_TITLE_WIDTH = 20


def table(rows: list[Measurement]) -> list[str]:
  """Returns a header line and one line for each row."""
  header = ''.join(f'{title:>11}' for title in _COLUMNS)
  return [' ' * _TITLE_WIDTH + header, *map(line, rows)]


def line(row: Measurement) -> str:
  """Formats one row of the table."""
  cells = (f'{cell(row):>11}' for cell in _COLUMNS.values())
  rest = f'  failed: {row.failure}' if row.failure else ''.join(cells)
  return f'{row.title:{_TITLE_WIDTH}}{rest}'


def ratios(
  ours: list[Measurement], theirs: list[Measurement]
) -> dict[str, float]:
  """Returns the ratios of a peer's measurements to this project's.

  Args:
    ours: this project's runs, none of which failed.
    theirs: the peer's runs in the same rounds.

  Returns:
    The median over the rounds of the ratio within a round, which other load on
    the machine affects least. For the time, also the lowest and the highest.
  """

  def per_round(name: str) -> list[float]:
    return [
      getattr(their, name) / getattr(our, name)
      for our, their in zip(ours, theirs, strict=True)
    ]

  seconds = per_round('seconds')
  return {
    'seconds': statistics.median(seconds),
    'seconds_min': min(seconds),
    'seconds_max': max(seconds),
    'cpu_seconds': statistics.median(per_round('cpu_seconds')),
    'peak_megabytes': statistics.median(per_round('peak_megabytes')),
    'records': statistics.median(per_round('records')),
  }


def ratio_line(title: str, ratio: dict[str, float]) -> str:
  """Formats the result of `ratios` for a peer as a sentence."""
  return (
    f'{title} takes {ratio["seconds"]:.1f} times as long '
    f'({ratio["seconds_min"]:.1f} to {ratio["seconds_max"]:.1f}), '
    f'{ratio["cpu_seconds"]:.1f} times the CPU time, '
    f'{ratio["peak_megabytes"]:.2f} times the memory '
    f'for {ratio["records"]:.3f} times the records'
  )


def spread(per_round: Sequence[float], digits: int) -> str:
  """Formats ratios as 'median (lowest to highest in N rounds)'."""
  middle, low, high = (
    f'{value:.{digits}f}'
    for value in (statistics.median(per_round), min(per_round), max(per_round))
  )
  return f'{middle} ({low} to {high} in {len(per_round)} rounds)'


def growth_lines(rows: list[Measurement]) -> list[str]:
  """Describes the cost of more text, from each successful row to the next.

  If the time is linear apart from a constant start-up time, each additional MB
  costs the same.
  """
  succeeded = [row for row in rows if not row.failure]
  lines = []
  for less, more in itertools.pairwise(succeeded):
    megabytes = more.megabytes - less.megabytes
    lines.append(
      f'{less.title} to {more.title}: '
      f'{(more.seconds - less.seconds) / megabytes:.3f} s per additional MB, '
      f'{more.peak_megabytes / less.peak_megabytes:.2f} times the memory'
    )
  return lines
