"""Smaller variants of an export, kept only if the model stays as good.

Each is a file next to the export's float32 model. export.json records its
scores under 'quantized', by the variant's name.

Tested by `tests/serving/exports/quantization_test.py`.
"""

import dataclasses
import os
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from serving.exports import (
  calibration_texts,
  checking,
  exporting,
  formats,
  reference,
)
from serving.exports.dev_set import DevSet
from serving.exports.format import Format, Variant, VariantJob
from serving.exports.parts import Parts
from serving.exports.reference import Reference
from system import files, temporary_files
from system.errors import UserError
from training import scoring

KEY = 'quantized'


class _Refused(UserError):
  """A variant lost more of the metric than it may; it is removed."""


class Quantizer:
  """Adds variants; a refused one does not stop the others.

  Our own outputs on dev are computed once for all.
  """

  def __init__(
    self,
    parts: Parts,
    dev: DevSet,
    wanted: Collection[str],
    max_metric_loss: float,
    calibration_file: str | None,
    python: str,
  ):
    """Reads what all variants share.

    Args:
      parts: the model, with a head for a task.
      dev: the run's dev set.
      wanted: names of variants, of `formats.VARIANTS`.
      max_metric_loss: how much lower the task's main metric on dev may be.
      calibration_file: as for `calibration_texts.choose`.
      python: the interpreter that runs the models.

    Raises:
      UserError: the calibration file is missing or malformed.
    """
    self._parts, self._dev, self._wanted = parts, dev, wanted
    self._max_metric_loss, self._python = max_metric_loss, python
    self._ours = reference.compute(parts, dev.texts)
    self._source, self._features, self._refused = '', None, []
    if any(x.is_calibrated for name in formats.NAMES for x in self._of(name)):
      self._source, self._features = calibration_texts.choose(
        parts, calibration_file, dev
      )

  def _of(self, name: str) -> list[Variant]:
    return formats.variants(name, self._wanted)

  def add(self, chosen: Format, folder: str) -> Iterator[list[str]]:
    """Adds the wanted variants to a finished export.

    Args:
      chosen: the export's format.
      folder: the export.

    Yields:
      What to print of each variant that stays.
    """
    for variant in self._of(chosen.name):
      features = self._features if variant.is_calibrated else None
      job = VariantJob(
        folder, self._parts, features, self._source, self._python
      )
      try:
        report = _add(
          chosen, variant, job, self._dev, self._ours, self._max_metric_loss
        )
      except _Refused as error:
        self._refused.append(str(error))
      else:
        yield _lines_of(variant, report, folder)

  def raise_refusals(self) -> None:
    """Raises a `UserError` with the figures of all refused variants, if any."""
    if self._refused:
      raise UserError(' '.join(self._refused))


def _add(
  chosen: Format,
  variant: Variant,
  job: VariantJob,
  dev: DevSet,
  ours: Reference,
  max_metric_loss: float,
) -> dict[str, Any]:
  """Adds a smaller model to a finished export, and its scores to export.json.

  Args:
    chosen: the export's format.
    variant: one of the format's.
    job: the export and what the variant is made from; its model has a head for
      a task.
    dev: the run's dev set.
    ours: our own outputs on it.
    max_metric_loss: how much lower the task's main metric on dev may be.

  Returns:
    What export.json then has under 'quantized' and the variant's name.

  Raises:
    _Refused: the metric is lower than that; it is shown before and after. The
      rest of the export stays as it is.
    UserError: the variant cannot be written or run.
  """
  path = os.path.join(job.folder, variant.file)
  temporary = temporary_files.name_for(path)
  try:
    variant.write(job, temporary)
    name = os.path.relpath(temporary, job.folder)
    report = _measure(chosen, name, job, dev, ours)
    _check(chosen, variant, report, max_metric_loss)
    files.rename(temporary, path)
  except BaseException:
    if files.exists(temporary):
      files.remove(temporary)
    raise
  _record(job.folder, variant, report)
  return report


def _measure(
  chosen: Format, name: str, job: VariantJob, dev: DevSet, ours: Reference
) -> dict[str, Any]:
  """Compares a smaller model, in a file of the export, with ours on dev."""
  # The metric needs the outputs only for our own ids. To label all texts of a
  # large dev set one after the other as well would take long.
  ids_alone = dataclasses.replace(ours, texts=[])
  outputs, answer = checking.answers(
    chosen, job.folder, job.parts, ids_alone, job.python, name
  )
  metric = dev.task.metrics[0]
  before, after = (
    scoring.score(dev.task, dev.examples, logits)[f'eval_{metric}']
    for logits in (ours.outputs['logits'], outputs['logits'])
  )
  return {
    'metric': metric,
    'before': before,
    'after': after,
    'num_texts': len(dev.examples),
    'equal_labels': _equal_labels(ours, outputs['logits']),
    'largest_difference': checking.largest_difference(ours.outputs, outputs),
    'versions': answer['versions'],
    **_calibration(job),
  }


def _calibration(job: VariantJob) -> dict[str, Any]:
  if job.features is None:
    return {}
  return {
    'calibrated_on': job.source,
    'num_calibration_texts': len(job.features['input_ids']),
  }


def _equal_labels(ours: Reference, logits: np.ndarray) -> float | None:
  """Returns the share of texts that get our label; None without labels."""
  if ours.labels is None:
    return None
  agreed = logits.argmax(axis=1) == ours.outputs['logits'].argmax(axis=1)
  return float(agreed.mean())


def _check(
  chosen: Format,
  variant: Variant,
  report: dict[str, Any],
  max_metric_loss: float,
) -> None:
  loss = report['before'] - report['after']
  # NaN fails, too.
  if not loss <= max_metric_loss:
    raise _Refused(
      f'{chosen.name}: the {variant.title} model has {report["metric"]} '
      f'{report["after"]:.4f} on dev, the float32 model '
      f'{report["before"]:.4f}: it loses {loss:.4f}, more than '
      f'`max_metric_loss`={max_metric_loss:g}. It is removed; the rest of the '
      'export stays.'
    )


def _record(folder: str, variant: Variant, report: dict[str, Any]) -> None:
  path = os.path.join(folder, exporting.REPORT)
  values = files.read_json(path)
  sizes = exporting.sizes(folder)
  sizes.pop(exporting.REPORT, None)
  quantized = {**values.get(KEY, {}), variant.name: report}
  files.write_json(path, {**values, KEY: quantized, 'files': sizes})


def _lines_of(
  variant: Variant, report: dict[str, Any], folder: str
) -> list[str]:
  """Returns what to print of a report."""
  path = os.path.join(folder, variant.file)
  lines = [
    f'{path}: {files.size(path) / 1e6:.1f} MB, {variant.title}',
    f'  {report["metric"]} on dev: {report["after"]:.4f} (float32 '
    f'{report["before"]:.4f})',
    f'  largest difference of an output: {report["largest_difference"]:.2e}',
  ]
  if 'calibrated_on' in report:
    lines.append(
      f'  calibrated on {report["calibrated_on"]} '
      f'({report["num_calibration_texts"]})'
    )
  if report['equal_labels'] is not None:
    lines.append(f'  equal labels: {report["equal_labels"]:.2%}')
  return lines
