"""The manifest of pre-training records: written last, once all are complete.

It is next to the records, under their name and `.manifest.json`, and
describes them. Every run of the same command writes the same content.
"""

import dataclasses
import functools
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from data.pretraining.options import RecordOptions
from data.pretraining.record_statistics import RecordStatistics
from data.records import file_names
from system import files, threads
from system.errors import UserError

if TYPE_CHECKING:
  from data.pretraining.records_job import RecordsJob

_REMEDY = 'repeat the command that made them; it makes what is missing'


def total_statistics(indexes: Sequence[dict[str, Any]]) -> RecordStatistics:
  """Sums up the statistics in the indexes of shards."""
  parts = [
    RecordStatistics.from_json(index['details']['statistics'])
    for index in indexes
  ]
  return functools.reduce(RecordStatistics.__add__, parts)


def write(job: 'RecordsJob', indexes: Sequence[dict[str, Any]]) -> None:
  """Writes the manifest of a job whose shards are all complete.

  If the shards are in several folders, each folder has a manifest, which lists
  the shards of that folder.

  Args:
    job: the job.
    indexes: the shards' indexes, in their order.
  """
  folders: dict[str, list[int]] = {}
  for shard, path in enumerate(job.outputs):
    folders.setdefault(os.path.dirname(path), []).append(shard)
  for folder, numbers in folders.items():
    path = os.path.join(folder, job.manifest_name)
    entries = [_file_entry(job.outputs[i], indexes[i]) for i in numbers]
    files.write_json(path, _content(job, indexes, entries))


def _content(
  job: 'RecordsJob',
  indexes: Sequence[dict[str, Any]],
  entries: list[dict[str, Any]],
) -> dict[str, Any]:
  statistics = total_statistics(indexes)
  return {
    'fingerprint': job.fingerprint,
    'files': entries,
    'num_records': statistics.records,
    'documents': sum(index['details']['documents'] for index in indexes),
    'flags': {
      **job.corpus.options.document_settings(),
      **job.options.flags(),
      'do_lower_case': job.tokenizer.do_lower_case,
    },
    'vocabulary': {
      'checksum': job.tokenizer.vocab_checksum,
      'size': job.tokenizer.vocab_size,
    },
    'text': [survey.to_json() for survey in job.surveys],
    'statistics': {**statistics.to_json(), **statistics.ratios()},
  }


def _file_entry(path: str, index: dict[str, Any]) -> dict[str, Any]:
  return {
    'name': os.path.basename(path),
    'bytes': index['bytes'],
    'num_records': index['num_records'],
    'window': index['window'],
    'index': os.path.basename(file_names.index_path(path)),
    'documents': index['details']['documents'],
  }


class FileSize(NamedTuple):
  """The size of one record file."""

  num_bytes: int
  num_records: int


@dataclasses.dataclass(frozen=True)
class Manifest:
  """The part of a manifest that training reads.

  Attributes:
    path: the manifest's path.
    fingerprint: identifies the records; see `RecordsJob.fingerprint`.
    options: the settings of the records.
    do_lower_case: whether their text was lower-cased.
    vocab_checksum: the checksum of their vocabulary.
    vocab_size: the number of its tokens.
    sizes: the size of each file, by name.
  """

  path: str
  fingerprint: str
  options: RecordOptions
  do_lower_case: bool
  vocab_checksum: str
  vocab_size: int
  sizes: dict[str, FileSize]


def find(paths: Iterable[str]) -> dict[str, Manifest | None]:
  """Finds the manifest of each record file.

  Returns:
    The manifest by path, in the order of the paths; None for a file whose index
    names none, such as google-research/bert's.

  Raises:
    UserError: a manifest is missing or malformed, or a file is not as its
      manifest describes it.
  """
  paths = list(paths)
  indexes = threads.concurrent_map(_read_index, paths)
  names = [*map(_manifest_path, paths, indexes)]
  read = {name: _read(name) for name in dict.fromkeys(filter(None, names))}
  found = {
    path: read.get(name) for path, name in zip(paths, names, strict=True)
  }

  def check(path: str, index: dict[str, Any]) -> None:
    if found[path]:
      _check_file(path, index, found[path])

  threads.concurrent_map(
    lambda each: check(*each), zip(paths, indexes, strict=True)
  )
  return found


def _manifest_path(path: str, index: dict[str, Any]) -> str | None:
  """Returns the path of the manifest that a record file's index names."""
  name = index['details'].get('manifest')
  # Only the name counts: the files may have been moved since.
  return name and os.path.join(os.path.dirname(path), os.path.basename(name))


def _read_index(path: str) -> dict[str, Any]:
  """Returns a record file's index.

  Its `details` are those of `RecordsJob.index_details`, {} if it has none.
  """
  index = file_names.index_path(path)
  content = files.read_json(index) if files.exists(index) else {}
  if not isinstance(content, dict):
    content = {}
  details = content.get('details')
  return {**content, 'details': details if isinstance(details, dict) else {}}


def _check_file(path: str, index: dict[str, Any], manifest: Manifest) -> None:
  """Raises a `UserError` if a file is not as its manifest describes it."""
  name, size = os.path.basename(path), files.size(path)
  expected = manifest.sizes.get(name)
  if expected is None:
    names = list(manifest.sizes)
    raise UserError(
      f'{manifest.path} does not list {name!r}; it lists {len(names)} files, '
      f'from {names[0]!r} to {names[-1]!r}: was the file renamed, or left by a '
      'job with another `num_shards`?'
    )
  if index['details'].get('fingerprint') != manifest.fingerprint:
    raise UserError(
      f'{path} was made from other text or flags than {manifest.path} records: '
      f'{_REMEDY}'
    )
  if size != expected.num_bytes:
    raise UserError(
      f'{path} is damaged or cut short: it has {size:,} bytes, expected '
      f'{expected.num_bytes:,} ({manifest.path}): {_REMEDY}. If another '
      'program has written the file since, remove '
      f'{file_names.index_path(path)}, and it is read as it is.'
    )
  if (found := index.get('num_records')) != expected.num_records:
    raise UserError(
      f'{manifest.path} is damaged: it lists {expected.num_records} records in '
      f'{name!r}, {file_names.index_path(path)} has {found}: {_REMEDY}'
    )


def _read(path: str) -> Manifest:
  if not files.exists(path):
    raise UserError(
      f'the records are not complete: {path} is missing, which is written once '
      f'all files are complete: {_REMEDY}'
    )
  content = files.read_json(path)
  try:
    options = _options(content['flags'])
    options.check()
    return Manifest(
      path,
      _value(content, 'fingerprint', str),
      options,
      _value(content['flags'], 'do_lower_case', bool),
      _value(content['vocabulary'], 'checksum', str),
      _value(content['vocabulary'], 'size', int),
      _file_sizes(content),
    )
  except (KeyError, TypeError, UserError) as error:
    raise UserError(
      f'{path} is not a manifest of pre-training records: '
      f'{type(error).__name__}: {error}'
    ) from error


def _file_sizes(content: dict[str, Any]) -> dict[str, FileSize]:
  """Returns the sizes of the files that a manifest lists, by name."""
  sizes = {
    _value(file, 'name', str): FileSize(
      _value(file, 'bytes', int), _value(file, 'num_records', int)
    )
    for file in _value(content, 'files', list)
  }
  if not sizes:
    raise UserError('it lists no files')
  return sizes


def _value(values: dict[str, Any], name: str, kind: type) -> Any:
  """Returns a value of a manifest.

  Raises:
    UserError: it is of another type, or a number that is not positive.
  """
  value = values[name]
  if type(value) is not kind or (kind is int and value < 1):
    expected = 'positive int' if kind is int else kind.__name__
    raise UserError(f'{name} is {value!r}, expected a {expected}')
  return value


def _options(flags: dict[str, Any]) -> RecordOptions:
  """Returns the options whose `RecordOptions.flags` returned the flags."""
  fields = dataclasses.fields(RecordOptions)
  return RecordOptions(**{field.name: flags[field.name] for field in fields})
