"""Makes pre-training records on Apache Beam: on a cluster, or in processes.

It does what is done on one machine (`data/pretraining/creation.py`), and the
bytes are the same. Two pipelines run one after the other, since what the first,
the survey, finds decides what the second has to do: a text that is damaged ends
the job before anything expensive, and shards that are there are not made again.
"""

import contextlib
import logging as standard_logging
import os
import re
import time
import traceback
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import apache_beam as beam
from absl import logging
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from data.pretraining import shards
from data.pretraining.beam import (
  direct_runner,
  pipeline_options,
  record_transforms,
  remote_files,
  survey_transforms,
)
from data.pretraining.job import Job
from data.text import survey
from data.text.corpus import Corpus
from data.text.file_survey import FileSurvey
from system import file_systems, files, temporary_files
from system.errors import UserError
from system.progress import Progress

# Seconds between two looks at what has been made.
_INTERVAL = 5.0
_USER_ERROR = re.compile(
  rf'^{UserError.__module__}\.{UserError.__name__}: (.*)', re.MULTILINE
)
# What Beam appends to the message of an exception.
_STEP = re.compile(r" \[while running '.*")


class BeamEngine:
  """Surveys a corpus and writes shards, each in a pipeline of its own."""

  def __init__(self, runner: str, options: Sequence[str] = ()):
    """Reaches remote files through Beam from now on.

    Args:
      runner: the name of a runner of Beam.
      options: of the pipelines: 'project=p', 'save_main_session'.
    """
    self._runner = runner
    self._is_direct = runner == 'DirectRunner'
    if not logging.level_debug():
      _be_quiet()
    self._flags = pipeline_options.checked(runner, options)
    file_systems.use_for_remote(remote_files)

  def survey(self, corpus: Corpus, outputs: Sequence[str]) -> list[FileSurvey]:
    """Reads a corpus, as `data.text.survey.survey`.

    Args:
      corpus: to be read.
      outputs: the shards; beside them workers write what they find.
    """
    inputs = [] if corpus.options.input_format == 'tfds' else corpus.paths
    pipeline_options.check_paths(self._runner, [*inputs, *outputs])
    folder, name = os.path.split(_stem(outputs))
    name = f'{name}.survey'
    temporary_files.remove_abandoned(folder, rf'\.?{re.escape(name)}.*')
    path = temporary_files.name_for(os.path.join(folder, name))
    try:
      self._run(
        lambda pipeline: survey_transforms.build(pipeline, corpus, path)
      )
      surveys = survey_transforms.read(path)
    finally:
      if files.exists(path):
        files.remove(path)
    survey.require_documents(corpus, surveys)
    return surveys

  def write(self, job: Job, missing: Collection[int]) -> None:
    """Writes shards, as `data.pretraining.shards.write`.

    Parts that a killed run of the same job left beside them are used.
    """
    folder, name = os.path.split(_stem(job.outputs))
    folder = os.path.join(folder, f'.{name}.parts')
    task = _task(job, frozenset(missing), folder)
    with _Report(task) as report:
      self._run(
        lambda pipeline: record_transforms.build(pipeline, task), report.look
      )
    for shard in missing:
      if not job.finished(shard):
        raise shards.no_record(job, shard)
    files.remove_folder(folder)

  def _run(
    self,
    build: Callable[[beam.Pipeline], None],
    look: Callable[[], None] = lambda: None,
  ) -> None:
    """Runs a pipeline.

    Args:
      build: adds its transforms.
      look: is called now and then while it runs.

    Raises:
      UserError: it failed.
    """
    interval = _INTERVAL
    with ThreadPoolExecutor(1) as thread:
      future = thread.submit(self._wait_for, build)
      while wait([future], interval).not_done:
        start = time.monotonic()
        look()
        # A folder with 100,000 parts takes its time.
        interval = max(_INTERVAL, 10 * (time.monotonic() - start))
    self._check(future)

  def _wait_for(self, build: Callable[[beam.Pipeline], None]) -> str:
    """Runs a pipeline; returns the state in which it ended."""
    options = PipelineOptions(self._flags)
    runner = direct_runner.runner(options) if self._is_direct else self._runner
    pipeline = beam.Pipeline(runner, options)
    build(pipeline)
    return pipeline.run().wait_until_finish()

  def _check(self, future: Future) -> None:
    """Raises a `UserError` if a pipeline failed."""
    error = future.exception()
    if error is None and future.result() == PipelineState.DONE:
      return
    if isinstance(error, UserError):
      raise UserError(_STEP.sub('', str(error))) from error
    text = ''.join(traceback.format_exception(error)) if error else ''
    logging.debug('%s', text)
    if found := _USER_ERROR.search(text):
      raise UserError(_STEP.sub('', found[1])) from error
    reason = text.strip().rpartition('\n')[2] or future.result()
    raise UserError(
      f'--beam_runner={self._runner}: the pipeline failed: {reason}; what '
      'is whole stays, the same command goes on (--verbosity=1 shows more)'
    ) from error


def _be_quiet() -> None:
  """Leaves of what Beam logs what Dataflow says of its job."""
  standard_logging.getLogger('apache_beam').setLevel('CRITICAL')
  standard_logging.getLogger('apache_beam.runners.dataflow').setLevel('INFO')
  # What a job server said last is in the exception.
  logging.get_absl_handler().addFilter(
    lambda record: record.module != 'portable_runner'
  )


def _stem(outputs: Sequence[str]) -> str:
  from data.records import file_names

  return file_names.shard_stem(outputs[0])


def _task(
  job: Job, missing: frozenset[int], folder: str
) -> record_transforms.Task:
  """Looks for parts that are there already."""
  folder = os.path.join(folder, job.fingerprint[:16])
  files.make_folder(folder)
  parts = record_transforms.find_parts(folder)
  ready = {key: part for key, part in parts.items() if key[0] in missing}
  return record_transforms.Task(job, missing, folder, ready)


class _Report:
  """Shows how far the records have come; use as a context manager."""

  def __init__(self, task: record_transforms.Task):
    self._task = task
    self._parts = dict(task.ready)
    blocks = range(task.job.plan.num_blocks)
    self._total = len(self._parts) + sum(len(task.missing(b)) for b in blocks)
    share = len(task.shards) / len(task.job.outputs)
    self._bytes = round(share * task.job.plan.num_bytes)
    self._progress = Progress(self._bytes, 'B', initial=self._done)

  def __enter__(self) -> '_Report':
    self._progress.__enter__()
    return self

  def __exit__(self, *error) -> None:
    self._progress.__exit__(*error)

  @property
  def _done(self) -> int:
    """About how many bytes of the text are records."""
    return self._bytes * len(self._parts) // max(self._total, 1)

  def look(self) -> None:
    """Looks at the parts. When all are made they vanish one by one."""
    with contextlib.suppress(UserError):
      now = record_transforms.find_parts(self._task.folder)
      self._parts.update(now)
      num_records = sum(part.num_records for part in self._parts.values())
      note = f'{num_records:,} records'
      if len(self._parts) == self._total:
        shards_left = len({shard for shard, _ in now})
        note += f', {shards_left} files to be put together'
      self._progress.update(self._done, note)
