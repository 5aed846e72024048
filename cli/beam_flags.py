"""Flags of Apache Beam, named as those of tensorflow-datasets."""

import functools
import importlib.util
import logging
from typing import TYPE_CHECKING

from absl import flags

from cli import flag_group
from system.errors import UserError

if TYPE_CHECKING:
  from data.pretraining.beam.pipeline import BeamEngine

FLAGS = flags.FLAGS

RUNNERS = (
  *['DirectRunner', 'FlinkRunner', 'SparkRunner', 'DataflowRunner'],
  'PortableRunner',
)


@functools.cache
def define() -> None:
  """Where a job runs."""
  flags.DEFINE_enum(
    'beam_runner',
    None,
    RUNNERS,
    'Added: run on Apache Beam instead of on this machine alone; see '
    'docs/beam.md. The records are the same. DirectRunner is for tests.',
  )
  flags.DEFINE_string(
    'beam_pipeline_options',
    None,
    "Added: options of Beam and its runner, separated by commas: 'project=p,"
    "region=us-central1,temp_location=gs://b/tmp'.",
  )


def check() -> None:
  """Refuses flags that cannot take effect.

  Raises:
    UserError: the flags are named.
  """
  if FLAGS.beam_runner is None:
    flag_group.refuse_if_given(['beam_pipeline_options'], 'no --beam_runner')
  else:
    kind = f'--beam_runner={FLAGS.beam_runner}'
    flag_group.refuse_if_given(
      ['num_workers'], f'{kind} has workers of its own'
    )


def engine() -> 'BeamEngine | None':
  """Returns what does the work; None for this machine.

  Raises:
    UserError: Beam is not installed, or an option is wrong.
  """
  if FLAGS.beam_runner is None:
    return None
  if not importlib.util.find_spec('apache_beam'):
    raise UserError(
      f'--beam_runner={FLAGS.beam_runner}: Apache Beam is not installed: pip '
      "install -c constraints.txt -e '.[beam]', or '.[gcp]' for gs:// and "
      'Dataflow'
    )
  # It warns of parts of itself that are not installed.
  logging.disable(logging.WARNING)
  try:
    from data.pretraining.beam.pipeline import BeamEngine
  finally:
    logging.disable(logging.NOTSET)
  options = [o for o in (FLAGS.beam_pipeline_options or '').split(',') if o]
  return BeamEngine(FLAGS.beam_runner, options)
