"""The record files that a run is given: what they hold, and whether they fit.

What their manifests tell is looked at before anything expensive begins. Records
without a manifest are known only by themselves (`RecordSource.check`).
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from absl import logging

from data.pretraining.manifest import FileSize, Manifest
from data.pretraining.options import MaskingOptions
from system import files
from system.errors import UserError

# What stands beside records, and under the same glob.
_SIDECARS = ('.index.json', '.manifest.json')

_Found = Mapping[str, Manifest | None]  # As `manifest.find` returns it.


class Wanted(NamedTuple):
  """What the records of a run must fit."""

  max_seq_length: int
  max_predictions_per_seq: int
  vocab_size: int  # The model's.
  vocabulary: tuple[str, str] | None  # --vocab_file, if any, and its checksum.


def expand(patterns: str) -> list[str]:
  """Returns the record files that --input_file names.

  The indexes and manifests beside them are left out: a glob matches them, too.

  Raises:
    UserError: a pattern matches nothing, or there is no other file.
  """
  paths = [x for x in files.expand(patterns) if not x.endswith(_SIDECARS)]
  if not paths:
    raise UserError(f'--input_file={patterns!r} names no file of records')
  return paths


def check(found: _Found, wanted: Wanted) -> None:
  """Checks what is known of records against what a run wants, and says it.

  Files that the manifests tell of and that are not used are a warning.

  Raises:
    UserError: they do not fit, or not each other; both values are told.
  """
  _check_alike(found)
  for manifest in _manifests(found):
    _check_vocabulary(manifest, wanted)
    _check_lengths(manifest, wanted)
    if len(used := _used(manifest, found)) < len(manifest.sizes):
      logging.warning(
        'Only %d of the %d files that %s tells of are used.',
        *(len(used), len(manifest.sizes), manifest.path),
      )
  logging.info('Records: %s.', '; '.join(_description(found)))


def dynamic_masking(found: _Found) -> MaskingOptions | None:
  """Returns how to mask in training; None where records are masked already."""
  for manifest in _manifests(found):
    if manifest.options.dynamic_masking:
      return manifest.options.masking
  return None


def vocab_checksum(found: _Found) -> str | None:
  """Returns the checksum of the records' vocabulary, if it is known."""
  return next((x.vocab_checksum for x in _manifests(found)), None)


def _description(found: _Found) -> Iterator[str]:
  """Yields what the records are, in parts of a sentence."""
  manifests = _manifests(found)
  for manifest in manifests:
    used = _used(manifest, found)
    num_records = sum(size.num_records for size in used)
    yield (
      f'{num_records:,} in {len(used)} of {len(manifest.sizes)} files of '
      f'{manifest.path}'
    )
  if num_unknown := sum(manifest is None for manifest in found.values()):
    yield f'{num_unknown} of {len(found)} files without a manifest'
  if masking := dynamic_masking(found):
    flags = _without_length(masking).items()
    how = ', '.join(f'{name}={value}' for name, value in flags)
    yield f'masked anew in each epoch ({how})'
  else:
    yield 'masked when they were made'
  for manifest in manifests[:1]:  # The vocabulary of the others is the same.
    yield (
      f'vocabulary of {manifest.vocab_size:,} tokens '
      f'({manifest.vocab_checksum[:8]})'
    )


def _used(manifest: Manifest, found: _Found) -> list[FileSize]:
  """Returns the sizes of those files of a manifest that are used."""
  return [
    manifest.sizes[os.path.basename(path)]
    for path, other in found.items()
    if other is manifest
  ]


def _manifests(found: _Found) -> list[Manifest]:
  """Returns the manifests, each once."""
  return list({x.path: x for x in found.values() if x}.values())


def _without_length(masking: MaskingOptions) -> dict[str, Any]:
  """Returns the options but P, which --max_predictions_per_seq gives anew."""
  values = dataclasses.asdict(masking)
  del values['max_predictions_per_seq']
  return values


def _check_alike(found: _Found) -> None:
  """Raises a `UserError` if records of one run are of different kinds."""
  first: dict[str, tuple[str, Any]] = {}
  for path, manifest in found.items():
    for name, value in _kind(manifest).items():
      where = manifest.path if manifest else path
      seen_in, seen = first.setdefault(name, (where, value))
      if value != seen:
        raise UserError(
          'the records of a run must be of one kind: '
          f'{name} is {seen} of {seen_in}, {value} of {where}'
        )


def _kind(manifest: Manifest | None) -> dict[str, Any]:
  """Returns what all records of a run must have in common."""
  if manifest is None:
    return {'dynamic_masking': False}
  options = manifest.options
  return {
    'dynamic_masking': options.dynamic_masking,
    'sentence_order_prediction': options.sentence_order_prediction,
    'do_lower_case': manifest.do_lower_case,
    'the checksum of the vocabulary': manifest.vocab_checksum,
    **(_without_length(options.masking) if options.dynamic_masking else {}),
  }


def _check_vocabulary(manifest: Manifest, wanted: Wanted) -> None:
  if wanted.vocabulary is None:
    if manifest.options.dynamic_masking:
      raise UserError(
        f'--vocab_file must be given: the records of {manifest.path} have no '
        'masks (--dynamic_masking), and drawing them takes the vocabulary'
      )
  elif wanted.vocabulary[1] != manifest.vocab_checksum:
    name, checksum = wanted.vocabulary
    raise UserError(
      f'{name} is not the vocabulary that the records were made with: its '
      f'checksum begins with {checksum[:8]}, that in {manifest.path} with '
      f'{manifest.vocab_checksum[:8]}'
    )
  if manifest.vocab_size != wanted.vocab_size:
    raise UserError(
      f'{manifest.path}: the records were made with a vocabulary of '
      f"{manifest.vocab_size} tokens, the model's vocab_size is "
      f'{wanted.vocab_size}'
    )


def _check_lengths(manifest: Manifest, wanted: Wanted) -> None:
  names = ['max_seq_length']
  if not manifest.options.dynamic_masking:
    names.append('max_predictions_per_seq')
  made = manifest.options.flags()
  for name in names:
    if made[name] != getattr(wanted, name):
      raise UserError(
        f'--{name} is {getattr(wanted, name)}, but the records were made with '
        f'{made[name]} ({manifest.path})'
      )
