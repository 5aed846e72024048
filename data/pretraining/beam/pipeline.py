"""Makes pre-training records on Apache Beam: on a cluster, or in processes.

The bytes are the same as on one machine (`data/pretraining/creation.py`). The
survey and the writing are two pipelines, one after the other: a damaged text
ends the job before anything expensive begins, and the survey decides which
shards the second pipeline must make.
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
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from data.pretraining.beam import (
  direct_runner,
  option_checks,
  record_transforms,
  remote_files,
  survey_transforms,
)
from data.pretraining.records_job import RecordsJob
from data.records import file_names
from data.text import survey
from data.text.corpus import Corpus
from data.text.file_survey import FileSurvey
from system import file_systems, files, temporary_files
from system.errors import UserError
from system.progress import Progress

# Seconds between two updates of the progress.
_INTERVAL = 5.0
_USER_ERROR = re.compile(
  rf'^{UserError.__module__}\.{UserError.__name__}: (.*)', re.MULTILINE
)
# The text that Beam appends to the message of an exception.
_STEP = re.compile(r" \[while running '.*")


class BeamEngine:
  """Surveys a corpus and writes shards, each in its own pipeline."""

  def __init__(self, runner: str, options: Sequence[str] = ()):
    """Checks the options, and makes Beam access all remote files from now on.

    Args:
      runner: the name of a runner of Beam.
      options: options of the pipelines, such as 'project=p' and
        'save_main_session'.

    Raises:
      UserError: an option is wrong.
    """
    self._runner = runner
    self._is_direct = runner == 'DirectRunner'
    if not logging.level_debug():
      _silence_beam()
    self._flags = option_checks.check_options(runner, options)
    # Those of s3:// and hdfs:// need them, before there is a pipeline.
    FileSystems.set_options(PipelineOptions(self._flags))
    file_systems.use_for_remote(remote_files)

  def survey(self, corpus: Corpus, outputs: Sequence[str]) -> list[FileSurvey]:
    """Surveys a corpus, like `data.text.survey.survey`.

    Args:
      corpus: the text.
      outputs: the shards; workers write the surveys next to them.
    """
    inputs = [] if corpus.options.input_format == 'tfds' else corpus.paths
    option_checks.check_paths(self._runner, [*inputs, *outputs])
    folder, name = os.path.split(file_names.shard_stem(outputs[0]))
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

  def write(self, job: RecordsJob, missing: Collection[int]) -> None:
    """Writes shards, like `data.pretraining.shard_writer.write_shards`.

    Uses the parts that a killed run of the same job left next to the shards,
    and leaves them in place.
    """
    task = _make_task(job, frozenset(missing), job.parts_folder)
    with _TaskProgress(task) as progress:
      self._run(
        lambda pipeline: record_transforms.build(pipeline, task),
        progress.update,
      )
    for shard in missing:
      if not job.read_finished_index(shard):
        raise job.empty_shard_error(shard)

  def _run(
    self,
    build: Callable[[beam.Pipeline], None],
    update: Callable[[], None] = lambda: None,
  ) -> None:
    """Runs a pipeline.

    Args:
      build: adds its transforms.
      update: called every few seconds while it runs.

    Raises:
      UserError: the pipeline failed.
    """
    interval = _INTERVAL
    with ThreadPoolExecutor(1) as thread:
      future = thread.submit(self._run_to_end, build)
      while wait([future], interval).not_done:
        start = time.monotonic()
        update()
        # Listing a folder with 100,000 parts takes seconds.
        interval = max(_INTERVAL, 10 * (time.monotonic() - start))
    self._require_done(future)

  def _run_to_end(self, build: Callable[[beam.Pipeline], None]) -> str:
    """Runs a pipeline; returns the state in which it ended."""
    options = PipelineOptions(self._flags)
    runner = direct_runner.runner(options) if self._is_direct else self._runner
    pipeline = beam.Pipeline(runner, options)
    build(pipeline)
    return pipeline.run().wait_until_finish()

  def _require_done(self, future: Future) -> None:
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
      f'`beam_runner`={self._runner}: the pipeline failed: {reason}; what is '
      'complete stays, and the same command resumes the job (`verbosity`=1 '
      'shows more)'
    ) from error


def _silence_beam() -> None:
  """Silences Beam's logging, except Dataflow's job status."""
  standard_logging.getLogger('apache_beam').setLevel('CRITICAL')
  standard_logging.getLogger('apache_beam.runners.dataflow').setLevel('INFO')
  # The exception holds the last message of a job server.
  logging.get_absl_handler().addFilter(
    lambda record: record.module != 'portable_runner'
  )


def _make_task(
  job: RecordsJob, shards: frozenset[int], folder: str
) -> record_transforms.Task:
  """Makes the task of writing shards; finds the parts that exist already."""
  folder = os.path.join(folder, job.fingerprint[:16])
  files.make_folder(folder)
  parts = record_transforms.find_parts(folder)
  ready = {key: part for key, part in parts.items() if key[0] in shards}
  return record_transforms.Task(job, shards, folder, ready)


class _TaskProgress:
  """Shows the progress of a task; use as a context manager."""

  def __init__(self, task: record_transforms.Task):
    self._task = task
    self._parts = dict(task.ready)
    partitioning = task.job.partitioning
    self._total = len(self._parts) + sum(
      len(task.missing_shards(block))
      for block in range(partitioning.num_blocks)
    )
    share = len(task.shards) / len(task.job.outputs)
    self._bytes = round(share * partitioning.num_bytes)
    self._progress = Progress(self._bytes, 'B', initial=self._done)

  def __enter__(self) -> '_TaskProgress':
    self._progress.__enter__()
    return self

  def __exit__(self, *error) -> None:
    self._progress.__exit__(*error)

  @property
  def _done(self) -> int:
    """Estimates how many bytes of the text have become records."""
    return self._bytes * len(self._parts) // max(self._total, 1)

  def update(self) -> None:
    """Counts the parts made so far.

    Parts that were joined into a shard, and removed, still count.
    """
    with contextlib.suppress(UserError):
      now = record_transforms.find_parts(self._task.folder)
      self._parts.update(now)
      num_records = sum(part.num_records for part in self._parts.values())
      note = f'{num_records:,} records'
      if len(self._parts) == self._total:
        shards_left = len({shard for shard, _ in now})
        note += f', {shards_left} files to join'
      self._progress.update(self._done, note)
