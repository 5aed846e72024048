"""Tables and ratios of measurements."""

import dataclasses
import itertools
import statistics


@dataclasses.dataclass(frozen=True)
class Measurement:
  """One run of a program, or the medians of several.

  Attributes:
    title: of what.
    megabytes: of text read; as everywhere here, 10^6 bytes.
    seconds: wall time.
    cpu_seconds: of all its processes.
    peak_megabytes: of memory, of all its processes together.
    records: written.
    failure: why the other numbers mean nothing, or ''.
  """

  title: str
  megabytes: float
  seconds: float
  cpu_seconds: float
  peak_megabytes: float
  records: float
  failure: str = ''


def median(runs: list[Measurement]) -> Measurement:
  """Returns the medians of a program's runs, or the first that failed."""
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
  """Returns a line for each row, below a line of titles."""
  head = ''.join(f'{title:>11}' for title in _COLUMNS)
  return [' ' * _TITLE_WIDTH + head, *map(line, rows)]


def line(row: Measurement) -> str:
  """Returns a row of the table."""
  cells = (f'{cell(row):>11}' for cell in _COLUMNS.values())
  rest = f'  failed: {row.failure}' if row.failure else ''.join(cells)
  return f'{row.title:{_TITLE_WIDTH}}{rest}'


def ratios(
  ours: list[Measurement], theirs: list[Measurement]
) -> dict[str, float]:
  """Returns how many times as much a peer takes as this project.

  Args:
    ours: this project's runs, none of which failed.
    theirs: the peer's, of the same rounds.

  Returns:
    Medians over the rounds of the ratios in a round, because other load meets
    both in a round; and of the times the least and the greatest.
  """

  def of(name: str) -> list[float]:
    return [
      getattr(their, name) / getattr(our, name)
      for our, their in zip(ours, theirs, strict=True)
    ]

  seconds = of('seconds')
  return {
    'seconds': statistics.median(seconds),
    'seconds_min': min(seconds),
    'seconds_max': max(seconds),
    'cpu_seconds': statistics.median(of('cpu_seconds')),
    'peak_megabytes': statistics.median(of('peak_megabytes')),
    'records': statistics.median(of('records')),
  }


def ratio_line(title: str, ratio: dict[str, float]) -> str:
  """Returns what `ratios` gave for a peer of that title, in words."""
  return (
    f'{title} takes {ratio["seconds"]:.1f} times as long '
    f'({ratio["seconds_min"]:.1f} to {ratio["seconds_max"]:.1f}), '
    f'{ratio["cpu_seconds"]:.1f} times the CPU time, '
    f'{ratio["peak_megabytes"]:.2f} times the memory '
    f'for {ratio["records"]:.3f} times the records'
  )


def growth_lines(rows: list[Measurement]) -> list[str]:
  """Returns what more text costs, from each row that is whole to the next.

  Where time is linear but for a start, each further MB costs the same.
  """
  whole = [row for row in rows if not row.failure]
  lines = []
  for less, more in itertools.pairwise(whole):
    megabytes = more.megabytes - less.megabytes
    lines.append(
      f'{less.title} to {more.title}: '
      f'{(more.seconds - less.seconds) / megabytes:.3f} s for each further MB, '
      f'{more.peak_megabytes / less.peak_megabytes:.2f} times the memory'
    )
  return lines
