"""Chooses a job's model and checks it against vocabulary, length and task.

Everything here happens before a model is built, and does not import TensorFlow.

Tested by `tests/scripts/run_classifier_test.py` and
`tests/cli/run_flags_test.py`.
"""

import dataclasses
import os
from typing import TYPE_CHECKING

from absl import logging

from modeling import configs
from modeling.checkpoints import hugging_face_reader
from modeling.checkpoints.location import Checkpoint, locate
from modeling.configs import BertConfig
from modeling.options import ModelOptions
from system.errors import UserError

if TYPE_CHECKING:
  from data.tasks.task import Task
  from data.text.vocabulary import Vocabulary
  from training.options import TeacherOptions


@dataclasses.dataclass(frozen=True)
class TokenizerRecord:
  """How a job turns text into ids, as far as checkpoints record it.

  Attributes:
    vocab_file: the path of the vocabulary; None if the job's records were made
      with a vocabulary that is not given.
    vocab_size: its number of tokens; None if unknown.
    vocab_checksum: its checksum; None if unknown.
    do_lower_case: whether text is lower-cased; None if the job reads no text.
  """

  vocab_file: str | None
  vocab_size: int | None
  vocab_checksum: str | None
  do_lower_case: bool | None = None

  @classmethod
  def of(
    cls, vocab_file: str | None, vocabulary: 'Vocabulary | None'
  ) -> 'TokenizerRecord':
    """Returns the record of a vocabulary and its path.

    Args:
      vocab_file: the path; None if the job's records were made with a
        vocabulary that is not given.
      vocabulary: what the file contains; None without a file.
    """
    if vocabulary is None:
      return cls(vocab_file, None, None)
    return cls(vocab_file, len(vocabulary.tokens), vocabulary.checksum)


def choose_config(
  options: ModelOptions, text: TokenizerRecord, task: 'Task | None' = None
) -> BertConfig:
  """Returns the model's configuration.

  `bert_size` or `bert_config_file` gives it, else the file next to
  `init_checkpoint`. With `extend_positions` it has at least `max_seq_length`
  positions.

  Args:
    options: which model.
    text: `bert_size` needs the vocabulary's size; a `bert_config_file` must
      agree with it.
    task: the task, if there is one.

  Raises:
    UserError: both settings are given, or there is no configuration, or as for
      `check_fit`.
  """
  source, named, config = checked_config(options, text, task)
  if not (options.bert_size or options.bert_config_file):
    logging.info('The configuration is that of %s.', source)
  if config != named:
    logging.info(
      'max_position_embeddings is raised from %d to %d (`extend_positions`).',
      named.max_position_embeddings,
      config.max_position_embeddings,
    )
  return config


def checked_config(
  options: ModelOptions, text: TokenizerRecord, task: 'Task | None' = None
) -> tuple[str, BertConfig, BertConfig]:
  """Returns what gives the configuration, that one, and the model's own."""
  options.check()
  source, named = _named_config(options, text)
  config = _with_positions(named, options)
  check_fit(source, config, text, options.max_seq_length, task)
  return source, named, config


def read_teacher_config(
  teacher: 'TeacherOptions', checkpoint: Checkpoint | None = None
) -> tuple[str, BertConfig]:
  """Reads a teacher's configuration.

  Args:
    teacher: names its configuration, or the checkpoint that it is next to.
    checkpoint: that one, if it has been located.

  Returns:
    The file's path and the configuration.

  Raises:
    UserError: there is none, or as for `locate`.
  """
  if path := teacher.teacher_config_file:
    return path, BertConfig.from_json_file(path)
  if checkpoint is None:
    checkpoint = locate(teacher.teacher_checkpoint)
  if (beside := checkpoint.config()) is None:
    raise UserError(
      f'there is no bert_config.json next to {checkpoint.prefix}: give '
      '`teacher_config_file`'
    )
  return beside


def _named_config(
  options: ModelOptions, text: TokenizerRecord
) -> tuple[str, BertConfig]:
  """Returns the configuration, and the file or setting that gives it."""
  if options.bert_size:
    if text.vocab_size is None:
      raise UserError('`bert_size` needs `vocab_file`, for its size')
    config = configs.compact_config(options.bert_size, text.vocab_size)
    if options.initializer_range is not None:
      config = dataclasses.replace(
        config, initializer_range=options.initializer_range
      )
    return '`bert_size`', config
  if path := options.bert_config_file:
    return path, BertConfig.from_json_file(path)
  beside = options.checkpoint and options.checkpoint.config()
  if not beside:
    raise UserError(
      'give `bert_size` or `bert_config_file`, or an `init_checkpoint` whose '
      'folder has its configuration'
    )
  return beside


def _with_positions(config: BertConfig, options: ModelOptions) -> BertConfig:
  """Raises the number of positions if `extend_positions` says so."""
  number, length = config.max_position_embeddings, options.max_seq_length
  if length <= number:
    is_own = 'extend_positions' not in options.inherited
    if options.extend_positions and is_own and not options.init_checkpoint:
      raise UserError(
        f'`extend_positions` cannot take effect: the model has {number} '
        f'positions, and `max_seq_length`={length} needs no more'
      )
    return config
  if not options.extend_positions:
    raise UserError(
      f"`max_seq_length`={length} is more than the model's {number} positions "
      '(max_position_embeddings). `extend_positions` adds positions to it.'
    )
  return dataclasses.replace(config, max_position_embeddings=length)


def check_fit(
  source: str,
  config: BertConfig,
  text: TokenizerRecord,
  max_seq_length: int,
  task: 'Task | None' = None,
) -> None:
  """Checks that a model fits the vocabulary, the input length and the task.

  Args:
    source: the file or setting that gives the configuration, for messages.
    config: the model's.
    text: the vocabulary.
    max_seq_length: S.
    task: the task, if there is one.

  Raises:
    UserError: it does not fit; both numbers are shown.
  """
  if text.vocab_size not in (None, config.vocab_size):
    advice = ''
    if os.path.basename(source) == hugging_face_reader.CONFIG_FILE:
      advice = (
        '. If it has padding ids or added tokens, import it first, with python '
        f'-m tools.import_hugging_face --input_dir={os.path.dirname(source)}'
      )
    raise UserError(
      f'{text.vocab_file} has {text.vocab_size} entries, {source} says '
      f'vocab_size {config.vocab_size}: they do not belong together{advice}'
    )
  if max_seq_length > config.max_position_embeddings:
    raise UserError(
      f"`max_seq_length`={max_seq_length} is more than the model's "
      f'{config.max_position_embeddings} positions (max_position_embeddings)'
    )
  if task and task.is_pair and config.type_vocab_size < 2:
    raise UserError(
      f'{task.name} has pairs, whose second texts are segment 1: the model has '
      f'type_vocab_size {config.type_vocab_size}, expected 2 or more'
    )
