"""The formats of exports by name, and whether their packages are installed.

A new format is a module of this folder with a `FORMAT`, and a line in
`_MODULES`. Does not import TensorFlow.

Tested by `tests/serving/exports/exporting_test.py`.
"""

import importlib
import json
import subprocess
import sys
from collections.abc import Collection

from serving.exports.format import Format, Variant
from system.errors import UserError

# The extra in setup.cfg with a format's packages has its name, with hyphens:
# older versions of pip find no extra with an underscore.
_MODULES = {
  'hugging_face': 'serving.exports.hugging_face',
  'litert': 'serving.exports.litert',
  'onnx': 'serving.exports.onnx_format',
  'saved_model': 'serving.exports.saved_model',
  'tf_models': 'serving.exports.tf_models',
  'tf_hub': 'serving.exports.tf_hub',
}
NAMES = tuple(_MODULES)
# For `quantize`: variant → the formats that have it.
VARIANTS = {
  'float16': ('litert',),
  'dynamic': ('litert', 'onnx'),
  'static': ('litert', 'onnx'),
}

_ADVICE = ', or name an interpreter that has the packages by `checker_python`'
# Run by the interpreter of the checker: prints the packages that it lacks.
_FIND = """
import importlib.util, json, sys
print(json.dumps([x for x in sys.argv[1:] if not importlib.util.find_spec(x)]))
"""


def get(name: str) -> Format:
  """Returns a format by its name, one of `NAMES`."""
  return importlib.import_module(_MODULES[name]).FORMAT


def check_packages(name: str, checker_python: str) -> None:
  """Checks that a format's packages are installed.

  Args:
    name: the format's.
    checker_python: the interpreter that runs the checker.

  Raises:
    UserError: a package is missing, or the interpreter cannot be run. The
      message says what to install.
  """
  chosen = get(name)
  setting = f'`format`={name}'
  _require(sys.executable, chosen.writer_packages, setting, name)
  _require(checker_python, chosen.checker_packages, setting, name, _ADVICE)


def variants(name: str, wanted: Collection[str]) -> list[Variant]:
  """Returns the variants of a format that have one of some names."""
  known = [x for x in wanted if name in VARIANTS[x]]
  return [x for x in get(name).variants if x.name in known] if known else []


def check_quantizer(
  name: str, wanted: Collection[str], checker_python: str
) -> None:
  """Checks that an interpreter can write variants, as `check_packages`.

  Args:
    name: the format's.
    wanted: the names of the variants; those of other formats are ignored.
    checker_python: the interpreter.

  Raises:
    UserError: a package is missing.
  """
  packages = {x for each in variants(name, wanted) for x in each.packages}
  if not packages:
    return
  _require(checker_python, packages, '`quantize`', name, _ADVICE)


def _require(
  python: str,
  packages: Collection[str],
  setting: str,
  extra: str,
  advice: str = '',
) -> None:
  if missing := _missing(python, sorted(packages)):
    raise UserError(
      f'{setting} needs {", ".join(missing)}, which {python} lacks: '
      'pip install -c constraints.txt -e '
      f"'.[{extra.replace('_', '-')}]'{advice}"
    )


def _missing(python: str, packages: Collection[str]) -> list[str]:
  command = [python, '-I', '-c', _FIND, *packages]
  try:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
  except (OSError, subprocess.CalledProcessError) as error:
    raise UserError(
      f'`checker_python`={python} cannot be run: {error}'
    ) from error
  return json.loads(done.stdout)
