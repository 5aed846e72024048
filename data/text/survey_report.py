"""A survey in words: what was found, and what was left out where."""

from collections.abc import Mapping, Sequence

from data.text.document import DUPLICATE, NOT_UTF8, REASONS, TOO_LONG, TOO_SHORT
from data.text.file_survey import FileSurvey

_MOST_FILES = 20
_WORDS = {
  TOO_SHORT: 'too short',
  TOO_LONG: 'too long',
  NOT_UTF8: 'not UTF-8',
  DUPLICATE: 'duplicates',
}


def render(surveys: Sequence[FileSurvey], most_files: int = _MOST_FILES) -> str:
  """Returns a line with the totals, and one for each input with something to
  report.

  Args:
    surveys: of all inputs.
    most_files: lines for inputs; of the rest only their number is told.
  """
  lines = [_totals(surveys)]
  told = [line for found in surveys if (line := _about(found))]
  lines += told[:most_files]
  if (num_more := len(told) - most_files) > 0:
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
  parts = _parts(rejects, {}, sum(found.cut for found in surveys))
  if empty := sum(not found.num_documents for found in surveys):
    parts.append(f'{_counted(empty, "input")} without any')
  return '; '.join([text, *parts])


def _counted(number: int, noun: str) -> str:
  return f'{number:,} {noun}{"s" if number != 1 else ""}'


def _about(found: FileSurvey) -> str:
  """Returns what there is to report of an input, '' for nothing."""
  parts = _parts(found.rejects, found.first, found.cut)
  if not found.num_documents:
    parts.append('no document')
  return f'{found.path}: {"; ".join(parts)}' if parts else ''


def _parts(
  rejects: Mapping[str, int], first: Mapping[str, str], cut: int
) -> list[str]:
  """Returns what to tell of counts, those of zero left out."""
  counts = [
    f'{count:,} {_WORDS[reason]}'
    + (f' (the first: {first[reason]})' if reason in first else '')
    for reason, count in rejects.items()
    if count
  ]
  parts = [f'left out: {", ".join(counts)}'] if counts else []
  return parts + ([f'cut in pieces: {cut:,}'] if cut else [])
