"""Chooses a job's checkpoints and checks the files next to them.

Everything here happens before a model is built. `setting_name` is the setting
that gave a checkpoint's path, for messages.

Tested by `tests/scripts/run_classifier_test.py` and
`tests/cli/run_flags_test.py`.
"""

from data.text.vocabulary import load_vocabulary
from modeling.checkpoints import initialisation, start_check, tokenizer_files
from modeling.checkpoints.location import Checkpoint, has_run, locate
from modeling.configs import BertConfig
from modeling.options import ModelOptions
from system import files
from system.errors import UserError
from training.model_config import TokenizerRecord
from training.options import TrainingOptions


def check_start(
  options: ModelOptions, config: BertConfig, text: TokenizerRecord
) -> None:
  """Checks `init_checkpoint` before a model is built.

  Args:
    options: which checkpoint, and which of its weights.
    config: the model's configuration.
    text: how the job turns text into ids.

  Raises:
    UserError: there is no such checkpoint, `init` cannot take from it what the
      model needs or selects layers although no size is given, or the files next
      to it record another activation, number of heads, vocabulary or casing.
  """
  if not (checkpoint := options.checkpoint):
    return
  has_size = options.bert_size or options.bert_config_file
  if options.init in initialisation.SELECT_LAYERS and not has_size:
    raise UserError(
      f'`init`={options.init} cannot take effect: without `bert_size` or '
      '`bert_config_file`, the model is as deep as `init_checkpoint`'
    )
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


def check_text(
  checkpoint: Checkpoint, text: TokenizerRecord, setting_name: str
) -> None:
  """Checks vocabulary and casing against the files next to a checkpoint.

  Raises:
    UserError: the files record another vocabulary, casing or tokenizer; the
      message names the file.
  """
  if text.do_lower_case is not None:
    _check_lower_case(checkpoint.casing(), text.do_lower_case, setting_name)
    tokenizer_files.check(checkpoint.folder, text.do_lower_case)
  if text.vocab_checksum and checkpoint.vocab_file:
    theirs = load_vocabulary(checkpoint.vocab_file).checksum
    if theirs != text.vocab_checksum:
      ours = text.vocab_file or 'the vocabulary of the records of `input_file`'
      raise UserError(
        f'{ours} is not the vocabulary of `{setting_name}`: '
        f'{checkpoint.vocab_file} differs'
      )


def _check_lower_case(
  recorded: tuple[str, bool] | None, do_lower_case: bool, setting_name: str
) -> None:
  """Raises a `UserError` if a file or name records the other casing."""
  if recorded and recorded[1] != do_lower_case:
    kind = 'an uncased' if recorded[1] else 'a cased'
    raise UserError(
      f'`do_lower_case`={do_lower_case} does not fit `{setting_name}`: '
      f'{recorded[0]} says that it is {kind} model'
    )


def check_named_checkpoint(
  training: TrainingOptions, model: ModelOptions
) -> None:
  """Checks that a command that does not train uses the checkpoint it names.

  Args:
    training: gives the folder whose run is evaluated, if it holds one.
    model: names a checkpoint, or none.

  Raises:
    UserError: the run's checkpoint is another one; the message names both.
  """
  is_own = 'init_checkpoint' not in model.inherited
  if training.do_train or not model.init_checkpoint or not is_own:
    return
  output_dir, named = training.output_dir, model.checkpoint
  if not has_run(output_dir):
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


def trained_checkpoint(
  output_dir: str, options: ModelOptions, text: TokenizerRecord
) -> Checkpoint:
  """Returns the checkpoint to evaluate, and logs which it is.

  The first that exists: 1. the best of a run in `output_dir` that was trained
  with `eval_steps`; 2. the run's last; 3. `init_checkpoint`.

  Raises:
    UserError: there is none, or the files next to it record another vocabulary
      or casing.
  """
  setting_name = 'output_dir'
  if has_run(output_dir):
    checkpoint = locate(output_dir)
  elif options.checkpoint:
    setting_name, checkpoint = 'init_checkpoint', options.checkpoint
  else:
    raise UserError(
      f'there is nothing to evaluate: no checkpoint in {output_dir}, and '
      '`init_checkpoint` is not given'
    )
  check_text(checkpoint, text, setting_name)
  return checkpoint
