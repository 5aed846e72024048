"""The manifest of pre-training records: written last, it says that all is there
and what it is.

It stands beside the records, under their name and `.manifest.json`, and holds
nothing that another run of the same command would change.
"""

import dataclasses
import functools
import os
from collections.abc import Sequence
from typing import Any

from absl import logging

from data import files
from data.errors import UserError
from data.pretraining.job import Job
from data.pretraining.options import MaskingOptions
from data.pretraining.statistics import Statistics


def statistics_of(indexes: Sequence[dict[str, Any]]) -> Statistics:
  """Sums up the statistics of all shards."""
  parts = [Statistics.from_json(x['details']['statistics']) for x in indexes]
  return functools.reduce(Statistics.__add__, parts)


def write(job: Job, indexes: Sequence[dict[str, Any]]) -> None:
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
  job: Job, indexes: Sequence[dict[str, Any]], shards: list[dict[str, Any]]
) -> dict[str, Any]:
  statistics = statistics_of(indexes)
  return {
    'fingerprint': job.fingerprint,
    'files': shards,
    'num_records': statistics.records,
    'documents': sum(index['details']['documents'] for index in indexes),
    'flags': {
      **dataclasses.asdict(job.corpus.options),
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
  from data import records

  return {
    'name': os.path.basename(path),
    'bytes': index['bytes'],
    'num_records': index['num_records'],
    'window': index['window'],
    'index': os.path.basename(records.index_path(path)),
    'documents': index['details']['documents'],
  }


@dataclasses.dataclass(frozen=True)
class Manifest:
  """What a trainer must know of its records.

  Attributes:
    path: where the manifest stands.
    flags: what the records were made with, by flag.
    vocab_checksum: of the vocabulary that they were made with.
    sizes: the bytes of each file, by name.
  """

  path: str
  flags: dict[str, Any]
  vocab_checksum: str
  sizes: dict[str, int]

  @property
  def dynamic_masking(self) -> MaskingOptions | None:
    """How to mask in training; None where the records are masked already."""
    if not self.flags['dynamic_masking']:
      return None
    names = [field.name for field in dataclasses.fields(MaskingOptions)]
    return MaskingOptions(**{name: self.flags[name] for name in names})


def find(paths: Sequence[str]) -> list[Manifest]:
  """Finds the manifests of record files; those from elsewhere have none.

  Raises:
    UserError: a manifest is missing, malformed, or does not know the file as it
      is.
  """
  of_path = {path: _manifest_of(path) for path in paths}
  manifests = {}
  for path, where in of_path.items():
    if where is None:
      continue
    if where not in manifests:
      manifests[where] = _read(where, path)
    size, expected = (
      files.size(path),
      manifests[where].sizes.get(os.path.basename(path)),
    )
    if size != expected:
      raise UserError(
        f'{path} has {size} bytes; {where} expects '
        f'{"no such file" if expected is None else expected}: make the records '
        'again'
      )
  for where, manifest in manifests.items():
    used = sum(other == where for other in of_path.values())
    if used < len(manifest.sizes):
      logging.warning(
        '%d of the %d files that %s tells of are used',
        *(used, len(manifest.sizes), where),
      )
  return list(manifests.values())


def _manifest_of(path: str) -> str | None:
  """Returns where the manifest of a file should be; None if it has none."""
  from data import records

  index = records.index_path(path)
  if not files.exists(index):
    return None
  name = files.read_json(index).get('details', {}).get('manifest')
  # Of what is written there only the name counts: files come from anywhere.
  return name and os.path.join(os.path.dirname(path), os.path.basename(name))


def _read(path: str, record_file: str) -> Manifest:
  if not files.exists(path):
    raise UserError(
      f'{record_file} has no manifest: there is no {path}. It is written when '
      'all records are; give the command that makes them again, it goes on'
    )
  content = files.read_json(path)
  try:
    return Manifest(
      path,
      content['flags'],
      content['vocabulary']['checksum'],
      {file['name']: file['bytes'] for file in content['files']},
    )
  except (KeyError, TypeError) as error:
    raise UserError(
      f'{path} is no manifest of pre-training records: {error!r}'
    ) from error
