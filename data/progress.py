"""How far a long job has come: a bar on a terminal, a line now and then in a
log."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

import tqdm

# Seconds between two lines where there is no terminal.
_INTERVAL = 10.0


class Progress:
  """Shows the share done, a note and the time left; use as a context manager.

  A job shorter than the interval prints nothing where there is no terminal.
  """

  def __init__(
    self,
    total: int,
    unit: str,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
  ):
    """Starts the clock.

    Args:
      total: how much there is to do, in `unit`; an estimate will do.
      unit: what is counted, 'B' for bytes, say.
      stream: where to write; standard error if not given.
      clock: returns seconds.
    """
    self._stream = stream or sys.stderr
    self._total = max(total, 1)
    self._unit = unit
    self._clock = clock
    self._start = self._last = clock()
    self._bar = None
    if self._stream.isatty():
      self._bar = tqdm.tqdm(
        total=self._total,
        unit=unit,
        unit_scale=True,
        file=self._stream,
        dynamic_ncols=True,
      )

  def __enter__(self) -> 'Progress':
    return self

  def __exit__(self, *error) -> None:
    if self._bar is not None:
      self._bar.close()

  @property
  def seconds(self) -> float:
    """Seconds since the start."""
    return self._clock() - self._start

  def update(self, done: float, note: str = '') -> None:
    """Tells how much is done by now, of the total, and what else to show."""
    done = min(done, self._total)
    if self._bar is not None:
      self._bar.set_postfix_str(note, refresh=False)
      self._bar.update(int(done) - self._bar.n)
      return
    now = self._clock()
    if now - self._last >= _INTERVAL:
      self._last = now
      print(self._line(done, note), file=self._stream, flush=True)

  def _line(self, done: float, note: str) -> str:
    """Returns '40 % of 20.0M B, <note>, 0:01:30 left'."""
    size = tqdm.tqdm.format_sizeof(self._total)
    parts = [f'{100 * done / self._total:.0f} % of {size}{self._unit}']
    if note:
      parts.append(note)
    if done > 0:
      left = self.seconds * (self._total / done - 1)
      parts.append(f'{tqdm.tqdm.format_interval(left)} left')
    return ', '.join(parts)
