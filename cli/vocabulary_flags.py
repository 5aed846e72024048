"""The flags of the tokenizer: its vocabulary and lower-casing."""

import functools
import os

from absl import flags

from modeling.checkpoints import casing
from system import files
from system.errors import UserError

FLAGS = flags.FLAGS


@functools.cache
def define_vocab_file() -> None:
  """Defines --vocab_file, the only one that `run_pretraining.py` needs."""
  flags.DEFINE_string(
    'vocab_file',
    None,
    'The WordPiece vocabulary. For run_pretraining.py it is an addition: '
    '--bert_size and records without masks need it; it is copied to '
    '--output_dir.',
  )


@functools.cache
def define() -> None:
  """Defines the flags."""
  define_vocab_file()
  flags.DEFINE_bool(
    'do_lower_case',
    True,
    'Whether to lower-case text and strip accents: True for uncased models.',
  )


def check_casing(flag: str = 'init_checkpoint') -> None:
  """Checks --do_lower_case against the name of a checkpoint's folder.

  Args:
    flag: the flag that names the checkpoint.

  Raises:
    UserError: the folder has the name of a released model of the other casing.
  """
  _check_lower_case(flag, casing.of_name(FLAGS[flag].value or ''))


def check_beside(
  prefix: str, vocabulary: str | None, has_casing: bool, flag: str
) -> None:
  """Checks --vocab_file and --do_lower_case against a checkpoint's folder.

  Args:
    prefix: as `checkpoint_files.resolve` returns it.
    vocabulary: the checksum of --vocab_file or, if that is not given, of the
      vocabulary that made the records of --input_file; None if it is unknown.
    has_casing: whether the script reads text, and so uses --do_lower_case.
    flag: the flag that names the checkpoint.

  Raises:
    UserError: a file in the folder records another vocabulary or casing; the
      file is named.
  """
  from data.text import tokenization

  if has_casing:
    _check_lower_case(flag, casing.beside(prefix))
  vocab_file = os.path.join(os.path.dirname(prefix), 'vocab.txt')
  if vocabulary and files.exists(vocab_file):
    recorded = tokenization.load_vocabulary(vocab_file).checksum
    if recorded != vocabulary:
      given = FLAGS.vocab_file or 'that of the records of --input_file'
      raise UserError(
        f'{given} is not the vocabulary of --{flag}: {vocab_file} differs'
      )


def _check_lower_case(flag: str, recorded: tuple[str, bool] | None) -> None:
  """Checks --do_lower_case against a checkpoint's recorded casing.

  Args:
    flag: the flag that names the checkpoint.
    recorded: where the casing is recorded, and the casing; None if unknown.
  """
  if recorded is None:
    return
  source, is_lower = recorded
  if is_lower != FLAGS.do_lower_case:
    kind = 'an uncased' if is_lower else 'a cased'
    raise UserError(
      f'--do_lower_case={FLAGS.do_lower_case} does not fit --{flag}: {source} '
      f'says that it is {kind} model'
    )
