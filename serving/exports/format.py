"""What a format of exports consists of.

Tested by `tests/serving/exports/exporting_test.py`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from serving.exports.heads import KINDS, OUTPUTS

if TYPE_CHECKING:
  import numpy as np

  from serving.exports.parts import Parts


@dataclasses.dataclass(frozen=True)
class VariantJob:
  """What a smaller variant of an export is made from.

  Attributes:
    folder: the finished export with float32 weights.
    parts: its model.
    features: int64 `input_ids`, `attention_mask` and `token_type_ids`, [N, S],
      of the texts to calibrate on; None unless the variant is calibrated.
    source: what these texts are, for the report.
    python: the interpreter with the packages of the format's ecosystem.
  """

  folder: str
  parts: 'Parts'
  features: 'Mapping[str, np.ndarray] | None'
  source: str
  python: str


@dataclasses.dataclass(frozen=True)
class Variant:
  """A smaller model that a format may have in addition to its own.

  Attributes:
    name: as in the flag `quantize`.
    file: its path in the folder of the export.
    title: what messages call it.
    write: writes the model to a path in the same folder as `file`.
    is_calibrated: whether it measures the ranges of activations on texts.
    packages: what the interpreter of the checker needs to write it.
  """

  name: str
  file: str
  title: str
  write: Callable[[VariantJob, str], None]
  is_calibrated: bool = False
  packages: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Format:
  """A format of exports.

  Attributes:
    name: as in the flag, and the name of the folder.
    writer_packages: what this process imports to write it.
    checker_packages: what the fresh process imports to load it.
    checker: the file name of the script in `checkers/`.
    bound: the largest difference from our own outputs that is accepted,
      relative to the largest output, or absolute if that is below 1.
    write: writes the files of a model into an existing empty folder.
    heads: the kinds of heads that it can hold.
    check: raises a `UserError` if the format cannot hold a model.
    variants: the smaller models that it may have in addition to its own.
    may_import: the packages of `checking.FOREIGN` that belong to the ecosystem.
    outputs: the outputs that are compared, as in `heads.OUTPUTS`.
  """

  name: str
  writer_packages: tuple[str, ...]
  checker_packages: tuple[str, ...]
  checker: str
  bound: float
  write: Callable[['Parts', str], None]
  heads: tuple[str, ...] = KINDS
  check: Callable[['Parts'], object] = lambda _: None
  variants: tuple[Variant, ...] = ()
  may_import: tuple[str, ...] = ()
  outputs: Mapping[str, Mapping[str, bool]] = dataclasses.field(
    default_factory=lambda: OUTPUTS
  )
