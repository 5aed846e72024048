"""The user's settings, each declared once.

A group of settings is a frozen dataclass; each field declares a setting's
default, help text, limits, and what it needs to take effect:

  @dataclasses.dataclass(frozen=True)
  class TrainingOptions:
    do_train: bool = setting(False, 'Whether to train.')
    layer_decay: float = setting(
      1.0,
      'Added: the learning rate falls by this factor from layer to layer.',
      at_least=0.0,
      at_most=1.0,
      needs=('do_train', 'freeze!=encoder'),
      decides_weights=True,
    )

Everything else is derived from the declaration: `cli.flag_group` defines the
flag and rejects it if it has no effect, `weights_decided_by` returns the values
for `run.json`, and `tools.flags_page` writes docs/flags.md. No flag sets a
field without `setting`.

Errors and log lines below `cli` write a setting as `name`, in backquotes;
scripts show it as --name.
"""

import dataclasses
import math
import re
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from system.errors import UserError

_KEY = 'setting'
# The largest value of a count: an integer setting that declares `at_least` but
# no `at_most`. Products of two counts fit in 64 bits.
MAX_COUNT = 2**31 - 1
# The largest seed.
MAX_SEED = 2**63 - 1
_CONDITION = re.compile(r'(!?)(\w+)(?:(=|!=|>)(.+))?')


@dataclasses.dataclass(frozen=True)
class Setting:
  """A setting's declaration, except its name, type and default.

  Attributes:
    help: the flag's help text; begins with 'Added: ' where
      google-research/bert has no such flag.
    at_least: the smallest number allowed; None for no limit.
    at_most: the largest number allowed; None for no limit, except that a count
      is at most `MAX_COUNT`.
    more_than: an exclusive lower limit; None for no limit.
    less_than: an exclusive upper limit; None for no limit.
    choices: the strings allowed; empty for any.
    needs: conditions for the setting to take effect; all must hold. See
      `unmet`.
    decides_weights: whether another value gives other weights, so that a run
      must not resume with it.
    reads: what the setting names if it is an input that must exist: 'file';
      'files', names and globs, separated by commas; 'checkpoint'. '' for
      anything else.
  """

  help: str
  at_least: float | None = None
  at_most: float | None = None
  more_than: float | None = None
  less_than: float | None = None
  choices: tuple[str, ...] = ()
  needs: tuple[str, ...] = ()
  decides_weights: bool = False
  reads: str = ''


@dataclasses.dataclass(frozen=True)
class Declared:
  """One setting of a group, with its field's name, type and default."""

  name: str
  kind: type  # bool, int, float, str, or tuple for a list of strings
  default: Any
  setting: Setting


def setting(default: Any, help: str, **declared: Any) -> Any:
  """Returns a dataclass field that declares a setting.

  Args:
    default: the value if the user gives none.
    help: see `Setting`.
    **declared: the other attributes of `Setting`.
  """
  return dataclasses.field(
    default=default, metadata={_KEY: Setting(help, **declared)}
  )


def declared_in(group: type) -> list[Declared]:
  """Lists the settings of a group, in the order of their declaration."""
  kinds = typing.get_type_hints(group)
  return [
    Declared(
      field.name, _kind(kinds[field.name]), field.default, field.metadata[_KEY]
    )
    for field in dataclasses.fields(group)
    if _KEY in field.metadata
  ]


def _kind(hint: Any) -> type:
  """Returns the type behind `X`, `X | None` or `tuple[str, ...]`."""
  options = [x for x in typing.get_args(hint) if x is not type(None)]
  if typing.get_origin(hint) is tuple or not options:
    return typing.get_origin(hint) or hint
  return _kind(options[0])


def check(options: Any) -> None:
  """Checks the values of a group against its declared limits.

  Args:
    options: an instance of a group.

  Raises:
    UserError: a value is outside its limits, a number is NaN or infinite, or
      the value of an integer setting is not whole; the message names setting,
      value and limits.
  """
  for each in declared_in(type(options)):
    value = getattr(options, each.name)
    declared = _with_largest(each)
    if value is None or _is_allowed(value, declared, each.kind):
      continue
    expected = limits(declared)
    if isinstance(value, float) and not math.isfinite(value):
      expected = ', '.join(filter(None, ['a finite number', expected]))
    raise UserError(f'`{each.name}`={value}: expected {expected}')


def _with_largest(each: Declared) -> Setting:
  """Returns the declaration; that of a count always has an upper limit."""
  declared = each.setting
  is_count = each.kind is int and declared.at_least is not None
  if is_count and declared.at_most is None:
    return dataclasses.replace(declared, at_most=MAX_COUNT)
  return declared


def _is_allowed(value: Any, declared: Setting, kind: type) -> bool:
  if declared.choices:
    return value in declared.choices
  if isinstance(value, float) and not math.isfinite(value):
    return False
  if kind is int and value % 1:
    return False
  return (
    (declared.at_least is None or value >= declared.at_least)
    and (declared.at_most is None or value <= declared.at_most)
    and (declared.more_than is None or value > declared.more_than)
    and (declared.less_than is None or value < declared.less_than)
  )


def limits(declared: Setting) -> str:
  """Describes the values that a setting allows, '' for any."""
  if declared.choices:
    return ' or '.join(declared.choices)
  low, high = declared.at_least, declared.at_most
  if low is not None and high is not None:
    return f'{low:,} to {high:,}'
  bounds = {
    '{:,} or more': low,
    'more than {:,}': declared.more_than,
    'at most {:,}': high,
    'less than {:,}': declared.less_than,
  }
  return ' and '.join(
    text.format(bound) for text, bound in bounds.items() if bound is not None
  )


def weights_decided_by(options: Any) -> dict[str, Any]:
  """Returns the values of a group that decide a run's weights, by name."""
  return {
    each.name: getattr(options, each.name)
    for each in declared_in(type(options))
    if each.setting.decides_weights
  }


def unmet(needs: Iterable[str], values: Mapping[str, Any]) -> str | None:
  """Explains why a setting has no effect; returns None if it has one.

  Args:
    needs: conditions. 'a' holds if the setting a has a value that is neither
      empty nor false, '!a' if it has none; 'a=x,y' if its value is x or y, in
      any case; 'a!=x' if it is not x; 'a>1' if it is more than 1; 'a|b' if one
      of the two conditions holds.
    values: the settings' values, by name. A missing one counts as not given,
      and a reason for 'a|b' does not name it: another script has it.

  Returns:
    The reason, as '`do_train` is not given', for the first condition that
    does not hold.
  """
  for condition in needs:
    parts = [_Condition.parse(part) for part in condition.split('|')]
    parts = [part for part in parts if part.name in values] or parts
    if not any(part.holds(values) for part in parts):
      reasons = [part.reason(values) for part in parts]
      return reasons[0] if len(reasons) == 1 else _neither(parts)
  return None


def _neither(parts: 'list[_Condition]') -> str:
  *first, last = [part.text() for part in parts]
  return f'neither {", ".join(first)} nor {last} is given'


@dataclasses.dataclass(frozen=True)
class _Condition:
  """One condition of `unmet`."""

  name: str
  operator: str = ''  # '', '!', '=', '!=' or '>'
  operand: str = ''

  @classmethod
  def parse(cls, text: str) -> '_Condition':
    match = _CONDITION.fullmatch(text)
    if match is None:
      raise ValueError(f'{text!r} is not a condition')
    negation, name, operator, operand = match.groups('')
    return cls(name, negation + operator, operand)

  def holds(self, values: Mapping[str, Any]) -> bool:
    value = values.get(self.name)
    if self.operator in ('', '!'):
      return bool(value) == (self.operator == '')
    if self.operator == '>':
      return value is not None and value > float(self.operand)
    is_listed = str(value).lower() in self.operand.split(',')
    return is_listed == (self.operator == '=')

  def reason(self, values: Mapping[str, Any]) -> str:
    value = values.get(self.name)
    if not self.operator or (self.operator == '>' and value is None):
      return f'`{self.name}` is not given'
    if self.operator == '=':
      return f'`{self.name}` is not {" or ".join(self.operand.split(","))}'
    return f'`{self.name}` is {value}'

  def text(self) -> str:
    return f'`{self.name}`{self.operator}{self.operand}'
