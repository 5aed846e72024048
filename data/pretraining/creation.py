"""Corpus → pre-training records: the work of `create_pretraining_data.py`.

The text is read twice. The first pass, the survey, finds mistakes before the
expensive work begins, and measures the text. The second pass makes the records
block by block (`data/pretraining/partitioning.py`). google-research/bert draws
random next sentences and shuffles over the whole input; here both happen within
a block. The records of all `dupe_factor` rounds are shuffled together.

The same text, vocabulary and flags give the same bytes, for any number of
threads, and whether or not a run was killed in between.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import logging

from data.pretraining import (
  manifest,
  output_files,
  output_lock,
  shard_writer,
)
from data.pretraining.options import RecordOptions
from data.pretraining.partitioning import Partitioning
from data.pretraining.record_statistics import RecordStatistics
from data.pretraining.records_job import RecordsJob
from data.text import survey, survey_report
from data.text.corpus import Corpus
from data.text.tokenization import BertTokenizer
from data.text.vocabulary_options import TokenizerOptions
from system import files
from system.errors import UserError

if TYPE_CHECKING:
  from data.pretraining.beam.pipeline import BeamEngine


def create_records(
  corpus: Corpus,
  outputs: Sequence[str],
  vocabulary: TokenizerOptions,
  options: RecordOptions,
  num_workers: int = 1,
  engine: 'BeamEngine | None' = None,
) -> RecordStatistics:
  """Writes the pre-training records of a corpus, and their manifest.

  Keeps complete shards of the same text, vocabulary and options.

  Args:
    corpus: the text.
    outputs: the TFRecord files to write, see `output_files.paths_of`.
    vocabulary: the vocabulary, and how text is normalised.
    options: the settings of the records.
    num_workers: how many cores of this machine to use.
    engine: runs the job on Apache Beam; None runs it on this machine.

  Returns:
    The statistics of all shards, including those that earlier runs wrote.

  Raises:
    UserError: an option, a file or the text is wrong. Shards that are complete
      by then are kept.
  """
  options.check()
  options.warn_of_few_predictions()
  corpus.options.log_missing_rules()
  output_files.check(outputs, [*corpus.paths, vocabulary.vocab_file])
  with output_lock.held(outputs):
    job = _prepare_job(
      corpus, outputs, vocabulary, options, num_workers, engine
    )
    return _complete_job(job, num_workers, engine)


def _prepare_job(
  corpus: Corpus,
  outputs: Sequence[str],
  vocabulary: TokenizerOptions,
  options: RecordOptions,
  num_workers: int,
  engine: 'BeamEngine | None',
) -> RecordsJob:
  """Reads the vocabulary and surveys the text; see `create_records`."""
  tokenizer = BertTokenizer(vocabulary.vocab_file, vocabulary.do_lower_case)
  logging.info('reading %s', _summary(corpus.paths))
  if engine:
    surveys = engine.survey(corpus, outputs)
  else:
    surveys = survey.survey_with_progress(corpus, num_workers)
  logging.info('found %s', survey_report.render(surveys))
  if sum(found.num_documents for found in surveys) == 1:
    logging.warning(
      'the text is a single document: its random next sentences come from the '
      'document itself'
    )
  num_bytes = sum(found.num_bytes for found in surveys)
  partitioning = Partitioning(num_bytes, len(outputs))
  return RecordsJob(corpus, surveys, tokenizer, options, partitioning, outputs)


def _complete_job(
  job: RecordsJob, num_workers: int, engine: 'BeamEngine | None'
) -> RecordStatistics:
  """Writes a job's missing shards, and the manifest; see `create_records`."""
  outputs = job.outputs
  indexes = [job.read_finished_index(shard) for shard in range(len(outputs))]
  missing = [shard for shard, index in enumerate(indexes) if index is None]
  if len(missing) < len(outputs):
    logging.info(
      '%d of %d files exist already, made from the same text and flags',
      *(len(outputs) - len(missing), len(outputs)),
    )
  if old := [path for shard in missing if files.exists(path := outputs[shard])]:
    logging.warning(
      'replacing files made from other text or flags, or damaged: %s',
      _summary(old),
    )
  if missing:
    start = time.monotonic()
    if engine:
      engine.write(job, missing)
    else:
      shard_writer.write_shards(job, missing, num_workers)
    for shard in missing:
      indexes[shard] = _require_finished_index(job, shard)
    written = manifest.total_statistics([indexes[shard] for shard in missing])
    seconds = time.monotonic() - start
    rate = f'{written.records / seconds:,.0f}'
    logging.info('made in %.1f s, %s records/s', seconds, rate)
  manifest.write(job, indexes)
  # Beam made it, perhaps in a killed run.
  if files.is_folder(job.parts_folder):
    files.remove_folder(job.parts_folder)
  statistics = manifest.total_statistics(indexes)
  logging.info('wrote %s: %s', _summary(outputs), statistics)
  statistics.warn()
  return statistics


def _require_finished_index(job: RecordsJob, shard: int) -> dict[str, Any]:
  """Returns the index of a shard that this job has just written."""
  if index := job.read_finished_index(shard):
    return index
  raise UserError(
    f'{job.outputs[shard]} has changed since this job wrote it: is another '
    'job writing it, too?'
  )


def _summary(paths: Sequence[str]) -> str:
  """Names the files; only the first and the last if there are many."""
  if len(paths) <= 5:
    return ', '.join(paths)
  return f'{paths[0]} to {paths[-1]} ({len(paths)} files)'
