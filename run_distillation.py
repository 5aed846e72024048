"""Distils a fine-tuned teacher into a compact student, by way of a logits dump.

--do_dump_logits scores a transfer set with the teacher and writes the dump to
--logits_dir; --do_train trains a student on it; --do_eval and --do_predict are
those of run_classifier.py. Afterwards run_classifier.py fine-tunes the student
where --init_checkpoint names it. A command that was stopped goes on when it is
given again.
"""

import os

from absl import flags

from data.errors import UserError
from modeling import common_flags, from_flags

FLAGS = flags.FLAGS

common_flags.define_model_flags()
common_flags.define_training_flags()
common_flags.define_task_flags()
common_flags.define_device_flags()
flags.adopt_module_key_flags(common_flags)

flags.DEFINE_bool('do_dump_logits', False, 'Whether to score the transfer set.')
flags.DEFINE_string('logits_dir', None, 'The folder of the logits dump.')
flags.DEFINE_string(
  'teacher_checkpoint',
  None,
  'The fine-tuned teacher: a prefix, or the output_dir of run_classifier.py.',
)
flags.DEFINE_string(
  'teacher_config_file',
  None,
  "The teacher's bert_config.json; beside its checkpoint where not given.",
)
flags.DEFINE_string(
  'transfer_file',
  None,
  'The transfer set: a sentence or a tab-separated pair a line, plain or gzip; '
  'names and globs, separated by commas.',
)
flags.DEFINE_string(
  'transfer_split',
  None,
  "A split of the task whose text joins the transfer set: 'train'.",
)
flags.DEFINE_integer('num_logits_shards', 16, 'Files of a dump.', lower_bound=1)
flags.DEFINE_bool(
  'allow_weak_teacher',
  False,
  'Whether to take a teacher that is no better on dev than a constant '
  'prediction.',
)


def main(_: list[str]) -> None:
  """Checks the flags, then dumps, trains, evaluates and predicts."""
  _check_flags()
  from_flags.check_casing()
  task = from_flags.task()
  strategy = from_flags.strategy()
  splits = from_flags.read_splits(
    task, dev=FLAGS.do_dump_logits, eval=FLAGS.do_eval, test=FLAGS.do_predict
  )
  from data import files
  from data.tokenization import BertTokenizer

  tokenizer = BertTokenizer(FLAGS.vocab_file, FLAGS.do_lower_case)
  if _runs_student():
    config = from_flags.bert_config(tokenizer.vocab_size)
    from_flags.check_init_checkpoint(config, tokenizer.vocab_checksum)
    files.make_folder(FLAGS.output_dir)
  with strategy.scope():
    if FLAGS.do_dump_logits:
      _dump_logits(task, tokenizer, splits['dev'])
    if _runs_student():
      _run_student(task, tokenizer, config, splits)


def _runs_student() -> bool:
  return FLAGS.do_train or FLAGS.do_eval or FLAGS.do_predict


def _check_flags() -> None:
  if not FLAGS.do_dump_logits and not _runs_student():
    raise UserError(
      'at least one of --do_dump_logits, --do_train, --do_eval and '
      '--do_predict must be given'
    )
  common_flags.require('data_dir', 'task_name', 'vocab_file')
  from_flags.check_devices()
  from_flags.check_training()
  if FLAGS.do_dump_logits or FLAGS.do_train:
    common_flags.require('logits_dir')
  if FLAGS.do_dump_logits:
    common_flags.require('teacher_checkpoint')
    if not FLAGS.transfer_file and not FLAGS.transfer_split:
      raise UserError('give --transfer_file or --transfer_split, or both')
  else:
    common_flags.refuse_if_given(
      ['teacher_checkpoint', 'teacher_config_file', 'transfer_file']
      + ['transfer_split', 'num_logits_shards', 'allow_weak_teacher'],
      '--do_dump_logits is not given',
    )
  if _runs_student():
    common_flags.require('output_dir')


def _dump_logits(task, tokenizer, dev) -> None:
  from data import logits_dump, transfer_text
  from modeling import checkpoints, run_folder, teacher
  from modeling.configs import BertConfig
  from modeling.models import Classifier
  from modeling.task_runs import TaskRun

  prefix = checkpoints.resolve(FLAGS.teacher_checkpoint)
  config = BertConfig.from_json_file(
    FLAGS.teacher_config_file
    or os.path.join(os.path.dirname(prefix), 'bert_config.json')
  )
  from_flags.check_fit(config, tokenizer.vocab_size)
  texts, num_held_out = transfer_text.select(
    transfer_text.read(
      task, FLAGS.data_dir, FLAGS.transfer_file, FLAGS.transfer_split
    ),
    transfer_text.held_out_examples(task, FLAGS.data_dir),
    task.is_pair,
  )
  num_shards = min(FLAGS.num_logits_shards, len(texts))
  run_folder.claim(
    FLAGS.logits_dir,
    {
      'script': 'run_distillation --do_dump_logits',
      **from_flags.task_fingerprint(tokenizer.vocab_checksum),
      'max_seq_length': FLAGS.max_seq_length,
      'num_logits_shards': num_shards,
      'num_texts': len(texts),
      'precision': FLAGS.precision,
      'teacher_checkpoint': checkpoints.checksum(prefix),
      'texts': transfer_text.checksum(texts),
    },
    has_progress=logits_dump.has_shards(FLAGS.logits_dir, num_shards),
    flag='--logits_dir',
  )
  run = TaskRun(task, tokenizer, FLAGS.max_seq_length, FLAGS.logits_dir)
  who = teacher.load_teacher(
    Classifier(config, task.num_outputs, FLAGS.precision),
    prefix,
    run,
    dev,
    FLAGS.predict_batch_size,
    FLAGS.allow_weak_teacher,
  )
  teacher.dump_logits(
    who, texts, num_held_out, run, num_shards, FLAGS.predict_batch_size
  )


def _run_student(task, tokenizer, config, splits) -> None:
  from modeling.models import Classifier
  from modeling.task_runs import TaskRun

  model = Classifier(config, task.num_outputs, FLAGS.precision, FLAGS.seed)
  run = TaskRun(task, tokenizer, FLAGS.max_seq_length, FLAGS.output_dir)
  if FLAGS.do_train:
    _train(model, run)
  from_flags.evaluate_and_predict(model, run, splits)


def _train(model, run) -> None:
  from data import logits_dump
  from modeling import classification, run_folder

  manifest, source = logits_dump.open_dump(
    FLAGS.logits_dir,
    run.task,
    run.tokenizer,
    FLAGS.max_seq_length,
  )
  from_flags.train_on(
    lambda: source,
    model,
    classification.make_distillation_loss(model, run.task),
    from_flags.steps_of_epochs(manifest.num_examples),
    {
      'script': 'run_distillation',
      **from_flags.task_fingerprint(manifest.vocabulary),
      'shards': run_folder.fingerprint(source.paths),
    },
  )


if __name__ == '__main__':
  common_flags.run(main)
