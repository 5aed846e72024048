"""Corpus → pre-training records: all that `create_pretraining_data.py` does.

The text is read twice. The survey only reads: it finds what is wrong with it
before anything expensive begins, and how much of it there is. Then the records
are made, block by block (`data/pretraining/plan.py`). What google-research/bert
does over the whole input happens within a block: the random next sentences come
from its other documents, and the records of all `dupe_factor` rounds are
shuffled together.

The same text, vocabulary and flags give the same bytes, however many threads
there are, and whether or not a run was killed in between.
"""

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import logging

from data.pretraining import manifest, output_lock
from data.pretraining.job import Job
from data.pretraining.options import Options
from data.pretraining.plan import Plan
from data.pretraining.statistics import Statistics
from data.text import survey, survey_report
from data.text.corpus import Corpus
from system import files
from system.errors import UserError
from system.progress import Progress

if TYPE_CHECKING:
  from data.pretraining.beam.pipeline import BeamEngine


def create(
  corpus: Corpus,
  outputs: Sequence[str],
  vocabulary: tuple[str, bool],
  options: Options,
  num_workers: int = 1,
  engine: 'BeamEngine | None' = None,
) -> Statistics:
  """Writes the pre-training records of a corpus, and their manifest.

  Shards of the same text, vocabulary and flags that are there already are not
  made again.

  Args:
    corpus: the text.
    outputs: the TFRecord files to write, as `output_paths` returns them.
    vocabulary: the WordPiece vocabulary's file, and whether to lower-case and
      strip accents.
    options: what the records are to be.
    num_workers: how many threads to use here.
    engine: does the work; None for here.

  Returns:
    What was written, by this run and earlier ones.

  Raises:
    UserError: a flag, a file or the text is wrong. No output file has changed.
  """
  options.check()
  options.warn_of_few_predictions()
  _check_outputs(outputs, [*corpus.paths, vocabulary[0]])
  with output_lock.held(outputs):
    job = _prepare(corpus, outputs, vocabulary, options, engine)
    return _complete(job, num_workers, engine)


def _complete(
  job: Job, num_workers: int, engine: 'BeamEngine | None'
) -> Statistics:
  """Writes what is not there of a job; arguments as `create`'s."""
  outputs = job.outputs
  indexes = [job.finished(shard) for shard in range(len(outputs))]
  missing = [i for i, index in enumerate(indexes) if index is None]
  if len(missing) < len(outputs):
    logging.info(
      '%d of %d files are there already, made of the same text with the same '
      'flags',
      *(len(outputs) - len(missing), len(outputs)),
    )
  if changed := [outputs[i] for i in missing if files.exists(outputs[i])]:
    logging.warning(
      'made anew, since what is there is of other text or other flags, or '
      'damaged: %s',
      _named(changed),
    )
  if missing:
    from data.pretraining import shards

    start = time.monotonic()
    if engine:
      engine.write(job, missing)
    else:
      shards.write(job, missing, num_workers)
    for i in missing:
      indexes[i] = _written(job, i)
    made = manifest.statistics_of([indexes[i] for i in missing])
    seconds = time.monotonic() - start
    logging.info(
      'made in %.1f s, %s records/s', seconds, f'{made.records / seconds:,.0f}'
    )
  manifest.write(job, indexes)
  statistics = manifest.statistics_of(indexes)
  logging.info('wrote %s: %s', _named(outputs), statistics)
  return statistics


def _written(job: Job, shard: int) -> dict[str, Any]:
  """Returns the index of a shard that was made just now."""
  if index := job.finished(shard):
    return index
  raise UserError(
    f'{job.outputs[shard]} is not what this job has written there: is another '
    'one writing it, too?'
  )


def _prepare(
  corpus: Corpus,
  outputs: Sequence[str],
  vocabulary: tuple[str, bool],
  options: Options,
  engine: 'BeamEngine | None',
) -> Job:
  """Reads the vocabulary, and the text once; arguments as `create`'s."""
  # TensorFlow takes seconds to import.
  from data.text.tokenization import BertTokenizer

  tokenizer = BertTokenizer(*vocabulary)
  logging.info('reading %s', _named(corpus.paths))
  if engine:
    surveys = engine.survey(corpus, outputs)
  else:
    with Progress(sum(corpus.sizes()), 'B') as progress:
      surveys = survey.survey(corpus, progress.update)
  logging.info('found %s', survey_report.render(surveys))
  if sum(found.num_documents for found in surveys) == 1:
    logging.warning(
      'the text is a single document: its random next sentences come from '
      'itself'
    )
  plan = Plan(sum(file.num_bytes for file in surveys), len(outputs))
  return Job(corpus, surveys, tokenizer, options, plan, outputs)


def output_paths(output_files: str, num_shards: int | None) -> list[str]:
  """Returns the files that the records go to.

  Args:
    output_files: names, separated by commas; a single one with `num_shards`.
    num_shards: how many files to make of that name; None for just that one.

  Raises:
    UserError: there is no name, or more than one for the shards.
  """
  from data.records import file_names

  outputs = [path for path in output_files.split(',') if path]
  if not outputs:
    raise UserError(f'--output_file {output_files!r} names no file')
  if not num_shards:
    return outputs
  if len(outputs) > 1:
    raise UserError(
      f'--num_shards={num_shards} takes one name in --output_file, which names '
      f'{len(outputs)}'
    )
  return file_names.shard_names(outputs[0], num_shards)


def _check_outputs(outputs: Sequence[str], inputs: Sequence[str]) -> None:
  """Checks that the output files can be written."""
  taken = set(map(files.real_path, inputs))
  seen: dict[str, str] = {}
  for path in outputs:
    real = files.real_path(path)
    if real in seen:
      raise UserError(
        f'--output_file names the file {real!r} twice: as {seen[real]!r} and '
        f'as {path!r}'
      )
    seen[real] = path
    if real in taken:
      raise UserError(f'--output_file: {path!r} is an input file, too')
    if files.is_folder(path):
      raise UserError(f'--output_file: {path!r} is a folder, not a file')
  for folder in dict.fromkeys(os.path.dirname(path) for path in outputs):
    files.make_folder(folder or '.')


def _named(paths: Sequence[str]) -> str:
  """Names files; of many the first and the last."""
  if len(paths) <= 5:
    return ', '.join(paths)
  return f'{paths[0]} to {paths[-1]} ({len(paths)} files)'
