"""Chooses a job's model and checks it against vocabulary, task and checkpoint.

Everything here happens before a model is built. `check_files` does not import
TensorFlow, and neither does this module. `label` parameters name the setting
that gave a checkpoint's path, for messages.

Tested by `tests/scripts/run_classifier_test.py` and
`tests/cli/run_flags_test.py`.
"""

import dataclasses
import os
from typing import TYPE_CHECKING

from absl import logging

from data.text.vocabulary import load_vocabulary
from modeling import configs
from modeling.checkpoints import (
  hugging_face,
  initialisation,
  tokenizer_files,
)
from modeling.checkpoints.location import (
  STATE_FILE,
  Checkpoint,
  best_folder,
  has_best,
  locate,
)
from modeling.configs import BertConfig
from modeling.options import ModelOptions
from system import files, text_files
from system.errors import UserError
from system.file_systems import local_path
from training.options import TrainingOptions

if TYPE_CHECKING:
  from data.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class TextEncoding:
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


def choose_config(
  options: ModelOptions, text: TextEncoding, task: 'Task | None' = None
) -> BertConfig:
  """Returns the model's configuration.

  `bert_size` or `bert_config_file` gives it, else the file beside
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
  source, named, config = _checked_config(options, text, task)
  if not (options.bert_size or options.bert_config_file):
    logging.info('The configuration is that of %s.', source)
  if config != named:
    logging.info(
      'max_position_embeddings is raised from %d to %d (`extend_positions`).',
      named.max_position_embeddings,
      config.max_position_embeddings,
    )
  return config


def _checked_config(
  options: ModelOptions, text: TextEncoding, task: 'Task | None' = None
) -> tuple[str, BertConfig, BertConfig]:
  """Returns what gives the configuration, that one, and the model's own."""
  options.check()
  source, named = _named_config(options, text)
  config = _with_positions(named, options)
  check_fit(config, text, options.max_seq_length, task, source)
  return source, named, config


def check_files(model: ModelOptions, vocab_file: str | None) -> None:
  """Checks a model's configuration, checkpoint and vocabulary if all are local.

  It neither imports TensorFlow, which takes seconds, nor reads weights. What it
  does not check is checked later, before anything is written.

  Args:
    model: which model.
    vocab_file: None if the job's records were made with a vocabulary that is
      not given.

  Raises:
    UserError: as for `choose_config` and `locate`.
  """
  text = _local_text(vocab_file, model.bert_config_file, model.init_checkpoint)
  if text:
    _checked_config(model, text)


def read_teacher_config(
  checkpoint: Checkpoint | None, config_file: str | None
) -> BertConfig:
  """Reads a teacher's configuration.

  Args:
    checkpoint: the teacher's; needed if there is no `config_file`.
    config_file: the configuration, if it does not lie beside the checkpoint.

  Raises:
    UserError: there is none.
  """
  if config_file:
    return BertConfig.from_json_file(config_file)
  if (beside := checkpoint.config()) is None:
    raise UserError(
      f'there is no bert_config.json beside {checkpoint.prefix}: give '
      '`teacher_config_file`'
    )
  return beside[1]


def check_teacher_files(
  checkpoint: str,
  config_file: str | None,
  max_seq_length: int,
  vocab_file: str | None,
) -> None:
  """Checks a teacher's files, as `check_files`.

  Args:
    checkpoint: the path of the teacher's checkpoint.
    config_file: its configuration, if it does not lie beside the checkpoint.
    max_seq_length: S. A teacher gets no further positions.
    vocab_file: as for `check_files`.

  Raises:
    UserError: as for `check_fit` and `locate`.
  """
  if not (text := _local_text(vocab_file, config_file, checkpoint)):
    return
  if config_file:
    source, config = config_file, BertConfig.from_json_file(config_file)
  elif beside := locate(checkpoint).config():
    source, config = beside
  else:
    return  # It is refused later.
  check_fit(config, text, max_seq_length, source=source)


def _local_text(
  vocab_file: str | None, *paths: str | None
) -> TextEncoding | None:
  """Returns the vocabulary's size; None if it or another path is remote.

  None, too, for an empty vocabulary, which is refused later, as one that lacks
  special tokens.
  """
  if not all(map(_is_local, filter(None, (vocab_file, *paths)))):
    return None
  size = len(text_files.read_list(vocab_file)) if vocab_file else None
  return None if size == 0 else TextEncoding(vocab_file, size, None)


def check_run(training: TrainingOptions) -> None:
  """Checks the checkpoint of the run that a job evaluates, if it is local.

  Args:
    training: whether the job trains, and the folder.

  Raises:
    UserError: as for `locate`.
  """
  output_dir = training.output_dir
  if training.do_train or not output_dir:
    return
  if _is_local(output_dir) and _has_run(output_dir):
    locate(output_dir)


def check_start_folder(training: TrainingOptions, model: ModelOptions) -> None:
  """Refuses a start from a checkpoint that the run itself would remove.

  Args:
    training: whether the job trains, and the folder.
    model: names a checkpoint, or none.

  Raises:
    UserError: `init_checkpoint` is an export in the run's folder or its best/.
  """
  output_dir, start = training.output_dir, model.init_checkpoint
  if not (training.do_train and output_dir and start):
    return
  if not (_is_local(output_dir) and _is_local(start)):
    return
  try:
    prefix = locate(start).prefix
  except UserError:
    return  # It is refused later, by its name.
  folder, name = os.path.split(prefix)
  own = map(files.real_path, (output_dir, best_folder(output_dir)))
  if name.startswith('model.ckpt-') and files.real_path(folder) in own:
    raise UserError(
      f'`init_checkpoint` is {prefix}, which a run in '
      f'`output_dir`={output_dir} would remove: give another `output_dir`'
    )


def _is_local(path: str) -> bool:
  return local_path(path) is not None


def _named_config(
  options: ModelOptions, text: TextEncoding
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
  config: BertConfig,
  text: TextEncoding,
  max_seq_length: int,
  task: 'Task | None' = None,
  source: str = "the model's bert_config.json",
) -> None:
  """Checks that a model fits the vocabulary, the input length and the task.

  Args:
    config: the model's.
    text: the vocabulary.
    max_seq_length: S.
    task: the task, if there is one.
    source: the file that gives `config`, for messages.

  Raises:
    UserError: it does not fit; both numbers are shown.
  """
  if text.vocab_size not in (None, config.vocab_size):
    advice = ''
    if os.path.basename(source) == hugging_face.CONFIG_FILE:
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


def check_start(
  options: ModelOptions, config: BertConfig, text: TextEncoding
) -> None:
  """Checks `init_checkpoint` before a model is built.

  Args:
    options: which checkpoint, and which of its weights.
    config: the model's configuration.
    text: how the job turns text into ids.

  Raises:
    UserError: there is no such checkpoint, `init` cannot take from it what the
      model needs, or the files beside it record another activation, number of
      heads, vocabulary or casing.
  """
  if not (checkpoint := options.checkpoint):
    return
  from modeling.checkpoints import start_check

  start_check.check(checkpoint, config, options.init, options.extend_positions)
  check_text(checkpoint, text, 'init_checkpoint')
  beside = checkpoint.config()
  if beside and options.init != initialisation.WORD_EMBEDDINGS:
    config_file, theirs = beside
    for key in ('hidden_act', 'num_attention_heads', 'intermediate_size'):
      if getattr(theirs, key) != getattr(config, key):
        raise UserError(
          f'{config_file} says {key} {getattr(theirs, key)}, the model has '
          f'{getattr(config, key)}'
        )


def check_text(checkpoint: Checkpoint, text: TextEncoding, label: str) -> None:
  """Checks vocabulary and casing against the files beside a checkpoint.

  Raises:
    UserError: the files record another vocabulary, casing or tokenizer; the
      file is named.
  """
  if text.do_lower_case is not None:
    _check_lower_case(checkpoint.casing(), text.do_lower_case, label)
    tokenizer_files.check(checkpoint.folder, text.do_lower_case)
  if text.vocab_checksum and checkpoint.vocab_file:
    theirs = load_vocabulary(checkpoint.vocab_file).checksum
    if theirs != text.vocab_checksum:
      ours = text.vocab_file or 'the vocabulary of the records of `input_file`'
      raise UserError(
        f'{ours} is not the vocabulary of `{label}`: '
        f'{checkpoint.vocab_file} differs'
      )


def _check_lower_case(
  recorded: tuple[str, bool] | None, do_lower_case: bool, label: str
) -> None:
  """Raises a `UserError` if a file or name records the other casing."""
  if recorded and recorded[1] != do_lower_case:
    kind = 'an uncased' if recorded[1] else 'a cased'
    raise UserError(
      f'`do_lower_case`={do_lower_case} does not fit `{label}`: {recorded[0]} '
      f'says that it is {kind} model'
    )


def check_named_checkpoint(
  training: TrainingOptions, model: ModelOptions
) -> None:
  """Checks that a command that does not train uses the checkpoint it names.

  Args:
    training: gives the folder whose run is evaluated, if it holds one.
    model: names a checkpoint, or none.

  Raises:
    UserError: the run's checkpoint is another one; both are named.
  """
  is_own = 'init_checkpoint' not in model.inherited
  if training.do_train or not model.init_checkpoint or not is_own:
    return
  output_dir, named = training.output_dir, model.checkpoint
  if not _has_run(output_dir):
    return
  found = locate(output_dir)
  if (
    files.real_path(found.prefix) != files.real_path(named.prefix)
    and found.checksum() != named.checksum()
  ):
    raise UserError(
      f'`init_checkpoint` names {named.prefix}, but the run in {output_dir} '
      f'would be evaluated: {found.prefix}. Leave out `init_checkpoint`, or '
      'give another `output_dir` for the results.'
    )


def _has_run(output_dir: str) -> bool:
  return has_best(output_dir) or files.exists(
    os.path.join(output_dir, STATE_FILE)
  )


def trained_checkpoint(
  output_dir: str, options: ModelOptions, text: TextEncoding
) -> Checkpoint:
  """Returns the checkpoint to evaluate, and logs which it is.

  The first that exists: 1. the best of a run in `output_dir` that was trained
  with `eval_steps`; 2. the run's last; 3. `init_checkpoint`.

  Raises:
    UserError: there is none, or the files beside it record another vocabulary
      or casing.
  """
  label = 'output_dir'
  if _has_run(output_dir):
    checkpoint = locate(output_dir)
  elif options.checkpoint:
    label, checkpoint = 'init_checkpoint', options.checkpoint
  else:
    raise UserError(
      f'there is nothing to evaluate: no checkpoint in {output_dir}, and '
      '`init_checkpoint` is not given'
    )
  check_text(checkpoint, text, label)
  return checkpoint
