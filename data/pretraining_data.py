"""Text files → pre-training TFRecords, as google-research/bert makes them.

Documents are worked through in blocks (`data/documents.py`: 4,096 documents,
fewer where they are long, more at the end), so that memory is bounded however
much text there is. What the original does over the whole input happens within a
block:

- the random next sentences of a document come from the other documents of its
  block. One that is alone in its block gives them itself; they are labelled
  random all the same, as in the original;
- the records of all `dupe_factor` rounds of a block are shuffled together, then
  written to the output files in turn.

The same input and flags give the same bytes.
"""

import contextlib
import dataclasses
import functools
import itertools
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from absl import logging

from data import documents, features, files, serialization
from data.errors import UserError
from data.masking import Special
from data.pretraining_records import BlockRecords, Options
from data.progress import Progress

if TYPE_CHECKING:
  from data.tokenization import BertTokenizer


@dataclasses.dataclass
class Summary:
  """What was written: sums, divided only to be shown."""

  documents: int = 0
  records: int = 0
  tokens: int = 0
  masked: int = 0
  random_next: int = 0
  seconds: float = 0.0

  def add_batch(self, columns: dict[str, np.ndarray]) -> None:
    """Counts a batch of records."""
    self.records += len(columns['input_ids'])
    self.tokens += int(columns['input_mask'].sum())
    self.masked += int(columns['masked_lm_weights'].sum())
    self.random_next += int(columns['next_sentence_labels'].sum())

  def __str__(self) -> str:
    return (
      f'{self.documents:,} documents, {self.records:,} records, '
      f'mean length {self.tokens / self.records:.1f} tokens, '
      f'{self.masked / self.tokens:.2%} masked, '
      f'{self.random_next / self.records:.2%} random next, '
      f'{self.seconds:.1f} s, {self.records / self.seconds:,.0f} records/s'
    )


def create(
  input_files: str,
  output_files: str,
  vocab_file: str,
  do_lower_case: bool,
  options: Options,
) -> Summary:
  """Writes the pre-training records of text files.

  Args:
    input_files: globs, separated by commas; plain or gzip text, a sentence a
      line, blank lines between documents.
    output_files: TFRecord files, separated by commas.
    vocab_file: the WordPiece vocabulary.
    do_lower_case: whether to lower-case and strip accents.
    options: all else.

  Returns:
    What was written.

  Raises:
    UserError: a flag, a file or the text is wrong. No output file has changed.
  """
  options.check()
  inputs = files.expand(input_files)
  for path in inputs:
    files.require_file(path, '--input_file')
  files.require_file(vocab_file, '--vocab_file')
  outputs = _checked_outputs(output_files, [*inputs, vocab_file])
  # Only now: TensorFlow takes seconds to import.
  from data.tokenization import BertTokenizer

  tokenizer = BertTokenizer(vocab_file, do_lower_case)
  logging.info('reading %s', ', '.join(inputs))
  summary = _write(inputs, outputs, tokenizer, options)
  logging.info('wrote %s: %s', ', '.join(outputs), summary)
  return summary


def _checked_outputs(output_files: str, inputs: list[str]) -> list[str]:
  """Splits the list of output files and checks that they can be written."""
  outputs = [path for path in output_files.split(',') if path]
  if not outputs:
    raise UserError(f'--output_file {output_files!r} names no file')
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
  return outputs


def _write(
  inputs: list[str],
  outputs: list[str],
  tokenizer: 'BertTokenizer',
  options: Options,
) -> Summary:
  """Writes the records to the output files in turn, whole or not at all."""
  from data.records import RecordWriter

  summary = Summary()
  start = time.monotonic()
  with contextlib.ExitStack() as stack:
    writers = [stack.enter_context(RecordWriter(path)) for path in outputs]
    progress = stack.enter_context(Progress(documents.text_bytes(inputs), 'B'))
    batches = _batches(inputs, tokenizer, options, summary, progress)
    records = itertools.chain.from_iterable(batches)
    for record, writer in zip(records, itertools.cycle(writers), strict=False):
      writer.write(record)
    _check_counts(summary, inputs, outputs)
    # All are whole before the first appears: a full disk leaves none of them.
    for writer in writers:
      writer.close()
  summary.seconds = time.monotonic() - start
  return summary


def _check_counts(
  summary: Summary, inputs: list[str], outputs: list[str]
) -> None:
  """Refuses to leave a file without records: nothing could read it."""
  if not summary.documents:
    raise UserError(
      f'no document in {", ".join(inputs)}; expected a sentence a line and '
      'blank lines between documents'
    )
  if summary.records < len(outputs):
    raise UserError(
      f'--output_file names {len(outputs)} files, but the text gives only '
      f'{summary.records} records; expected at least one for each file'
    )
  if summary.documents == 1:
    logging.warning(
      'the text is a single document: its random next sentences come from '
      'itself (blank lines separate documents)'
    )


def _batches(
  inputs: list[str],
  tokenizer: 'BertTokenizer',
  options: Options,
  summary: Summary,
  progress: Progress,
) -> Iterator[list[bytes]]:
  """Yields serialized records, counts them and shows the progress."""
  special = Special(
    tokenizer.cls_id,
    tokenizer.sep_id,
    tokenizer.mask_id,
    tokenizer.continuation_mask,
  )
  reader = documents.BlockReader(inputs, functools.partial(_ids, tokenizer))
  tokens_done = 0
  for number, block in enumerate(reader):
    summary.documents += len(block.documents) - 1
    records = BlockRecords(block, number, special, options)
    for columns in records:
      yield serialization.serialize(columns, features.PRETRAINING)
      summary.add_batch(columns)
      share = len(columns['input_ids']) / len(records)
      tokens_done += share * len(block.tokens)
      progress.update(
        reader.bytes_read * tokens_done / reader.tokens_read,
        _note(summary, progress.seconds),
      )


def _ids(
  tokenizer: 'BertTokenizer', lines: list[str]
) -> tuple[np.ndarray, np.ndarray]:
  """Tokenises lines; returns all ids, int32 [T], and each line's number of
  them, int64 [N]."""
  ids = tokenizer.tokenize(lines)
  return ids.values.numpy(), ids.row_lengths().numpy()


def _note(summary: Summary, seconds: float) -> str:
  """Returns what the progress line says."""
  return (
    f'{summary.documents:,} documents, {summary.records:,} records, '
    f'{summary.records / max(seconds, 1e-9):,.0f} records/s'
  )
