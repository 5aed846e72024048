"""The options of Apache Beam's pipelines, and what can be wrong with them.

Beam itself leaves out options that it does not know, ends the process where a
value is wrong, and waits five minutes for a server that is not there.
"""

import contextlib
import io
import socket
from collections.abc import Sequence

from apache_beam.options.pipeline_options import (
  PipelineOptions,
  PortableOptions,
)

from system.errors import UserError

_FLAG = '--beam_pipeline_options'
# Those of other runners are known to their servers.
_KNOWS_ITS_OPTIONS = ('DirectRunner', 'DataflowRunner')
_PATIENCE = 10.0


def checked(runner: str, options: Sequence[str]) -> list[str]:
  """Checks options and returns them as Beam's flags.

  Args:
    runner: the name of the runner.
    options: 'name=value', or 'name' for what is true.

  Raises:
    UserError: an option is unknown or its value is wrong, or the server that
      one names does not answer.
  """
  flags = [f'--{option}' for option in options]
  parsed, unknown = _parsed(flags)
  if unknown and runner in _KNOWS_ITS_OPTIONS:
    raise UserError(f'{_FLAG}: {runner} has no option {", ".join(unknown)}')
  if any(option.split('=')[0] == 'runner' for option in options):
    raise UserError(f'{_FLAG}: the runner is told by --beam_runner')
  if endpoint := parsed.view_as(PortableOptions).job_endpoint:
    _require_server(endpoint)
  return flags


def _parsed(flags: list[str]) -> tuple[PipelineOptions, list[str]]:
  """Returns the options, and the names of those that Beam does not know."""
  messages = io.StringIO()
  try:
    with contextlib.redirect_stderr(messages):
      parsed = PipelineOptions(flags)
      found = parsed.get_all_options(retain_unknown_options=True)
      known = parsed.get_all_options()
      return parsed, sorted(found.keys() - known.keys())
  except SystemExit as error:
    reason = messages.getvalue().strip().rpartition('error: ')[2]
    raise UserError(f'{_FLAG}: {reason}') from error


def _require_server(endpoint: str) -> None:
  """Raises a `UserError` if nobody listens at 'host:port'."""
  host, _, port = endpoint.rpartition(':')
  if not port.isdigit():
    return  # 'embed', or an address of another form.
  try:
    socket.create_connection((host.strip('[]'), int(port)), _PATIENCE).close()
  except OSError as error:
    raise UserError(
      f'{_FLAG}: no job server answers at job_endpoint={endpoint}: {error}'
    ) from error


def check_paths(runner: str, paths: Sequence[str]) -> None:
  """Raises a `UserError` if a path is not there where workers are.

  Whether machines of a cluster share a folder is their owner's to know; with
  those of Google's they share none.
  """
  local = [path for path in paths if '://' not in path]
  if runner == 'DataflowRunner' and local:
    raise UserError(
      f'--beam_runner={runner}: its workers cannot reach {local[0]}; expected '
      'gs://...'
    )
