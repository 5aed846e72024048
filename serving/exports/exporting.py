"""Exports a model: written under a temporary name, checked, then renamed."""

import dataclasses
import os
import sys
from typing import Any

from modeling.checkpoints import export_file
from serving.exports import checking, formats
from serving.exports.checking import Difference
from serving.exports.format import Format
from serving.exports.parts import Parts
from serving.exports.reference import Reference
from system import files, folders, local_files
from system.errors import UserError

REPORT = export_file.FILE


@dataclasses.dataclass(frozen=True)
class Limits:
  """What an export must satisfy.

  Attributes:
    min_equal_ids: the least share of texts with equal token ids.
    checker_python: the interpreter that loads the export again.
  """

  min_equal_ids: float = 0.98
  checker_python: str = sys.executable


def check_target(output_dir: str, name: str, overwrite: bool) -> str:
  """Returns the folder of a format.

  Raises:
    UserError: it exists and must not be overwritten, or it is not an export.
  """
  target = os.path.join(output_dir, name)
  if not files.exists(target):
    return target
  if not overwrite:
    raise UserError(
      f'{target} exists: leave {name} out of `format` to keep it, or give '
      '`overwrite` to replace it'
    )
  if not files.exists(os.path.join(target, REPORT)):
    raise UserError(
      f'{target} is not an export, as it has no {REPORT}: it is not replaced'
    )
  return target


def export(
  chosen: Format,
  parts: Parts,
  output_dir: str,
  reference: Reference,
  source: str,
  limits: Limits,
) -> dict[str, Any]:
  """Writes one format to `output_dir`/<its name>, and checks it.

  An export of this name is replaced once the new one is complete.

  Args:
    chosen: the format.
    parts: the model.
    output_dir: created if missing.
    reference: our own outputs.
    source: what the texts of the reference are, for the report.
    limits: what the export must satisfy.

  Returns:
    The content of export.json.

  Raises:
    UserError: the export cannot be loaded, or differs more than it may. It is
      removed.
  """
  target = os.path.join(output_dir, chosen.name)
  with folders.filled(target) as temporary:
    chosen.write(parts, temporary)
    python = limits.checker_python
    found = checking.compare(chosen, temporary, parts, reference, python)
    _check(chosen, found, limits)
    report = _report(chosen, parts, found, source)
    report['files'] = sizes(temporary)
    files.write_json(os.path.join(temporary, REPORT), report)
  return report


def _check(chosen: Format, found: Difference, limits: Limits) -> None:
  allowed = found.allowed(chosen.bound)
  if not found.largest_difference <= allowed:
    raise UserError(
      f'{chosen.name}: an output differs by {found.largest_difference:.3g} '
      f'from the run, expected at most {allowed:.3g}: the export is removed'
    )
  equal_ids = found.equal_token_ids
  if equal_ids is not None and equal_ids < limits.min_equal_ids:
    raise UserError(
      f'{chosen.name}: {equal_ids:.2%} of the texts have equal '
      f'token ids, expected at least {limits.min_equal_ids:.2%} '
      '(`min_equal_ids`): the export is removed. Other ids have '
      f'{", ".join(found.other_token_ids)}'
    )


def _report(
  chosen: Format, parts: Parts, found: Difference, source: str
) -> dict[str, Any]:
  return {
    'format': chosen.name,
    'model': parts.checkpoint.prefix,
    'model_checksum': parts.checkpoint.checksum(),
    'head': parts.head,
    'left_out': list(parts.left_out),
    'temperature': parts.temperature,
    'max_seq_length': parts.max_seq_length,
    'takes_pairs': parts.takes_pairs,
    'labels': list(parts.labels),
    'texts': source,
    'largest_difference_allowed': found.allowed(chosen.bound),
    **dataclasses.asdict(found),
  }


def sizes(folder: str) -> dict[str, int]:
  """Maps the files below a folder to their sizes in bytes."""
  found = {}
  for name in files.list_folder(folder):
    path = os.path.join(folder, name)
    if files.is_folder(path):
      found |= {f'{name}/{x}': size for x, size in sizes(path).items()}
    else:
      found[name] = files.size(path)
  return found


def lines_of(report: dict[str, Any], target: str) -> list[str]:
  """Returns what to print of a report."""
  labels = report['equal_labels']
  lines = [
    f'{target}: {sum(report["files"].values()) / 1e6:.1f} MB, compared on '
    f'{report["texts"]} ({report["num_texts"]})',
    f'  largest difference of an output: {report["largest_difference"]:.2e} '
    f'(allowed {report["largest_difference_allowed"]:.2e})',
  ]
  if report['equal_token_ids'] is not None:
    lines.append(f'  equal token ids: {report["equal_token_ids"]:.2%}')
  if labels is not None:
    lines.append(f'  equal labels: {labels:.2%}')
  return lines


def check_model(chosen: Format, parts: Parts) -> None:
  """Checks that a format can hold a model.

  Raises:
    UserError: it cannot.
  """
  if parts.head not in chosen.heads:
    raise UserError(
      f'`format`={chosen.name} needs a head of the kind '
      f'{" or ".join(chosen.heads)}: {parts.checkpoint.prefix} has '
      f'`head`={parts.head}'
    )
  try:
    chosen.check(parts)
  except UserError as error:
    raise UserError(f'`format`={chosen.name}: {error}') from error


def check_request(
  names: list[str], output_dir: str, overwrite: bool, limits: Limits
) -> None:
  """Checks what can be checked before the model is read.

  Raises:
    UserError: a package is missing, the output folder is remote, or an output
      exists.
  """
  local_files.require_local(output_dir)
  for name in names:
    check_target(output_dir, name, overwrite)
    formats.check_packages(name, limits.checker_python)
