"""Checks the options of Apache Beam's pipelines before Beam reads them.

Beam itself ignores unknown options, ends the process if a value is wrong, and
waits five minutes for a job server that does not answer.

Tested by `tests/data/pretraining/beam/pipeline_test.py`.
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

_SETTING = '`beam_pipeline_options`'
# Only the servers of other runners know their options.
_WITH_KNOWN_OPTIONS = ('DirectRunner', 'DataflowRunner')
_TIMEOUT = 10.0  # Seconds.


def check_options(runner: str, options: Sequence[str]) -> list[str]:
  """Checks options and returns them as Beam's flags.

  Args:
    runner: the name of the runner.
    options: 'name=value', or 'name' for an option that is true.

  Raises:
    UserError: an option is unknown, its value is wrong, or the job server that
      it names does not answer.
  """
  flags = [f'--{option}' for option in options]
  parsed, unknown = _parse(flags)
  if unknown and runner in _WITH_KNOWN_OPTIONS:
    raise UserError(f'{_SETTING}: {runner} has no option {", ".join(unknown)}')
  if any(option.split('=')[0] == 'runner' for option in options):
    raise UserError(f'{_SETTING}: `beam_runner` sets the runner')
  if endpoint := parsed.view_as(PortableOptions).job_endpoint:
    _require_server(endpoint)
  return flags


def _parse(flags: list[str]) -> tuple[PipelineOptions, list[str]]:
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
    raise UserError(f'{_SETTING}: {reason}') from error


def _require_server(endpoint: str) -> None:
  """Raises a `UserError` if no server listens at 'host:port'."""
  host, _, port = endpoint.rpartition(':')
  if not port.isdigit():
    return  # 'embed', or an address of another form.
  try:
    socket.create_connection((host.strip('[]'), int(port)), _TIMEOUT).close()
  except OSError as error:
    raise UserError(
      f'{_SETTING}: no job server answers at job_endpoint={endpoint}: {error}'
    ) from error


def check_paths(runner: str, paths: Sequence[str]) -> None:
  """Raises a `UserError` if workers on Dataflow cannot reach a path.

  Other clusters may share a folder, so their local paths are not checked.
  """
  local = [path for path in paths if '://' not in path]
  if runner == 'DataflowRunner' and local:
    raise UserError(
      f'`beam_runner`={runner}: its workers cannot reach {local[0]}; expected '
      'gs://...'
    )
