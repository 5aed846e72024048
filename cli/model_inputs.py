"""Checks a job's model, teacher and run before TensorFlow is imported.

`cli.input_paths` checks that each path exists; this module checks that the
files fit together. It reads no weights. Remote files are checked later, before
anything is written.

Tested by `tests/cli/input_paths_test.py` and `tests/cli/run_flags_test.py`.
"""

import os

from modeling.checkpoints import file_names
from modeling.checkpoints.location import best_folder, has_run, locate
from modeling.options import ModelOptions
from system import files, text_files
from system.errors import UserError
from system.file_systems import local_path
from training import model_config
from training.model_config import TokenizerRecord
from training.options import TeacherOptions, TrainingOptions


def check_files(model: ModelOptions, vocab_file: str | None) -> None:
  """Checks a model's configuration, checkpoint and vocabulary if all are local.

  Args:
    model: which model.
    vocab_file: None if the job's records were made with a vocabulary that is
      not given.

  Raises:
    UserError: as for `choose_config` and `locate`.
  """
  text = _local_tokenizer(
    vocab_file, model.bert_config_file, model.init_checkpoint
  )
  if text:
    model_config.checked_config(model, text)


def check_teacher_files(
  teacher: TeacherOptions, max_seq_length: int, vocab_file: str | None
) -> None:
  """Checks a teacher's files, as `check_files`.

  Args:
    teacher: names its checkpoint.
    max_seq_length: S. A teacher gets no further positions.
    vocab_file: as for `check_files`.

  Raises:
    UserError: as for `check_fit` and `read_teacher_config`.
  """
  text = _local_tokenizer(
    vocab_file, teacher.teacher_config_file, teacher.teacher_checkpoint
  )
  if text:
    found = model_config.read_teacher_config(teacher)
    model_config.check_fit(*found, text, max_seq_length)


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
  if _is_local(output_dir) and has_run(output_dir):
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
  if file_names.is_of_run(name) and files.real_path(folder) in own:
    raise UserError(
      f'`init_checkpoint` is {prefix}, which a run in '
      f'`output_dir`={output_dir} would remove: give another `output_dir`'
    )


def _local_tokenizer(
  vocab_file: str | None, *paths: str | None
) -> TokenizerRecord | None:
  """Returns what is known of the tokenizer; None if a path is remote.

  None, too, for an empty vocabulary, which is refused later, as one that lacks
  special tokens.
  """
  if not all(map(_is_local, filter(None, (vocab_file, *paths)))):
    return None
  size = len(text_files.read_list(vocab_file)) if vocab_file else None
  return None if size == 0 else TokenizerRecord(vocab_file, size, None)


def _is_local(path: str) -> bool:
  return local_path(path) is not None
