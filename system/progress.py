"""How far a long job has come: a bar on a terminal, a line now and then in a
log."""

import os
import sys
import time
from collections.abc import Callable
from typing import TextIO

import tqdm
from absl import logging

# Seconds between two lines where there is no terminal.
_INTERVAL = 10.0


class Progress:
  """Shows the share done, a note and the time left; use as a context manager.

  A job shorter than the interval prints nothing where there is no terminal.

  Attributes:
    is_bar: whether there is a terminal, and so a bar.
  """

  def __init__(
    self,
    total: int,
    unit: str,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
    initial: int = 0,
  ):
    """Starts the clock.

    Args:
      total: how much there is to do, in `unit`; an estimate will do.
      unit: what is counted, 'B' for bytes, say.
      stream: where to write; standard error if not given.
      clock: returns seconds.
      initial: how much of the total was done before.
    """
    self._stream = stream or sys.stderr
    self._total = max(total, 1)
    self._unit = unit
    self._clock = clock
    self._initial = initial
    self._start = self._last = clock()
    self._bar = None
    self.is_bar = self._stream.isatty()

  def __enter__(self) -> 'Progress':
    if self.is_bar:
      self._bar = tqdm.tqdm(
        total=self._total,
        initial=self._initial,
        unit=self._unit,
        unit_scale=self._unit == 'B',
        file=self._stream,
        leave=None,  # A bar below another one vanishes when it is done.
        **_size(self._stream),
      )
      _Above.put(self._stream)
    return self

  def __exit__(self, *error) -> None:
    if self._bar is not None:
      _Above.remove(self._stream)
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
    """Returns '40 % of 20.0MB, <note>, 0:01:30 left'."""
    is_bytes = self._unit == 'B'
    size = (tqdm.tqdm.format_sizeof if is_bytes else '{:,}'.format)(self._total)
    parts = [f'{100 * done / self._total:.0f} % of {size}{self._unit}']
    if note:
      parts.append(note)
    if done > self._initial:
      left = self.seconds * (self._total - done) / (done - self._initial)
      parts.append(f'{tqdm.tqdm.format_interval(left)} left')
    return ', '.join(parts)


def _size(stream: TextIO) -> dict[str, int | bool]:
  """Returns tqdm's arguments about the terminal's size."""
  try:
    has_size = os.get_terminal_size(stream.fileno()).columns > 0
  except OSError:
    has_size = False
  # Terminals that nobody looks at, of `script` and containers, may say that
  # they are 0 wide, and tqdm would write nothing.
  return {'dynamic_ncols': True} if has_size else {'ncols': 80, 'nrows': 24}


class _Above:
  """A log's stream while there are bars: its lines appear above them."""

  _num_bars = 0

  def __init__(self, stream: TextIO):
    self._stream = stream

  def write(self, text: str) -> int:
    with tqdm.tqdm.external_write_mode(file=self._stream):
      return self._stream.write(text)

  def flush(self) -> None:
    self._stream.flush()

  @classmethod
  def put(cls, stream: TextIO) -> None:
    """Begins to write Absl's log above the bars on `stream`, if it goes there.

    Bars may lie in one another; the first puts the stream, the last removes it.
    """
    cls._num_bars += 1
    handler = logging.get_absl_handler().python_handler
    if handler.stream is stream:
      handler.setStream(cls(stream))

  @classmethod
  def remove(cls, stream: TextIO) -> None:
    """Ends what `put` began."""
    cls._num_bars -= 1
    handler = logging.get_absl_handler().python_handler
    if not cls._num_bars and isinstance(handler.stream, cls):
      handler.setStream(stream)
