"""A job: its inputs and options, and which of its shards are complete.

Tested by `tests/data/pretraining/creation_test.py`.
"""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from data.pretraining.options import RecordOptions
from data.pretraining.partitioning import Partitioning
from data.pretraining.record_statistics import RecordStatistics
from data.records import file_names, record_index
from data.text.corpus import Corpus
from data.text.file_survey import FileSurvey
from system import files
from system.errors import UserError

if TYPE_CHECKING:
  from data.text.tokenization import BertTokenizer

# Increase a version when the same text and flags give other records than
# before: the first one for all text, the second for text that is split here.
_VERSION = 1
_SPLIT_VERSION = 2


@dataclasses.dataclass(frozen=True)
class RecordsJob:
  """A corpus, and the options and files of its records.

  Attributes:
    corpus: the text.
    surveys: the survey of each input.
    tokenizer: the tokenizer.
    options: the settings of the records.
    partitioning: the blocks of the text and the shards of the records.
    outputs: the shards' paths.
  """

  corpus: Corpus
  surveys: Sequence[FileSurvey]
  tokenizer: 'BertTokenizer'
  options: RecordOptions
  partitioning: Partitioning
  outputs: Sequence[str]

  @property
  def manifest_name(self) -> str:
    """The name of the manifest in the shards' folder."""
    return os.path.basename(file_names.manifest_path(self.outputs[0]))

  @property
  def parts_folder(self) -> str:
    """The folder of the parts that a Beam job makes before the shards."""
    folder, name = os.path.split(file_names.shard_stem(self.outputs[0]))
    return os.path.join(folder, f'.{name}.parts')

  @functools.cached_property
  def fingerprint(self) -> str:
    """The SHA-256 of everything that decides the records, in hexadecimal."""
    sources = {
      'version': (
        _SPLIT_VERSION if self.corpus.options.splits_sentences else _VERSION
      ),
      'text': [(survey.num_bytes, survey.checksum) for survey in self.surveys],
      'corpus': self.corpus.options.document_settings(),
      'vocabulary': self.tokenizer.vocab_checksum,
      'do_lower_case': self.tokenizer.do_lower_case,
      'options': self.options.flags(),
      'plan': dataclasses.asdict(self.partitioning),
    }
    text = json.dumps(sources, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()

  def index_details(
    self, num_documents: int, statistics: RecordStatistics
  ) -> dict[str, Any]:
    """Returns the details that this job stores in a shard's index, as JSON."""
    return {
      'documents': num_documents,
      'fingerprint': self.fingerprint,
      'manifest': self.manifest_name,
      'statistics': statistics.to_json(),
    }

  def read_finished_index(self, shard: int) -> dict[str, Any] | None:
    """Returns a shard's index if this job, or an equal one, completed it.

    Returns:
      The index; None if the shard must be made.
    """
    path = self.outputs[shard]
    index_path = file_names.index_path(path)
    if not files.exists(path) or not files.exists(index_path):
      return None
    try:
      index = files.read_json(index_path)
      record_index.check_content(index)
      details = index['details']
      is_complete = (
        details['fingerprint'] == self.fingerprint
        and details['statistics']['records'] == index['num_records']
        and index['bytes'] == files.size(path)
      )
      return index if is_complete else None
    except (UserError, AttributeError, KeyError, TypeError, ValueError):
      return None  # The index is damaged, or another program's.

  def empty_shard_error(self, shard: int) -> UserError:
    """Returns the error to raise if no record goes to a shard."""
    if len(self.outputs) == 1:
      return UserError(
        'the text gives no records: none of its sentences has a token'
      )
    return UserError(
      f'the text is too short for {len(self.outputs)} output files: '
      f'{self.outputs[shard]} would have no record; give fewer '
      '(`num_shards`, `output_file`)'
    )
