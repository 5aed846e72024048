"""The flags of run_distillation.py.

Tested by `tests/scripts/run_distillation_test.py`.
"""

import dataclasses

from absl import flags, logging

from cli import device_flags, flag_group, model_flags, run_flags
from distillation import dump_manifest
from distillation.options import STUDENT_SETTINGS, DistillationOptions
from system.errors import UserError
from training import inherited_settings

FLAGS = flags.FLAGS

# The flags belong to the script that calls `define`.
flags.disclaim_key_flags()

_GROUPS = flag_group.groups_in(DistillationOptions)


def define() -> None:
  """Defines the flags for the calling script."""
  flag_group.define(run_flags.RunOptions, *_GROUPS)


def options() -> DistillationOptions:
  """Returns the options that the flags give, and checks them.

  Raises:
    UserError: a flag is missing, has no effect, or contradicts another.
  """
  _drop_inherited_dump()
  flag_group.require_one_of(
    'do_dump_logits', 'do_import_logits', 'do_train', 'do_eval', 'do_predict'
  )
  flag_group.require('task_name')
  if FLAGS.do_dump_logits:
    flag_group.require('logits_dir', 'teacher_checkpoint')
  if FLAGS.do_import_logits:
    flag_group.require('logits_dir', 'teacher_scores')
  if FLAGS.do_train:
    flag_group.require('logits_dir')
  if FLAGS.do_train or FLAGS.do_eval or FLAGS.do_predict:
    flag_group.require('output_dir')
  else:
    flag_group.refuse_if_given(
      STUDENT_SETTINGS,
      'there is no student: none of --do_train, --do_eval and --do_predict is '
      'given',
    )
  chosen = with_kind_of_dump(model_flags.completed(read()))
  model_flags.check_task(chosen)
  # It imports NumPy, which --help does not need.
  from cli import model_inputs

  vocab_file = chosen.tokenizer.vocab_file
  if chosen.dump.do_dump_logits:
    model_inputs.check_teacher_files(
      chosen.dump, chosen.model.max_seq_length, vocab_file
    )
  if chosen.has_student:
    model_inputs.check_files(chosen.model, vocab_file)
  return chosen


def _drop_inherited_dump() -> None:
  """Drops what a student's recorded command needed only for training.

  With --from_run and --nodo_train, the student is evaluated: its dump is not
  made again, and it may be gone.
  """
  if FLAGS.do_train or not (FLAGS.do_eval or FLAGS.do_predict):
    return
  makes_dump = ('do_dump_logits', 'do_import_logits')
  if flag_group.is_given('do_train'):
    for name in filter(run_flags.is_inherited, makes_dump):
      FLAGS[name].value = False
  is_inherited = run_flags.is_inherited('logits_dir')
  if any(FLAGS[x].value for x in makes_dump) or not is_inherited:
    return
  folders = FLAGS.logits_dir or ()
  gone = [x for x in folders if not dump_manifest.exists(x)]
  if gone and FLAGS.do_eval:
    logging.warning(
      'There is no complete dump in %s: the agreement with the teacher is not '
      'measured.',
      ', '.join(gone),
    )
    FLAGS['logits_dir'].value = FLAGS['logits_dir'].default


def with_kind_of_dump(chosen: DistillationOptions) -> DistillationOptions:
  """Returns options completed by what the student's dumps say.

  A custom task's `regression` is that of the first dump. In training,
  `max_seq_length` is that of the longest dump unless a flag or the model gives
  it; so is `do_lower_case` if the dump has the student's vocabulary.

  Ignores missing or damaged dumps: later checks refuse them.
  """
  folders = chosen.dump.logits_dir
  if chosen.makes_dump or not folders:
    return chosen
  try:
    manifests = {x: dump_manifest.read(x) for x in folders}
    if chosen.training.do_train:
      longest = max(manifests, key=lambda x: manifests[x].max_seq_length)
      chosen = _with_text_of(chosen, longest, manifests[longest])
  except UserError:
    return chosen
  if not chosen.task.is_custom:
    return chosen
  is_regression = not manifests[folders[0]].labels
  given = ['regression'] if FLAGS['regression'].present else []
  task = inherited_settings.of_kind(
    chosen.task, False, is_regression, folders[0], given
  )
  return dataclasses.replace(chosen, task=task)


def _with_text_of(
  chosen: DistillationOptions, folder: str, manifest: dump_manifest.Manifest
) -> DistillationOptions:
  """Returns options with the length and the casing of a dump's text.

  Settings that a flag or the model gives stay; warns if they differ.
  """
  from data.text.vocabulary import load_vocabulary

  of_dump = {'max_seq_length': ('model', manifest.max_seq_length)}
  vocab_file = chosen.tokenizer.vocab_file
  if vocab_file and load_vocabulary(vocab_file).checksum == manifest.vocabulary:
    of_dump['do_lower_case'] = ('tokenizer', manifest.do_lower_case)
  for name, (group, value) in of_dump.items():
    settings = getattr(chosen, group)
    if (old := getattr(settings, name)) == value:
      continue
    if FLAGS[name].present or name in inherited_settings.known_names(chosen):
      logging.warning(
        '`%s`=%s is used, but the dump in %s was made with %s.',
        *(name, old, folder, value),
      )
      continue
    logging.info('`%s`=%s, as %s says.', name, value, folder)
    changed = {group: dataclasses.replace(settings, **{name: value})}
    chosen = dataclasses.replace(chosen, **changed)
  return chosen


def read() -> DistillationOptions:
  """Returns the options that the flags give, even if required ones are missing.

  Raises:
    UserError: a flag has no effect.
  """
  flag_group.refuse_without_effect(*_GROUPS)
  return flag_group.read_all(
    DistillationOptions, devices=device_flags.options(FLAGS.do_train)
  )
