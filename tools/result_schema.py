"""The fields of a result, and their types.

A result describes one finished run. It is a JSON object with these fields:

keys         what the run stands for: name → text or number, such as
             {"task": "SST-2", "size": "2/128", "method": "PD", "seed": 1}
scores       the metrics on `split`: name → number, or null if it is undefined
split        the evaluated split, 'dev' for example
confusion    the confusion matrix on `split`, {"labels": [...], "counts":
             [[...]]}: rows are true labels, columns are predicted ones
parameters   the number of the model's parameters
examples_per_second  the speed of prediction
seconds      the wall time of the run's commands
command      the words of the command after `python`, the script first
versions     package → version
hardware     what `system.machine.hardware` returns
init_checkpoint  the SHA-256 of the weights that training started from
checkpoint   the CRC-32 of the ends of the evaluated weights
finished     the time of the evaluation, '2026-11-27T01:02:03Z'

All but `keys`, `scores` and `split` are null if they were not measured or
recorded.
"""

from collections.abc import Mapping
from typing import Any

from system.errors import UserError, shown

_Check = tuple[type, ...]

# Field → the types of its value.
_REQUIRED: dict[str, _Check] = {'keys': (dict,), 'scores': (dict,)}
_REQUIRED |= {'split': (str,)}
_OPTIONAL: dict[str, _Check] = {
  'confusion': (dict,),
  'parameters': (int,),
  'examples_per_second': (int, float),
  'seconds': (int, float),
  'command': (list,),
  'versions': (dict,),
  'hardware': (dict,),
  'init_checkpoint': (str,),
  'checkpoint': (str,),
  'finished': (str,),
}
FIELDS = (*_REQUIRED, *_OPTIONAL)


def check(record: Any, where: str) -> dict[str, Any]:
  """Returns a result with all `FIELDS`, those that it lacks as null.

  Keys that are null are left out.

  Args:
    record: the result.
    where: its file or run, for messages.

  Raises:
    UserError: a field is unknown, missing or of another type.
  """
  if not isinstance(record, dict):
    raise UserError(f'{where}: expected a JSON object, got {shown(record)}')
  if unknown := sorted(record.keys() - set(FIELDS)):
    raise UserError(
      f'{where}: {unknown[0]} is not a field of a result; the fields are '
      f'{", ".join(FIELDS)}'
    )
  full = {name: record.get(name) for name in FIELDS}
  for name, types in (_REQUIRED | _OPTIONAL).items():
    is_null = full[name] is None and name in _OPTIONAL
    if not is_null and not _is(full[name], types):
      raise UserError(
        f'{where}: {name} must be {_names(types)}, got {shown(full[name])}'
      )
  full['keys'] = {k: v for k, v in full['keys'].items() if v is not None}
  _check_values(full, where)
  return full


def _check_values(record: Mapping[str, Any], where: str) -> None:
  if not record['keys'] or not record['scores']:
    raise UserError(f'{where}: keys and scores must not be empty')
  for name, value in record['keys'].items():
    if not _is(value, (str, int, float)) or value == '':
      raise UserError(
        f'{where}: the key {name} must be text or a number, got {shown(value)}'
      )
  for name, value in record['scores'].items():
    if value is not None and not _is(value, (int, float)):
      raise UserError(
        f'{where}: the score {name} must be a number, got {shown(value)}'
      )
  if record['confusion'] is not None:
    _check_confusion(record['confusion'], where)
  for word in record['command'] or []:
    if not isinstance(word, str):
      raise UserError(f'{where}: command must hold words, got {shown(word)}')


def _check_confusion(confusion: Mapping[str, Any], where: str) -> None:
  labels, counts = confusion.get('labels'), confusion.get('counts')
  is_valid = (
    confusion.keys() == {'labels', 'counts'}
    and isinstance(labels, list)
    and all(isinstance(label, str) for label in labels)
    and isinstance(counts, list)
    and len(counts) == len(labels)
    and all(_is_row(row, len(labels)) for row in counts)
  )
  if not is_valid:
    raise UserError(
      f'{where}: confusion must have labels and a square of counts, got '
      f'{shown(confusion)}'
    )


def _is_row(row: Any, size: int) -> bool:
  return (
    isinstance(row, list)
    and len(row) == size
    and all(_is(count, (int,)) and count >= 0 for count in row)
  )


def _is(value: Any, types: _Check) -> bool:
  return isinstance(value, types) and not isinstance(value, bool)


def _names(types: _Check) -> str:
  names = {dict: 'an object', list: 'a list', str: 'text'}
  return names.get(types[0], 'a number')
