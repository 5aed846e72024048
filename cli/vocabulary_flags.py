"""The vocabulary, and whether text is lower-cased."""

import functools

from absl import flags

from data.errors import UserError
from modeling import casing

FLAGS = flags.FLAGS


@functools.cache
def define_vocab_file() -> None:
  """The vocabulary; `run_pretraining.py` needs no other word on text."""
  flags.DEFINE_string(
    'vocab_file',
    None,
    'The WordPiece vocabulary. For run_pretraining.py it is an addition: '
    '--bert_size needs it, and it is copied to --output_dir.',
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


def check_casing_beside(prefix: str, flag: str = 'init_checkpoint') -> None:
  """Compares --do_lower_case with the files beside a checkpoint.

  Args:
    prefix: as `checkpoints.resolve` returns it.
    flag: which flag named it.

  Raises:
    UserError: they say the other; the file is named.
  """
  _check_lower_case(flag, casing.beside(prefix))


def _check_lower_case(flag: str, said: tuple[str, bool] | None) -> None:
  """Compares --do_lower_case with who says what of a checkpoint."""
  if said and said[1] != FLAGS.do_lower_case:
    kind = 'an uncased' if said[1] else 'a cased'
    raise UserError(
      f'--do_lower_case={FLAGS.do_lower_case} does not fit --{flag}: {said[0]} '
      f'says that it is {kind} model'
    )
