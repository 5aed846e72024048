"""Words a data report for the log.

Tested by `tests/data/tasks/data_report_test.py`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from system.errors import shown

# The proposed input length cuts no larger share, if there is one.
_FEW = 0.05
# More labels are not listed one by one; only so many large and small ones.
_MAX_LABELS = 10
_NUM_EXTREMES = 3


def describe(report: Mapping[str, Any]) -> list[str]:
  """Returns three lines; none if the report has no split.

  Args:
    report: as `data_report.make` returns it.
  """
  splits = report['splits']
  if not splits:
    return []
  counts = ', '.join(f'{n} {s["num_examples"]:,}' for n, s in splits.items())
  labels = '; '.join(f'{n}: {_labels(s)}' for n, s in splits.items())
  num_empty = sum(split['num_empty'] for split in splits.values())
  first = next(iter(splits.items()))
  return [
    f'Data: {counts} examples. Labels of {labels}.',
    f'Texts that occur more than once: {_repeated(splits)}. Empty texts: '
    f'{num_empty:,}.{_also(splits)}',
    _lengths(*first, report['max_seq_length']),
  ]


def _labels(split: Mapping[str, Any]) -> str:
  if numbers := split.get('numbers'):
    text = (
      f'numbers from {numbers["lowest"]:g} to {numbers["highest"]:g}, mean '
      f'{numbers["mean"]:.3g}'
    )
  elif counts := split.get('labels'):
    text = _shares(counts)
  else:
    return 'none'
  if split['num_unlabelled']:
    text += f' ({split["num_unlabelled"]:,} examples have none)'
  return text


def _shares(counts: Mapping[str, int]) -> str:
  total = sum(counts.values())
  shares = [(label, count / total) for label, count in counts.items()]
  if len(shares) <= _MAX_LABELS:
    return _each(shares)
  by_size = sorted(shares, key=lambda each: -each[1])
  return (
    f'{len(shares):,} labels, the largest {_each(by_size[:_NUM_EXTREMES])}, '
    f'the smallest {_each(by_size[-_NUM_EXTREMES:])}'
  )


def _each(shares: Iterable[tuple[str, float]]) -> str:
  return ', '.join(f'{_name(label)} {_percent(s)}' for label, s in shares)


def _name(label: str) -> str:
  """Returns a word as it is, anything else quoted."""
  is_word = label.isalpha() and len(label) <= 30
  return label if is_word else shown(label)


def _percent(share: float) -> str:
  """Returns a share in percent, with two digits where it is small."""
  percent = 100 * share
  digits = 0 if percent >= 10 or not percent else 1 if percent >= 1 else 2
  return f'{percent:.{digits}f} %'


def _repeated(splits: Mapping[str, Any]) -> str:
  parts = []
  for name, split in splits.items():
    if not (count := split['num_repeated_texts']):
      continue
    part = f'{count:,} of {name}'
    if mixed := split['num_repeated_with_different_labels']:
      first = split['first_with_different_labels']
      part += f' ({mixed:,} with different labels, the first is {first})'
    parts.append(part)
  return ', '.join(parts) or 'none'


def _also(splits: Mapping[str, Any]) -> str:
  counts = [
    f'{count:,} of {name} in {other}'
    for name, split in splits.items()
    for other, count in split['num_also_in'].items()
    if count
  ]
  if len(splits) < 2:
    return ''
  return f' Texts that another split has, too: {", ".join(counts) or "none"}.'


def _lengths(name: str, split: Mapping[str, Any], max_seq_length: int) -> str:
  lengths = split['lengths']
  scope = name
  if lengths['num_measured'] < split['num_examples']:
    scope = f'{lengths["num_measured"]:,} texts of {name}'
  return (
    f'Tokens, [CLS] and [SEP] included, in {scope}: median '
    f'{lengths["median"]}, 95th percentile {lengths["percentile_95"]}, longest '
    f'{lengths["longest"]}; {_cut(lengths["share_cut_at"], max_seq_length)}.'
  )


def _cut(share_cut_at: Mapping[str, float], max_seq_length: int) -> str:
  """Words the share that is cut, and what a longer input would cut."""
  setting = f'`max_seq_length`={max_seq_length}'
  longer = dict(sorted(share_cut_at.items(), key=lambda each: int(each[0])))
  if not (share := longer.pop(str(max_seq_length))):
    return f'{setting} cuts none'
  text = f'{setting} cuts {_percent(share)} of the texts'
  few = [size for size, share in longer.items() if share <= _FEW]
  for size in [*few, *reversed(longer)][:1]:
    text += f', {size} would cut {_percent(longer[size])}'
  return text
