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

from absl import logging

from data import files
from data.corpus import survey
from data.corpus.corpus import Corpus
from data.errors import UserError
from data.pretraining import manifest
from data.pretraining.job import Job
from data.pretraining.options import Options
from data.pretraining.plan import Plan
from data.pretraining.statistics import Statistics


def create(
  corpus: Corpus,
  output_files: str,
  vocabulary: tuple[str, bool],
  options: Options,
  num_shards: int = 0,
  num_workers: int = 0,
) -> Statistics:
  """Writes the pre-training records of a corpus, and their manifest.

  Shards of the same text, vocabulary and flags that are there already are not
  made again.

  Args:
    corpus: the text.
    output_files: TFRecord files, separated by commas.
    vocabulary: the WordPiece vocabulary's file, and whether to lower-case and
      strip accents.
    options: what the records are to be.
    num_shards: where it is not 0, `output_files` is one name, and the records
      go to `name-00000-of-000NN`.
    num_workers: how many threads to use; 0 for one a core.

  Returns:
    What was written, by this run and earlier ones.

  Raises:
    UserError: a flag, a file or the text is wrong. No output file has changed.
  """
  job = prepare(corpus, output_files, vocabulary, options, num_shards)
  finished = {i: job.finished(i) for i in range(len(job.outputs))}
  missing = [i for i, index in finished.items() if index is None]
  if len(missing) < len(finished):
    logging.info(
      '%d of %d files are there already, made of the same text and flags',
      *(len(finished) - len(missing), len(finished)),
    )
  if missing:
    from data.pretraining import shards

    start = time.monotonic()
    shards.write(job, missing, num_workers or os.cpu_count() or 1)
    finished.update((i, job.finished(i)) for i in missing)
    seconds = time.monotonic() - start
    made = manifest.statistics_of([finished[i] for i in missing]).records
    logging.info(
      'made in %.1f s, %s records/s', seconds, f'{made / seconds:,.0f}'
    )
  manifest.write(job, [*finished.values()])
  statistics = manifest.statistics_of([*finished.values()])
  logging.info('wrote %s: %s', ', '.join(job.outputs), statistics)
  return statistics


def prepare(
  corpus: Corpus,
  output_files: str,
  vocabulary: tuple[str, bool],
  options: Options,
  num_shards: int = 0,
) -> Job:
  """Checks everything and reads the text once; arguments as `create`'s."""
  vocab_file, do_lower_case = vocabulary
  options.check()
  files.require_file(vocab_file, '--vocab_file')
  outputs = output_paths(output_files, num_shards)
  _check_outputs(outputs, [*corpus.paths, vocab_file])
  # Only now: TensorFlow takes seconds to import.
  from data.tokenization import BertTokenizer

  tokenizer = BertTokenizer(vocab_file, do_lower_case)
  surveys = survey.survey(corpus)
  logging.info('%s', survey.report(surveys))
  num_bytes = sum(file.num_bytes for file in surveys)
  plan = Plan(num_bytes, len(outputs))
  return Job(corpus, surveys, tokenizer, options, plan, outputs)


def output_paths(output_files: str, num_shards: int) -> list[str]:
  """Returns the files that the records go to."""
  from data import records

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
  return records.shard_names(outputs[0], num_shards)


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
