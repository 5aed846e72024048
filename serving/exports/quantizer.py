"""Adds the wanted variants to one export after the other.

Tested by `tests/serving/exports/quantized_test.py`.
"""

from collections.abc import Collection, Iterator

from serving.exports import calibration_texts, formats, quantized, reference
from serving.exports.dev_set import DevSet
from serving.exports.format import Format, Variant, VariantJob
from serving.exports.parts import Parts
from serving.exports.quantized import Refused
from system.errors import UserError


class Quantizer:
  """Adds variants; a refused one does not stop the others, `check` raises then.

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
        report = quantized.add(
          chosen, variant, job, self._dev, self._ours, self._max_metric_loss
        )
      except Refused as error:
        self._refused.append(str(error))
      else:
        yield quantized.lines_of(variant, report, folder)

  def check(self) -> None:
    """Raises a `UserError` with the figures of all refused variants, if any."""
    if self._refused:
      raise UserError(' '.join(self._refused))
