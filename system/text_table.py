"""Tables as lines of text: for a terminal or a log, and in Markdown."""

from collections.abc import Iterable, Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
  """Returns rows as lines: the first column to the left, others to the right.

  Args:
    rows: one or more, all of one length. The first column names the rows.
  """
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  return [
    '  '.join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
    for row in rows
  ]


def markdown(
  header: Sequence[str], rows: Iterable[Sequence[object]]
) -> list[str]:
  """Returns a Markdown table as lines; all columns but the first align right.

  >>> markdown(['run', 's'], [['first', '0.5']])
  ['| run | s |', '| --- | ---: |', '| first | 0.5 |']
  """
  rule = ['---', *['---:'] * (len(header) - 1)]
  return [f'| {" | ".join(map(str, row))} |' for row in (header, rule, *rows)]
