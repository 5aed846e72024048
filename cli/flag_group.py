"""Groups of settings as Absl flags: defines, reads and checks them.

See `system.settings` for how a group declares its settings. A script calls
`define` for the groups that it uses, and `refuse_without_effect` and `read`
once its flags are parsed.
"""

import dataclasses
import re
import typing
from collections.abc import Iterable
from typing import Any, TypeVar

from absl import flags

from cli import run_flags
from system import settings
from system.errors import UserError

FLAGS = flags.FLAGS

# The flags defined here belong to the script that calls `define`.
flags.disclaim_key_flags()

Group = TypeVar('Group')

_declared: dict[str, settings.Declared] = {}


def define(*groups: type) -> None:
  """Defines a flag for each setting of some groups.

  A process may define a group again: its flags are then key flags of the
  calling script, too, so that its --help lists them.

  Raises:
    flags.DuplicateFlagError: two groups declare a setting differently.
  """
  for group in groups:
    for each in settings.declared_in(group):
      if each.name not in FLAGS:
        _define(each)
        _declared[each.name] = each
      elif _declared.get(each.name) != each:
        raise flags.DuplicateFlagError(f'{each.name} is declared twice')
      flags.declare_key_flag(each.name)


def _define(each: settings.Declared) -> None:
  name, default, text = each.name, each.default, each.setting.help
  bounds = {
    'lower_bound': each.setting.at_least,
    'upper_bound': each.setting.at_most,
  }
  if each.setting.choices:
    flags.DEFINE_enum(name, default, each.setting.choices, text)
  elif each.kind is bool:
    flags.DEFINE_bool(name, default, text)
  elif each.kind is int:
    flags.DEFINE_integer(name, default, text, **bounds)
  elif each.kind is float:
    flags.DEFINE_float(name, default, text, **bounds)
  elif each.kind is tuple:
    flags.DEFINE_list(name, default, text)
  else:
    flags.DEFINE_string(name, default, text)


def read(group: type[Group], **others: Any) -> Group:
  """Returns the group's values as the flags give them.

  Args:
    group: a dataclass of settings, defined as flags.
    **others: values of fields that no flag sets, or that override the flags.
      A field `inherited` gets the names of the flags that --from_run brought.

  Raises:
    UserError: a value is outside its limits, NaN or infinite. Absl's own
      bounds accept NaN.
  """
  values = {
    each.name: _value(each)
    for each in settings.declared_in(group)
    if each.name in FLAGS
  }
  if any(field.name == 'inherited' for field in dataclasses.fields(group)):
    inherited = filter(run_flags.is_inherited, values)
    others = {'inherited': frozenset(inherited), **others}
  options = group(**{**values, **others})
  settings.check(options)
  return options


def _value(each: settings.Declared) -> Any:
  value = FLAGS[each.name].value
  return tuple(value or ()) if each.kind is tuple else value


def names_of_inputs() -> list[str]:
  """Returns the names of the defined flags that name an input."""
  return [name for name, each in _declared.items() if each.setting.reads]


def kind_of_input(name: str) -> str:
  """Returns what a flag declares that it `reads`; '' if nothing."""
  return _declared[name].setting.reads if name in _declared else ''


def groups_in(options: type) -> list[type]:
  """Returns the groups that a dataclass of groups consists of, in order."""
  return [
    hint
    for hint in typing.get_type_hints(options).values()
    if dataclasses.is_dataclass(hint)
  ]


def read_all(options: type[Group], **groups: Any) -> Group:
  """Returns a dataclass of groups as the flags give them.

  Args:
    options: a dataclass whose fields are groups, defined as flags.
    **groups: groups that were read already, by field.
  """
  hints = typing.get_type_hints(options)
  return options(
    **{
      field.name: groups.get(field.name) or read(hints[field.name])
      for field in dataclasses.fields(options)
    }
  )


def require_one_of(*names: str) -> None:
  """Raises a `UserError` unless one of these flags is given."""
  if not any(FLAGS[name].value for name in names):
    *first, last = [f'--{name}' for name in names]
    raise UserError(
      f'at least one of {", ".join(first)} and {last} must be given'
    )


def require(*names: str) -> None:
  """Raises a `UserError` that names every one of these flags not given."""
  missing = [
    f'--{name}' for name in names if FLAGS[name].value in (None, '', [])
  ]
  if missing:
    raise UserError(f'{", ".join(missing)} must be given')


def is_given(name: str) -> bool:
  """Returns whether the command gives a flag itself, not by --from_run."""
  return FLAGS[name].present and not run_flags.is_inherited(name)


def refuse_if_given(names: Iterable[str], reason: str) -> None:
  """Raises a `UserError` if one of these flags is given; `reason` says why."""
  given = [f'--{name}' for name in names if is_given(name)]
  if given:
    raise UserError(f'{", ".join(given)} cannot take effect: {reason}')


def refuse_without_effect(*groups: type) -> None:
  """Refuses given flags whose declared needs are not met.

  See `settings.unmet`. If --from_run gives one, it takes its default instead.

  Raises:
    UserError: a flag has no effect; the message names flags and reason.
  """
  values = {name: FLAGS[name].value for name in FLAGS}
  without: dict[str, list[str]] = {}
  for group in groups:
    for each in settings.declared_in(group):
      if reason := settings.unmet(each.setting.needs, values):
        without.setdefault(reason, []).append(each.name)
        if run_flags.is_inherited(each.name):
          FLAGS[each.name].value = FLAGS[each.name].default
  for reason, names in without.items():
    refuse_if_given(names, reason)


def as_flags(text: str) -> str:
  """Replaces each backquoted name of a defined flag by --name."""
  return re.sub(
    r'`(\w+)`', lambda m: f'--{m[1]}' if m[1] in FLAGS else m[0], text
  )
