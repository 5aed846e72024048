"""All settings of create_pretraining_data.py.

Tested by `tests/scripts/create_pretraining_data_test.py`.
"""

import dataclasses

from data.pretraining.beam.beam_options import BeamOptions
from data.pretraining.options import RecordOptions
from data.text.corpus_options import CorpusOptions
from data.text.vocabulary_options import TokenizerOptions
from system.settings import setting


@dataclasses.dataclass(frozen=True)
class OutputOptions:
  """The files of the records, and the threads that make them."""

  output_file: str | None = setting(
    None,
    'The TFRecord files to write, separated by commas; the records are '
    'distributed over them. A manifest is written to the same folder, last.',
  )
  num_shards: int | None = setting(
    None,
    'Added: writes this many files, <output_file>-00000-of-000NN. Each appears '
    'when it is complete; a stopped command, started again, keeps it.',
    at_least=1,
    at_most=99_999,
  )
  num_workers: int | None = setting(
    None,
    'Added: the number of threads; the default is one per core. With four or '
    'more, additional processes help to read the text. The records do not '
    'depend on this number.',
    at_least=1,
    at_most=1024,
    needs=('!beam_runner',),
  )
  dry_run: bool = setting(
    False,
    'Added: reads a sample, prints ten records and the time and disk space '
    'that the whole job needs; writes nothing.',
  )


@dataclasses.dataclass(frozen=True)
class CreationOptions:
  """All settings of create_pretraining_data.py."""

  corpus: CorpusOptions
  tokenizer: TokenizerOptions
  records: RecordOptions
  output: OutputOptions
  beam: BeamOptions

  def check(self) -> None:
    """Raises a `UserError` that names the first wrong value."""
    self.records.check()
    self.corpus.check()
