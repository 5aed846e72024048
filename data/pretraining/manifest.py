"""The manifest of pre-training records: written last, it says that all is there
and what it is.

It stands beside the records, under their name and `.manifest.json`, and holds
nothing that another run of the same command would change.
"""

import dataclasses
import functools
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from data.pretraining.options import MaskingOptions, Options
from data.pretraining.statistics import Statistics
from system import files
from system.errors import UserError

if TYPE_CHECKING:
  from data.pretraining.job import Job

_MAKE_AGAIN = 'give the command that made them again, it makes what is missing'


def statistics_of(indexes: Sequence[dict[str, Any]]) -> Statistics:
  """Sums up the statistics of all shards."""
  parts = [Statistics.from_json(x['details']['statistics']) for x in indexes]
  return functools.reduce(Statistics.__add__, parts)


def write(job: 'Job', indexes: Sequence[dict[str, Any]]) -> None:
  """Writes the manifest of a job whose shards are all there.

  Where shards are in several folders, each has one, of the shards there.

  Args:
    job: what was made.
    indexes: the shards' indexes, in their order.
  """
  folders: dict[str, list[int]] = {}
  for i, path in enumerate(job.outputs):
    folders.setdefault(os.path.dirname(path), []).append(i)
  for folder, numbers in folders.items():
    path = os.path.join(folder, job.manifest_name)
    shards = [_shard(job.outputs[i], indexes[i]) for i in numbers]
    files.write_json(path, _content(job, indexes, shards))


def _content(
  job: 'Job', indexes: Sequence[dict[str, Any]], shards: list[dict[str, Any]]
) -> dict[str, Any]:
  statistics = statistics_of(indexes)
  return {
    'fingerprint': job.fingerprint,
    'files': shards,
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
    'statistics': {**statistics.to_json(), **statistics.shares()},
  }


def _shard(path: str, index: dict[str, Any]) -> dict[str, Any]:
  from data.records import file_names

  return {
    'name': os.path.basename(path),
    'bytes': index['bytes'],
    'num_records': index['num_records'],
    'window': index['window'],
    'index': os.path.basename(file_names.index_path(path)),
    'documents': index['details']['documents'],
  }


class FileSize(NamedTuple):
  """How much is in one record file."""

  num_bytes: int
  num_records: int


@dataclasses.dataclass(frozen=True)
class Manifest:
  """What a trainer must know of its records.

  Attributes:
    path: where the manifest stands.
    fingerprint: tells these records from those of other text or flags.
    options: what the records were to be.
    do_lower_case: whether their text was lower-cased.
    vocab_checksum: of the vocabulary that they were made with.
    vocab_size: how many tokens that has.
    sizes: of each file, by name.
  """

  path: str
  fingerprint: str
  options: Options
  do_lower_case: bool
  vocab_checksum: str
  vocab_size: int
  sizes: dict[str, FileSize]


def find(paths: Iterable[str]) -> dict[str, Manifest | None]:
  """Finds the manifest of each record file.

  Returns:
    The paths in their order, and what is known of each: None of those whose
    index names no manifest, such as google-research/bert's own.

  Raises:
    UserError: a manifest is missing, malformed, or does not know the file as it
      is.
  """
  read = functools.cache(_read)
  found: dict[str, Manifest | None] = {}
  for path in paths:
    details = _details(path)
    found[path] = None
    if 'manifest' in details:
      # Only the name counts: files may have been moved since.
      folder, name = os.path.dirname(path), details['manifest']
      found[path] = read(os.path.join(folder, os.path.basename(name)))
      _check_file(path, details.get('fingerprint'), found[path])
  return found


def _details(path: str) -> dict[str, Any]:
  """Returns what the index of a record file says of its making."""
  from data.records import file_names

  index = file_names.index_path(path)
  content = files.read_json(index) if files.exists(index) else {}
  details = content.get('details') if isinstance(content, dict) else None
  return details if isinstance(details, dict) else {}


def _check_file(path: str, fingerprint: str, manifest: Manifest) -> None:
  """Raises a `UserError` if a manifest does not know a file as it is."""
  name, size = os.path.basename(path), files.size(path)
  known = manifest.sizes.get(name)
  if known is None:
    names = list(manifest.sizes)
    raise UserError(
      f'{manifest.path} tells of no {name!r}, but of {len(names)} files, from '
      f'{names[0]!r} to {names[-1]!r}: has it been renamed, or is it left from '
      'a job with another --num_shards?'
    )
  if fingerprint != manifest.fingerprint:
    raise UserError(
      f'{path} was made of other text or with other flags than {manifest.path} '
      f'tells: {_MAKE_AGAIN}'
    )
  if size != known.num_bytes:
    raise UserError(
      f'{path} is damaged or cut short: it has {size:,} bytes, expected '
      f'{known.num_bytes:,} ({manifest.path}): {_MAKE_AGAIN}'
    )


def _read(path: str) -> Manifest:
  if not files.exists(path):
    raise UserError(
      f'the records are not complete: there is no {path}, which is written '
      f'when all files are: {_MAKE_AGAIN}'
    )
  content = files.read_json(path)
  try:
    options = _options(content['flags'])
    options.check()
    return Manifest(
      path,
      content['fingerprint'],
      options,
      content['flags']['do_lower_case'],
      content['vocabulary']['checksum'],
      content['vocabulary']['size'],
      {
        file['name']: FileSize(file['bytes'], file['num_records'])
        for file in content['files']
      },
    )
  except (KeyError, TypeError, UserError) as error:
    raise UserError(
      f'{path} is no manifest of pre-training records: '
      f'{type(error).__name__}: {error}'
    ) from error


def _options(flags: dict[str, Any]) -> Options:
  """Returns the options that `Options.flags` told."""
  names = [field.name for field in dataclasses.fields(MaskingOptions)]
  masking = MaskingOptions(**{name: flags[name] for name in names})
  names = [field.name for field in dataclasses.fields(Options)]
  others = {name: flags[name] for name in names if name != 'masking'}
  return Options(masking, **others)
