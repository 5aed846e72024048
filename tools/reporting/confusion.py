"""The confusion matrix of a run, as an HTML table.

Tested by `tests/tools/reporting/page_test.py`.
"""

import html
from collections.abc import Mapping
from typing import Any

_CAPTION = (
  'Confusion matrix: examples by true label (row) and predicted label '
  '(column). The shade is the share of the row.'
)


def as_html(confusion: Mapping[str, Any]) -> str:
  """Returns a table; a cell is the darker, the larger its share of the row.

  Right predictions are bold, so that the table can be read in grey, too.

  Args:
    confusion: as in a result, see `tools.result_schema`.
  """
  labels, counts = confusion['labels'], confusion['counts']
  head = ''.join(f'<th scope="col">{html.escape(x)}</th>' for x in labels)
  rows = [
    f'<tr><th scope="row">{html.escape(label)}</th>{_cells(row, i)}</tr>'
    for i, (label, row) in enumerate(zip(labels, counts, strict=True))
  ]
  return (
    '<div class="scroll"><table class="confusion">'
    f'<caption>{_CAPTION}</caption>'
    f'<thead><tr><th scope="col">true \\ predicted</th>{head}</tr></thead>'
    f'<tbody>{"".join(rows)}</tbody></table></div>'
  )


def _cells(row: list[int], true: int) -> str:
  """Returns the cells of one true label; one without examples has no shade."""
  total = sum(row) or 1
  return ''.join(
    f'<td class="{"right" if i == true else "wrong"}" '
    f'style="--share:{count / total:.1%}">{count:,}</td>'
    for i, count in enumerate(row)
  )
