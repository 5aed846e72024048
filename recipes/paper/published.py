"""The paper's numbers (arXiv 1908.08962), for the reports' "paper" marks."""

FIGURES = "The paper's figures, read by eye to about 0.3 points."

_SIZES = ('2/128', '4/256', '4/512', '8/512', '12/768')


def _over_sizes(
  scores: dict[str, tuple[float, ...]], **more: str
) -> list[dict[str, object]]:
  """Returns scores in percent for the five sizes as marks."""
  return [
    {'x': size, 'line': line, 'value': round(value / 100, 4), **more}
    for line, values in scores.items()
    for size, value in zip(_SIZES, values, strict=True)
  ]


# SST-2; the student of the size 12/768 has the teacher's architecture.
MAIN = _over_sizes(
  {
    'basic': (81.7, 81.8, 81.3, 81.1, 81.8),
    'distillation': (83.2, 83.3, 84.0, 84.3, 85.3),
    'PF': (83.1, 85.9, 88.4, 89.6, 91.3),
    'PD': (85.5, 91.9, 91.9, 92.5, 93.1),
  },
  panel='SST-2',
)
# Book reviews, Mini: Spearman correlation of a domain with the task → scores in
# percent.
DOMAINS = [
  {'x': x, 'line': line, 'value': round(value / 100, 4)}
  for line, values in {
    'PDF': (84.7, 86.6, 86.9, 87.0),
    'PD': (82.4, 86.3, 86.7, 87.2),
    'distillation': (78.8, 81.5, 83.6, 84.1),
  }.items()
  for x, value in zip((0.43, 0.52, 0.76, 1.0), values, strict=True)
]
# Book reviews, Mini: millions of sentences → scores.
TRANSFER_SIZES = [
  {'x': int(x * 1e6), 'line': line, 'value': round(value / 100, 4)}
  for line, values in {
    'PD': (86.6, 87.6, 87.9, 88.0),
    'distillation': (83.8, 84.4, 84.6, 84.8),
  }.items()
  for x, value in zip((1, 3, 5, 8), values, strict=True)
]
