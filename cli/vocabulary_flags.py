"""The vocabulary, and whether text is lower-cased."""

import functools
import os

from absl import flags

from modeling.checkpoints import casing
from system.errors import UserError

FLAGS = flags.FLAGS


@functools.cache
def define_vocab_file() -> None:
  """The vocabulary; `run_pretraining.py` needs no other word on text."""
  flags.DEFINE_string(
    'vocab_file',
    None,
    'The WordPiece vocabulary. For run_pretraining.py it is an addition: '
    '--bert_size needs it, and so do records without masks; it is copied to '
    '--output_dir.',
  )


@functools.cache
def define() -> None:
  """How text becomes ids."""
  define_vocab_file()
  flags.DEFINE_bool(
    'do_lower_case',
    True,
    'Whether to lower-case and strip accents: True for uncased models.',
  )


def check_casing(flag: str = 'init_checkpoint') -> None:
  """Compares --do_lower_case with the name of a checkpoint's folder.

  Args:
    flag: which names the checkpoint.

  Raises:
    UserError: the folder's name is that of a released model of the other kind.
  """
  _check_lower_case(flag, casing.of_name(FLAGS[flag].value or ''))


def check_beside(
  prefix: str, vocabulary: str | None, has_casing: bool, flag: str
) -> None:
  """Compares --vocab_file and --do_lower_case with a checkpoint's folder.

  Args:
    prefix: as `checkpoint_files.resolve` returns it.
    vocabulary: the checksum of --vocab_file, or where that is not given of what
      the records of --input_file were made with; None if it is unknown.
    has_casing: whether the script reads text, as --do_lower_case says.
    flag: which flag named the checkpoint.

  Raises:
    UserError: the files there say another; the file is named.
  """
  from data.text import tokenization
  from system import files

  if has_casing:
    _check_lower_case(flag, casing.beside(prefix))
  vocab_file = os.path.join(os.path.dirname(prefix), 'vocab.txt')
  if vocabulary and files.exists(vocab_file):
    theirs = tokenization.load_vocabulary(vocab_file).checksum
    if theirs != vocabulary:
      ours = FLAGS.vocab_file or 'that of the records of --input_file'
      raise UserError(
        f'{ours} is not the vocabulary of --{flag}: {vocab_file} differs'
      )


def _check_lower_case(flag: str, said: tuple[str, bool] | None) -> None:
  """Compares --do_lower_case with who says what of a checkpoint."""
  if said and said[1] != FLAGS.do_lower_case:
    kind = 'an uncased' if said[1] else 'a cased'
    raise UserError(
      f'--do_lower_case={FLAGS.do_lower_case} does not fit --{flag}: {said[0]} '
      f'says that it is {kind} model'
    )
