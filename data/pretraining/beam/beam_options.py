"""The settings of Apache Beam, with the names of tensorflow-datasets' flags."""

import dataclasses
import importlib.util
import logging
from typing import TYPE_CHECKING

from system.errors import UserError
from system.settings import setting

if TYPE_CHECKING:
  from data.pretraining.beam.pipeline import BeamEngine

_RUNNERS = (
  'DirectRunner',
  'FlinkRunner',
  'SparkRunner',
  'DataflowRunner',
  'PortableRunner',
)


@dataclasses.dataclass(frozen=True)
class BeamOptions:
  """Whether a job runs on Apache Beam, and where."""

  beam_runner: str | None = setting(
    None,
    'Added: run on Apache Beam instead of only on this machine; see '
    'docs/beam.md. The records are the same. DirectRunner is for tests.',
    choices=_RUNNERS,
  )
  beam_pipeline_options: str | None = setting(
    None,
    "Added: options of Beam and its runner, separated by commas: 'project=p,"
    "region=us-central1,temp_location=gs://b/tmp'.",
    needs=('beam_runner',),
  )


def load_engine(options: BeamOptions) -> 'BeamEngine | None':
  """Returns the engine that runs a job on Beam; None for this machine.

  Raises:
    UserError: Beam is not installed, or an option of Beam is wrong.
  """
  if options.beam_runner is None:
    return None
  if not importlib.util.find_spec('apache_beam'):
    raise UserError(
      f'`beam_runner`={options.beam_runner}: Apache Beam is not installed: pip '
      "install -c constraints.txt -e '.[beam]', or '.[gcp]' for gs:// and "
      'Dataflow'
    )
  # On import, Beam warns of optional parts that are not installed.
  logging.disable(logging.WARNING)
  try:
    from data.pretraining.beam.pipeline import BeamEngine
  finally:
    logging.disable(logging.NOTSET)
  names = (options.beam_pipeline_options or '').split(',')
  return BeamEngine(options.beam_runner, [name for name in names if name])
