"""Parses JSON of any origin. Only what the standard allows is accepted.

Python's own parser reads NaN and Infinity, keeps the last of two equal keys,
and fails with a RecursionError on deep nesting.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from system.errors import UserError, shown


def parse(text: str, allows_nan: bool = False) -> Any:
  """Parses JSON.

  Args:
    text: the JSON; a byte-order mark at its start is ignored.
    allows_nan: whether NaN and infinities are accepted. Logs of this program
      hold them.

  Raises:
    ValueError: the text is not valid JSON, a key occurs twice in an object, or
      nesting or a number exceeds what Python can hold.
  """
  decoder = _LENIENT if allows_nan else _STRICT
  try:
    return decoder.decode(text.removeprefix('\ufeff'))
  except RecursionError:
    raise ValueError('its values are nested too deeply') from None
  except json.JSONDecodeError:
    raise
  except ValueError as error:
    # Python adds advice for developers after a semicolon.
    raise ValueError(str(error).partition(';')[0]) from None


def strict(value: Any) -> Any:
  """Returns a value for JSON with null for NaN and infinities.

  >>> strict({'auc': float('nan'), 'loss': [0.5]})
  {'auc': None, 'loss': [0.5]}
  """
  if isinstance(value, float) and not math.isfinite(value):
    return None
  if isinstance(value, Mapping):
    return {key: strict(each) for key, each in value.items()}
  if isinstance(value, (list, tuple)):
    return [strict(each) for each in value]
  return value


def parse_object(text: str, where: str) -> dict[str, Any]:
  """Parses a JSON object.

  Args:
    text: the JSON.
    where: the file and the line, for messages.

  Raises:
    UserError: the text is not valid JSON (see `parse`), or not an object.
  """
  try:
    value = parse(text)
  except ValueError as error:
    raise UserError(
      f'{where}: expected a JSON object, found {shown(text)}: {error}'
    ) from error
  if not isinstance(value, dict):
    raise UserError(f'{where}: expected a JSON object, found {shown(text)}')
  return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  result = dict(pairs)
  if len(result) < len(pairs):
    seen: set[str] = set()
    for key, _ in pairs:
      if key in seen:
        raise ValueError(f'the key {shown(key)} occurs twice')
      seen.add(key)
  return result


def _refuse_constant(name: str) -> None:
  raise ValueError(f'{name} is not a value of JSON')


def _finite(text: str) -> float:
  if not math.isfinite(value := float(text)):
    raise ValueError(f'the number {shown(text)} is too large')
  return value


_LENIENT = json.JSONDecoder(object_pairs_hook=_object)
_STRICT = json.JSONDecoder(
  object_pairs_hook=_object,
  parse_constant=_refuse_constant,
  parse_float=_finite,
)
