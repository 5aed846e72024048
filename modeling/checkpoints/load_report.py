"""A report on loading: which variables a checkpoint initialised."""

import dataclasses
import re
from collections.abc import Iterable

from absl import logging

from system.errors import few

_MAX_NAMED = 4  # In a line.


@dataclasses.dataclass(frozen=True)
class LoadReport:
  """Which variables a checkpoint initialised, and which it did not.

  Attributes:
    prefix: the checkpoint that was read.
    loaded: names of the model's variables that have the checkpoint's values.
    missing: names that the checkpoint lacks; they keep their initial values.
    unused: names of weights in the checkpoint that the model lacks.
    mismatched: name → (shape in the checkpoint, shape in the model), for
      shapes that differ; these variables keep their initial values.
    extended: name → (shape in the checkpoint, shape in the model), for
      variables whose first rows have the checkpoint's values; the others keep
      their initial values.
    left_fresh: names that `init` does not select; they keep their initial
      values.
    layers: for each layer of the model, the layer of the checkpoint that it
      starts from; empty unless `init` selects layers.
  """

  prefix: str
  loaded: list[str]
  missing: list[str]
  unused: list[str]
  mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
  extended: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = (
    dataclasses.field(default_factory=dict)
  )
  left_fresh: list[str] = dataclasses.field(default_factory=list)
  layers: list[int] = dataclasses.field(default_factory=list)

  def log(self) -> None:
    """Logs the summary; and every name, at the verbosity of debugging."""
    logging.info('%s', self.summary())
    for line in self.lines():
      logging.debug('%s', line)

  def summary(self) -> str:
    """Returns one line, which names what is fresh and counts the rest."""
    fresh = [*self.missing, *self._mismatches(), *self.left_fresh]
    num_loaded = len(self.loaded) + len(self.extended)
    parts = [
      f'Loaded {num_loaded} of {num_loaded + len(fresh)} variables from '
      f'{self.prefix}'
    ]
    if self.layers:
      parts.append(f'from its layers {", ".join(map(str, self.layers))}')
    parts += self._extensions()
    if fresh:
      parts.append(f'fresh: {few(compact(fresh), _MAX_NAMED)}')
    if self.unused:
      parts.append(f'unused: {len(self.unused)}')
    return '; '.join(parts)

  def _extensions(self) -> list[str]:
    return [
      f'{name} ({theirs[0]} rows loaded, {ours[0] - theirs[0]} freshly '
      'initialised)'
      for name, (theirs, ours) in self.extended.items()
    ]

  def _mismatches(self) -> list[str]:
    return [
      f'{name} (checkpoint {list(theirs)}, model {list(ours)})'
      for name, (theirs, ours) in self.mismatched.items()
    ]

  def lines(self) -> list[str]:
    """Returns the report as lines of text that name every variable."""
    lines = [f'Initialised from {self.prefix}:']
    lines += [
      f'  layer_{ours} from its layer_{theirs}'
      for ours, theirs in enumerate(self.layers)
    ]
    lines += _section('loaded', self.loaded)
    lines += _section(
      "loaded and extended; the checkpoint's rows come first",
      self._extensions(),
    )
    lines += _section(
      'freshly initialised, not in the checkpoint', self.missing
    )
    lines += _section(
      'freshly initialised, of another shape in the checkpoint',
      self._mismatches(),
    )
    lines += _section(
      'freshly initialised, not selected by `init`', self.left_fresh
    )
    lines += _section('in the checkpoint but unused', self.unused)
    return lines


def _section(title: str, names: list[str]) -> list[str]:
  if not names:
    return []
  return [f'  {title} ({len(names)}):'] + [f'    {n}' for n in compact(names)]


def compact(names: Iterable[str]) -> list[str]:
  """Joins names that differ only in the layer.

  >>> compact(['bert/encoder/layer_0/x', 'bert/encoder/layer_1/x', 'bert/y'])
  ['bert/encoder/layer_{0..1}/x', 'bert/y']
  """
  layers: dict[str, list[int]] = {}
  for name in names:
    if match := re.match(r'(.*/layer_)(\d+)(/.*)', name):
      start, layer, end = match.groups()
      layers.setdefault(f'{start}{{}}{end}', []).append(int(layer))
    else:
      layers[name] = []
  return [
    pattern.format(_ranges(numbers)) if numbers else pattern
    for pattern, numbers in layers.items()
  ]


def _ranges(numbers: Iterable[int]) -> str:
  """Writes 0, 1, 2, 5 as '{0..2,5}', and a single number without braces."""
  numbers = sorted(numbers)
  starts = [n for n in numbers if n - 1 not in numbers]
  ends = [n for n in numbers if n + 1 not in numbers]
  runs = [
    str(start) if start == end else f'{start}..{end}'
    for start, end in zip(starts, ends, strict=True)
  ]
  return str(numbers[0]) if len(numbers) == 1 else f'{{{",".join(runs)}}}'
