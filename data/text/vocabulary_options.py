"""The settings that name a vocabulary and say how text is normalised.

Tested by `tests/scripts/create_pretraining_data_test.py`.
"""

import dataclasses

from system.settings import setting


@dataclasses.dataclass(frozen=True)
class VocabularyOptions:
  """Which vocabulary a job uses."""

  vocab_file: str | None = setting(
    None,
    'The WordPiece vocabulary. For run_pretraining.py it is an addition: '
    '--bert_size and records without masks need it; it is copied to '
    '--output_dir.',
    reads='file',
  )


@dataclasses.dataclass(frozen=True)
class TokenizerOptions(VocabularyOptions):
  """How text becomes token ids."""

  do_lower_case: bool = setting(
    True,
    'Whether to lower-case text and strip accents: True for uncased models.',
    decides_weights=True,
  )
