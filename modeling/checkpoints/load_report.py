"""What became of each variable when a checkpoint was loaded."""

import dataclasses
import re
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class LoadReport:
  """What became of each variable when a checkpoint was loaded.

  Attributes:
    prefix: the checkpoint that was read.
    loaded: names of the model's variables that took the checkpoint's value.
    missing: names that the checkpoint lacks; they keep their fresh values.
    unused: names of weights in the checkpoint that the model lacks.
    mismatched: name → (shape in the checkpoint, shape in the model), where
      the caller allowed it; they keep their fresh values.
    extended: name → (shape in the checkpoint, shape in the model) of those
      whose first rows took the checkpoint's values; the others are fresh.
    left_fresh: names that --init leaves at their fresh values.
    layers: for each layer of the model the layer of the checkpoint whose
      weights it took; empty where they are the same.
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

  def summary(self) -> str:
    """Returns one line, for a checkpoint that holds all that is needed."""
    unused = f'; in it but unused: {", ".join(compact(self.unused))}'
    return f'Loaded {len(self.loaded)} variables from {self.prefix}' + (
      unused if self.unused else ''
    )

  def lines(self) -> list[str]:
    """Returns the report as text, every variable by name."""
    lines = [f'Initialised from {self.prefix}:']
    lines += [
      f'  layer_{ours} from its layer_{theirs}'
      for ours, theirs in enumerate(self.layers)
    ]
    lines += _section('loaded', self.loaded)
    lines += _section(
      'loaded and extended, its rows first',
      [
        f'{name} ({theirs[0]} rows of it, {ours[0] - theirs[0]} freshly '
        'initialised)'
        for name, (theirs, ours) in self.extended.items()
      ],
    )
    lines += _section('freshly initialised, not in it', self.missing)
    lines += _section(
      'freshly initialised, of another shape in it',
      [
        f'{name} (checkpoint {list(theirs)}, model {list(ours)})'
        for name, (theirs, ours) in self.mismatched.items()
      ],
    )
    lines += _section('freshly initialised, as --init says', self.left_fresh)
    lines += _section('in it but unused', self.unused)
    return lines


def _section(title: str, names: list[str]) -> list[str]:
  if not names:
    return []
  return [f'  {title} ({len(names)}):'] + [f'    {n}' for n in compact(names)]


def compact(names: Iterable[str]) -> list[str]:
  """Writes names that differ only in the layer as one: 'layer_{0..5}/...'."""
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
  """Writes 0, 1, 2, 5 as '{0..2,5}', and a single number as itself."""
  numbers = sorted(numbers)
  starts = [n for n in numbers if n - 1 not in numbers]
  ends = [n for n in numbers if n + 1 not in numbers]
  runs = [
    str(start) if start == end else f'{start}..{end}'
    for start, end in zip(starts, ends, strict=True)
  ]
  return str(numbers[0]) if len(numbers) == 1 else f'{{{",".join(runs)}}}'
