"""Finds the record files of a training run, and checks that they fit the run.

The check reads their manifests, before anything expensive begins. For records
without a manifest, only the content is checked (`RecordSource.check`).
"""

import dataclasses
import itertools
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from absl import logging

from data.pretraining.manifest import FileSize, Manifest
from data.pretraining.options import MaskingOptions
from data.records import file_names
from system import files, threads
from system.errors import UserError, few

# Files next to the records that the same glob matches.
_SIDECARS = ('.index.json', '.manifest.json')

# The manifests by record file, as `manifest.find` returns them.
_Manifests = Mapping[str, Manifest | None]


class Requirements(NamedTuple):
  """The values of a run with which its records must agree."""

  max_seq_length: int
  max_predictions_per_seq: int
  vocab_size: int  # The model's.
  vocabulary: tuple[str, str] | None  # `vocab_file` and its checksum, if given.


def expand(patterns: str) -> list[str]:
  """Returns the record files that `input_file` names.

  Leaves out the indexes and manifests next to them, which a glob matches, too;
  and empty files, which google-research/bert writes if there are fewer records
  than files, with a warning.

  Raises:
    UserError: a pattern matches nothing, or there is no record file.
  """
  paths = [x for x in files.expand(patterns) if not x.endswith(_SIDECARS)]
  if not paths:
    raise UserError(f'`input_file`={patterns!r} names no file of records')
  are_empty = threads.concurrent_map(_is_empty, paths)
  empty = list(itertools.compress(paths, are_empty))
  if len(empty) == len(paths):
    raise UserError(f'{few(empty)} is empty: it holds no record')
  if empty:
    logging.warning('Leaves out %d empty files: %s', len(empty), few(empty))
  return [path for path in paths if path not in set(empty)]


def _is_empty(path: str) -> bool:
  """Returns whether a file is empty, and is not one that has lost its records.

  This project's records have an index.
  """
  return not files.size(path) and not files.exists(file_names.index_path(path))


def check(manifests: _Manifests, requirements: Requirements) -> None:
  """Checks records by their manifests, and logs a description of them.

  Warns of files that a manifest lists but the run does not use.

  Raises:
    UserError: the records do not fit the run, or each other; both values are
      named.
  """
  _check_same_kind(manifests)
  for manifest in _distinct(manifests):
    _check_vocabulary(manifest, requirements)
    _check_lengths(manifest, requirements)
    if len(used := _used_files(manifest, manifests)) < len(manifest.sizes):
      logging.warning(
        'The run uses only %d of the %d files that %s lists.',
        *(len(used), len(manifest.sizes), manifest.path),
      )
  logging.info('Records: %s.', '; '.join(_description(manifests)))


def dynamic_masking(manifests: _Manifests) -> MaskingOptions | None:
  """Returns how training masks the records; None if they have masks."""
  for manifest in _distinct(manifests):
    if manifest.options.dynamic_masking:
      return manifest.options.masking
  return None


def num_records(manifests: _Manifests) -> int | None:
  """Returns the number of records; None if a file has no manifest."""
  if not all(manifests.values()):
    return None
  used = (_used_files(manifest, manifests) for manifest in _distinct(manifests))
  return sum(size.num_records for sizes in used for size in sizes)


def vocab_checksum(manifests: _Manifests) -> str | None:
  """Returns the checksum of the records' vocabulary; None if it is unknown."""
  return next((x.vocab_checksum for x in _distinct(manifests)), None)


def do_lower_case(manifests: _Manifests) -> bool | None:
  """Returns whether the records' text was lower-cased; None if unknown."""
  return next((x.do_lower_case for x in _distinct(manifests)), None)


def check_casing(
  manifests: _Manifests, setting: str, recorded: tuple[str, bool]
) -> None:
  """Checks that the records' casing is that of a checkpoint.

  Args:
    manifests: the records' manifests.
    setting: the setting that names the checkpoint.
    recorded: what says the checkpoint's casing, and its do_lower_case.

  Raises:
    UserError: the records have the other casing; the message names both values.
  """
  source, is_lower = recorded
  for manifest in _distinct(manifests):
    if manifest.do_lower_case != is_lower:
      raise UserError(
        f'the records were made with do_lower_case={manifest.do_lower_case} '
        f'({manifest.path}), but {source} says that `{setting}` has '
        f'do_lower_case={is_lower}'
      )


def _description(manifests: _Manifests) -> Iterator[str]:
  """Yields parts of a sentence that describe the records."""
  distinct = _distinct(manifests)
  for manifest in distinct:
    used = _used_files(manifest, manifests)
    num_records = sum(size.num_records for size in used)
    yield (
      f'{num_records:,} in {len(used)} of {len(manifest.sizes)} files of '
      f'{manifest.path}'
    )
  if num_unknown := sum(manifest is None for manifest in manifests.values()):
    yield f'{num_unknown} of {len(manifests)} files without a manifest'
  if masking := dynamic_masking(manifests):
    values = _masking_values(masking).items()
    settings = ', '.join(f'{name}={value}' for name, value in values)
    yield f'masked anew in each epoch ({settings})'
  else:
    yield 'masked when they were made'
  for manifest in distinct[:1]:  # The others have the same vocabulary.
    yield (
      f'vocabulary of {manifest.vocab_size:,} tokens '
      f'({manifest.vocab_checksum[:8]})'
    )


def _used_files(manifest: Manifest, manifests: _Manifests) -> list[FileSize]:
  """Returns the sizes of the files of a manifest that the run uses."""
  return [
    manifest.sizes[os.path.basename(path)]
    for path, other in manifests.items()
    if other is manifest
  ]


def _distinct(manifests: _Manifests) -> list[Manifest]:
  """Returns the manifests, each once."""
  return list({x.path: x for x in manifests.values() if x}.values())


def _masking_values(masking: MaskingOptions) -> dict[str, Any]:
  """Returns the options except P, which the run sets itself."""
  values = dataclasses.asdict(masking)
  del values['max_predictions_per_seq']
  return values


def _check_same_kind(manifests: _Manifests) -> None:
  """Raises a `UserError` if records of one run are of different kinds."""
  first: dict[str, tuple[str, Any]] = {}
  for path, manifest in manifests.items():
    for name, value in _kind(manifest).items():
      source = manifest.path if manifest else path
      first_source, first_value = first.setdefault(name, (source, value))
      if value != first_value:
        raise UserError(
          'the records of a run must be of one kind: '
          f'{name} is {first_value} in {first_source}, {value} in {source}'
        )


def _kind(manifest: Manifest | None) -> dict[str, Any]:
  """Returns the values that all records of a run must share."""
  if manifest is None:
    return {'dynamic_masking': False}
  options = manifest.options
  return {
    'dynamic_masking': options.dynamic_masking,
    'sentence_order_prediction': options.sentence_order_prediction,
    'do_lower_case': manifest.do_lower_case,
    'the checksum of the vocabulary': manifest.vocab_checksum,
    **(_masking_values(options.masking) if options.dynamic_masking else {}),
  }


def _check_vocabulary(manifest: Manifest, requirements: Requirements) -> None:
  if requirements.vocabulary is None:
    if manifest.options.dynamic_masking:
      raise UserError(
        f'`vocab_file` must be given: the records of {manifest.path} have no '
        'masks (`dynamic_masking`), and drawing masks needs the vocabulary'
      )
  elif requirements.vocabulary[1] != manifest.vocab_checksum:
    name, checksum = requirements.vocabulary
    raise UserError(
      f'{name} is not the vocabulary that the records were made with: its '
      f'checksum begins with {checksum[:8]}, that in {manifest.path} with '
      f'{manifest.vocab_checksum[:8]}'
    )
  if manifest.vocab_size != requirements.vocab_size:
    raise UserError(
      f'{manifest.path}: the records were made with a vocabulary of '
      f"{manifest.vocab_size} tokens, the model's vocab_size is "
      f'{requirements.vocab_size}'
    )


def _check_lengths(manifest: Manifest, requirements: Requirements) -> None:
  names = ['max_seq_length']
  if not manifest.options.dynamic_masking:
    names.append('max_predictions_per_seq')
  recorded = manifest.options.flags()
  for name in names:
    if recorded[name] != getattr(requirements, name):
      raise UserError(
        f'`{name}` is {getattr(requirements, name)}, but the records were made '
        f'with {recorded[name]} ({manifest.path})'
      )
