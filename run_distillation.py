"""Distils a fine-tuned teacher into a compact student, by way of a logits dump.

--do_dump_logits scores a transfer set with the teacher and writes the dump to
--logits_dir; --do_train trains a student on it, or on those of several
teachers; --do_eval and --do_predict are those of run_classifier.py. Afterwards
run_classifier.py fine-tunes the student where --init_checkpoint names it. A
command that was stopped goes on when it is given again.
"""

from absl import flags

from cli import (
  device_flags,
  distillation_flags,
  evaluation_flags,
  model_flags,
  run_flags,
  script,
  task_flags,
  training_flags,
  vocabulary_flags,
)

FLAGS = flags.FLAGS

training_flags.define_epochs()
for group in (
  run_flags,
  model_flags,
  vocabulary_flags,
  training_flags,
  task_flags,
  evaluation_flags,
  distillation_flags,
  device_flags,
):
  group.define()
  flags.adopt_module_key_flags(group)


def main(_: list[str]) -> None:
  """Checks the flags, then dumps, trains, evaluates and predicts."""
  distillation_flags.check()
  device_flags.check()
  training_flags.check()
  vocabulary_flags.check_casing()
  vocabulary_flags.check_casing('teacher_checkpoint')
  task_flags.check()
  strategy = device_flags.strategy(trains=FLAGS.do_train)
  task = task_flags.task()
  distillation_flags.check_task(task)
  evaluation_flags.check(task)
  splits = evaluation_flags.read_splits(
    task,
    dev=FLAGS.do_dump_logits,
    eval=FLAGS.do_eval or FLAGS.eval_steps > 0,
    predict=FLAGS.do_predict,
  )
  from data.text.tokenization import BertTokenizer
  from devices import workers

  tokenizer = BertTokenizer(FLAGS.vocab_file, FLAGS.do_lower_case)
  if distillation_flags.runs_student():
    config = model_flags.bert_config(tokenizer.vocab_size, task.is_pair)
    model_flags.check_init_checkpoint(config, tokenizer.vocab_checksum)
  with workers.running(strategy):
    if FLAGS.do_dump_logits:
      _dump_logits(task, tokenizer, splits['dev'])
    if distillation_flags.runs_student():
      evaluation_flags.run_seeds(
        lambda: _run_student(task, tokenizer, config, splits)
      )


def _dump_logits(task, tokenizer, dev) -> None:
  from distillation import student, transfer_set
  from distillation.teacher import DumpJob
  from modeling.checkpoints import location
  from training.task_folder import TaskFolder

  sources = distillation_flags.sources()
  prefix = location.resolve(FLAGS.teacher_checkpoint)
  config = student.teacher_config(prefix, FLAGS.teacher_config_file)
  model_flags.check_fit(config, tokenizer.vocab_size, task.is_pair)
  vocabulary_flags.check_beside(
    prefix, tokenizer.vocab_checksum, True, 'teacher_checkpoint'
  )
  dumping = student.Dumping(
    TaskFolder(task, tokenizer, FLAGS.max_seq_length, FLAGS.logits_dir[0]),
    transfer_set.make(task, FLAGS.data_dir, sources),
    dev,
    prefix,
    DumpJob(
      FLAGS.num_logits_shards,
      FLAGS.predict_batch_size,
      FLAGS.keep_text,
      FLAGS.shard_index,
      FLAGS.num_shards,
    ),
    FLAGS.allow_weak_teacher,
  )
  fingerprint = task_flags.fingerprint(task, tokenizer.vocab_checksum)
  student.dump(
    dumping, config, FLAGS.precision, fingerprint, run_flags.command()
  )


def _run_student(task, tokenizer, config, splits) -> dict[str, float]:
  from distillation import logits_dump, student
  from modeling.models import Classifier
  from training.task_folder import TaskFolder

  dumps = logits_dump.open_dumps(FLAGS.logits_dir or [], task)
  model_flags.make_output_dir()
  run = TaskFolder(task, tokenizer, FLAGS.max_seq_length, FLAGS.output_dir)
  model = Classifier(config, task.num_outputs, FLAGS.precision, FLAGS.seed)
  if FLAGS.do_train:
    _train(model, run, splits, dumps)
  return evaluation_flags.evaluate_and_predict(
    model,
    run,
    splits,
    lambda examples: student.teacher_logits_on(dumps, examples, task),
  )


def _train(model, run, splits, dumps) -> None:
  from distillation import student
  from distillation.merged_dump import Student
  from training import classification

  lesson = student.Lesson(
    dumps,
    Student(run.task, run.tokenizer, run.max_seq_length),
    run.output_dir,
    FLAGS.temperature,
    FLAGS.hard_label_weight,
  )
  lesson.check()
  training_flags.train_on(
    lesson.source,
    model,
    classification.make_distillation_loss(
      model, run.task, FLAGS.temperature, FLAGS.hard_label_weight
    ),
    training_flags.steps_of_epochs(lesson.num_examples),
    {
      'script': 'run_distillation',
      **task_flags.fingerprint(run.task, run.tokenizer.vocab_checksum),
      **lesson.fingerprint(),
      **evaluation_flags.evaluation_fingerprint(run.task, splits),
    },
    evaluation=evaluation_flags.evaluation(model, run, splits),
  )


if __name__ == '__main__':
  script.run(main)
