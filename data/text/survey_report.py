"""Renders a survey as text: its totals, and the documents left out."""

from collections.abc import Mapping, Sequence

from data.text.document import (
  DUPLICATE,
  HAS_NUL,
  NOT_UTF8,
  REASONS,
  TOO_LONG,
  TOO_SHORT,
)
from data.text.file_survey import FileSurvey

_MAX_FILES = 20
_LABELS = {
  TOO_SHORT: 'too short',
  TOO_LONG: 'too long',
  NOT_UTF8: 'not UTF-8',
  HAS_NUL: 'with a NUL byte',
  DUPLICATE: 'duplicates',
}


def render(surveys: Sequence[FileSurvey], most_files: int = _MAX_FILES) -> str:
  """Returns a line with the totals, then a line for each input with problems.

  Args:
    surveys: the surveys of all inputs.
    most_files: the maximum number of lines for inputs; a last line counts the
      other inputs with problems.
  """
  lines = [_totals(surveys)]
  problems = [line for found in surveys if (line := _problems(found))]
  lines += problems[:most_files]
  if (num_more := len(problems) - most_files) > 0:
    lines.append(f'... and {num_more:,} more')
  return '\n  '.join(lines)


def _totals(surveys: Sequence[FileSurvey]) -> str:
  documents = sum(found.num_documents for found in surveys)
  num_bytes = sum(found.num_bytes for found in surveys)
  rejects = {
    reason: sum(found.rejects[reason] for found in surveys)
    for reason in REASONS
  }
  text = (
    f'{_counted(documents, "document")}, {num_bytes / 1e6:,.2f} MB of text in '
    f'{_counted(len(surveys), "input")}'
  )
  parts = _losses(rejects, {}, sum(found.cut for found in surveys))
  if empty := sum(not found.num_documents for found in surveys):
    parts.append(f'{_counted(empty, "input")} without any')
  return '; '.join([text, *parts])


def _counted(number: int, noun: str) -> str:
  return f'{number:,} {noun}{"s" if number != 1 else ""}'


def _problems(found: FileSurvey) -> str:
  """Returns a line about an input with problems, '' if it has none."""
  parts = _losses(found.rejects, found.first, found.cut)
  if not found.num_documents:
    parts.append('no document')
  return f'{found.path}: {"; ".join(parts)}' if parts else ''


def _losses(
  rejects: Mapping[str, int], first: Mapping[str, str], cut: int
) -> list[str]:
  """Describes the documents left out and those cut, if there are any."""
  counts = [
    f'{count:,} {_LABELS[reason]}'
    + (f' (the first: {first[reason]})' if reason in first else '')
    for reason, count in rejects.items()
    if count
  ]
  parts = [f'left out: {", ".join(counts)}'] if counts else []
  return parts + ([f'cut in pieces: {cut:,}'] if cut else [])
