"""Writes the splits of one table as the data of `--task_name=custom`.

The folder gets `train`, `dev` and `test` with the ending .tsv, or .jsonl if a
text holds a tab or a line end; the columns are sentence, sentence2 (pairs),
label and index (the row's line in its file). `split.json` tells what they were
made from, and how many examples of which labels they hold. Rows are shuffled.

A second call with the same settings and the same tables changes nothing; one
with others is refused. A call after one that was cut off starts again.

Does not import TensorFlow before it writes.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from absl import logging

from data.tasks import custom, table_split, tables
from data.tasks.examples import Example
from data.tasks.split_options import SplitOptions, Splits, make
from system import files, folders
from system.errors import UserError, shown

MANIFEST = 'split.json'
# The columns of the files that are written.
TEXT_COLUMN, PAIR_COLUMN, LABEL_COLUMN = 'sentence', 'sentence2', 'label'

_BREAK = re.compile(r'[\t\n\r]')


def write(options: SplitOptions, folder: str) -> dict[str, Any]:
  """Writes the splits into a folder, unless they are there.

  Returns:
    The content of `split.json`.

  Raises:
    UserError: as for `make`; or the folder holds the splits of other settings
      or tables, changed splits, or files that this function did not write.
  """
  options.check()
  settings = _settings(options)
  found = _read_manifest(os.path.join(folder, MANIFEST))
  if found and found['is_complete']:
    _check_same(found, settings, folder)
    logging.info('%s already holds the splits', folder)
    return found
  unfinished = set(found['files']) if found else set()
  folders.check_free(
    folder,
    [name for name in _split_names() if name not in unfinished],
    f'but no {MANIFEST} that names them: the splits would be mixed with '
    'files of another origin',
  )
  splits = make(options)
  _log(splits.facts)
  if not options.regression:
    custom.warn_of_similar(
      sorted(
        {e.label for own in splits.examples.values() for e in own if e.label}
      )
    )
  ending = _ending(splits)
  contents = {
    f'{name}.{ending}': _content(own, ending, bool(options.text_pair_column))
    for name, own in splits.examples.items()
  }
  manifest = {
    'is_complete': False,
    'settings': settings,
    'files': {
      name: hashlib.sha256(text.encode()).hexdigest()
      for name, text in contents.items()
    },
    **splits.facts,
  }
  files.make_folder(folder)
  for name in unfinished & set(files.list_folder(folder)):
    files.remove(os.path.join(folder, name))
  return _write_files(folder, manifest, contents)


def _write_files(
  folder: str, manifest: dict[str, Any], contents: Mapping[str, str]
) -> dict[str, Any]:
  """Writes the splits between an unfinished manifest and the complete one."""
  path = os.path.join(folder, MANIFEST)
  files.write_json(path, manifest)
  for name, text in contents.items():
    files.write_text(os.path.join(folder, name), text)
  complete = {**manifest, 'is_complete': True}
  files.write_json(path, complete)
  return complete


def check_unchanged(folder: str) -> None:
  """Checks that splits which `write` has completed are as it wrote them.

  Raises:
    UserError: one was changed or removed.
  """
  found = _read_manifest(os.path.join(folder, MANIFEST))
  if found and found['is_complete']:
    _check_files(found, folder)


def kind(folder: str) -> tuple[bool, bool]:
  """Returns whether a folder's splits hold pairs, and numbers to predict.

  Both are False for files that `write` did not write.
  """
  path = os.path.join(folder, MANIFEST)
  found = None
  if files.exists(path):
    # Another program's file may not be JSON.
    with contextlib.suppress(UserError):
      found = files.read_json(path)
  settings = found.get('settings') if isinstance(found, dict) else None
  if not isinstance(settings, dict):
    return False, False
  names = ('text_pair_column', 'regression')
  is_pair, is_regression = (bool(settings.get(name)) for name in names)
  return is_pair, is_regression


def _settings(options: SplitOptions) -> dict[str, Any]:
  """Returns what decides the splits; tables by their checksums."""
  columns = options.columns.found_in(options.input_file)
  settings = dataclasses.asdict(options)
  settings['text_column'] = columns.text
  settings |= {f'{k}_fraction': v for k, v in options.fractions().items()}
  for name, path in options.sources().items():
    settings[name] = {'sha256': files.sha256(path)}
  return settings


def _read_manifest(path: str) -> dict[str, Any] | None:
  if not files.exists(path):
    return None
  found = files.read_json(path)
  if not isinstance(found, dict) or not (
    found.keys() >= {'is_complete', 'settings', 'files'}
  ):
    raise UserError(
      f'{path} does not describe splits of a table, so it is kept. Give '
      'another folder, or move it.'
    )
  return found


def _check_same(
  found: Mapping[str, Any], settings: Mapping[str, Any], folder: str
) -> None:
  for name, value in settings.items():
    earlier = found['settings'].get(name)
    if earlier != value:
      both = f'{shown(earlier)}, now {shown(value)}'
      if isinstance(earlier, dict) and isinstance(value, dict):
        both = 'another content'
      raise UserError(
        f'{folder} holds the splits of other settings: `{name}` had {both}. '
        'Give another folder, or remove it.'
      )
  _check_files(found, folder)


def _check_files(found: Mapping[str, Any], folder: str) -> None:
  for name, checksum in found['files'].items():
    path = os.path.join(folder, name)
    files.require_file(path, f'a split that {MANIFEST} names')
    if files.sha256(path) != checksum:
      raise UserError(
        f'{path} was changed since it was written. Give another folder, or '
        f'remove {folder} to split the table again.'
      )


def _split_names() -> list[str]:
  """Returns the names of the files that a custom task reads."""
  return [
    f'{name}.{ending}{gz}'
    for name in table_split.SPLITS
    for ending in tables.FORMATS
    for gz in ('', '.gz')
  ]


def _ending(splits: Splits) -> str:
  values = (
    value
    for own in splits.examples.values()
    for e in own
    for value in (e.text_a, e.text_b, e.label)
    if value
  )
  has_break = any(map(_BREAK.search, values))
  return 'jsonl' if has_break else 'tsv'


def _content(examples: Sequence[Example], ending: str, is_pair: bool) -> str:
  """Returns the content of a split's file."""
  columns = [TEXT_COLUMN, *[PAIR_COLUMN] * is_pair, LABEL_COLUMN, 'index']
  rows = [
    [e.text_a, *[e.text_b] * is_pair, e.label or '', e.example_id]
    for e in examples
  ]
  if ending == 'tsv':
    lines = ['\t'.join(row) for row in [columns, *rows]]
  else:
    lines = [
      json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False)
      for row in rows
    ]
  return ''.join(f'{line}\n' for line in lines)


def _log(facts: Mapping[str, Any]) -> None:
  logging.info(
    'The table is split into %s',
    ', '.join(f'{n} {c:,}' for n, c in facts['num_examples'].items()),
  )
  for name in ('input', 'dev'):
    if count := facts['left_out'].get(f'{name}_in_other_split'):
      logging.warning(
        'Left out %s rows of `%s_file` whose text is also in the table of '
        'another split',
        f'{count:,}',
        name,
      )
  duplicates = facts['duplicates']
  if duplicates['with_different_labels']:
    logging.warning(
      '%s texts occur with different labels, the first of them: %s',
      f'{duplicates["with_different_labels"]:,}',
      '; '.join(duplicates['first_with_different_labels']),
    )
  if small := facts.get('small_classes'):
    logging.warning(
      'These labels have fewer than %d texts, so they are only in train: %s',
      table_split.MIN_TEXTS,
      ', '.join(f'{shown(label)} ({n})' for label, n in small.items()),
    )
