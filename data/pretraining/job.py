"""What pre-training records are to be made of what, and what is there of it."""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from data.pretraining.options import Options
from data.pretraining.plan import Plan
from data.pretraining.statistics import Statistics
from data.text.corpus import Corpus
from data.text.file_survey import FileSurvey
from system import files
from system.errors import UserError

if TYPE_CHECKING:
  from data.text.tokenization import BertTokenizer

# Another number where the same text and flags give other records.
_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Job:
  """What is to be made of what.

  Attributes:
    corpus: the text.
    surveys: what the survey found in it, by file.
    tokenizer: the tokenizer.
    options: what the records are to be.
    plan: how the text is cut into blocks and the records into shards.
    outputs: the shards' paths.
  """

  corpus: Corpus
  surveys: Sequence[FileSurvey]
  tokenizer: 'BertTokenizer'
  options: Options
  plan: Plan
  outputs: Sequence[str]

  @property
  def manifest_name(self) -> str:
    """The name of the manifest beside the shards."""
    from data.records import file_names

    name = os.path.basename(file_names.shard_stem(self.outputs[0]))
    return f'{name}.manifest.json'

  @functools.cached_property
  def fingerprint(self) -> str:
    """Tells the records from those of other text, vocabulary or flags."""
    made_of = {
      'version': _VERSION,
      'text': [(survey.num_bytes, survey.checksum) for survey in self.surveys],
      'corpus': self.corpus.options.document_settings(),
      'vocabulary': self.tokenizer.vocab_checksum,
      'do_lower_case': self.tokenizer.do_lower_case,
      'options': self.options.flags(),
      'plan': dataclasses.asdict(self.plan),
    }
    text = json.dumps(made_of, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()

  def details(self, documents: int, statistics: Statistics) -> dict[str, Any]:
    """Returns what the index of a shard is to say besides."""
    return {
      'documents': documents,
      'fingerprint': self.fingerprint,
      'manifest': self.manifest_name,
      'statistics': statistics.to_json(),
    }

  def finished(self, shard: int) -> dict[str, Any] | None:
    """Returns the index of a shard that is there, whole and of this job; None
    if it must be made."""
    from data.records import file_names

    path = self.outputs[shard]
    if not files.exists(path) or not files.exists(file_names.index_path(path)):
      return None
    try:
      index = files.read_json(file_names.index_path(path))
      is_ours = index['details']['fingerprint'] == self.fingerprint
      return index if is_ours and index['bytes'] == files.size(path) else None
    except (UserError, KeyError, TypeError):
      return None  # It is damaged, or not one of ours.
