"""What a format of exports consists of.

Tested by `tests/serving/exports/exporting_test.py`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from serving.exports.heads import KINDS, OUTPUTS

if TYPE_CHECKING:
  from serving.exports.parts import Parts


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
  may_import: tuple[str, ...] = ()
  outputs: Mapping[str, Mapping[str, bool]] = dataclasses.field(
    default_factory=lambda: OUTPUTS
  )
