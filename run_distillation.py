"""Distils a fine-tuned teacher into a compact student, by way of a logits dump.

--do_dump_logits scores a transfer set with the teacher and writes the dump to
--logits_dir; --do_train trains a student on it, or on those of several
teachers; --do_eval and --do_predict are those of run_classifier.py. Afterwards
run_classifier.py fine-tunes the student where --init_checkpoint names it. A
command that was stopped goes on when it is given again.
"""

from absl import flags

from modeling import (
  common_flags,
  distillation_flags,
  from_flags,
  run_flags,
  task_flags,
)

FLAGS = flags.FLAGS

common_flags.define_model_flags()
common_flags.define_training_flags()
common_flags.define_fine_tuning_flags()
task_flags.define()
common_flags.define_device_flags()
distillation_flags.define()
flags.adopt_module_key_flags(common_flags)
flags.adopt_module_key_flags(run_flags)
flags.adopt_module_key_flags(task_flags)
flags.adopt_module_key_flags(distillation_flags)


def main(_: list[str]) -> None:
  """Checks the flags, then dumps, trains, evaluates and predicts."""
  distillation_flags.check()
  from_flags.check_devices()
  from_flags.check_training()
  from_flags.check_casing()
  from_flags.check_casing('teacher_checkpoint')
  task_flags.check()
  strategy = from_flags.strategy()
  task = task_flags.task()
  from_flags.check_evaluation(task)
  splits = from_flags.read_splits(
    task,
    dev=FLAGS.do_dump_logits,
    eval=FLAGS.do_eval or FLAGS.eval_steps > 0,
    predict=FLAGS.do_predict,
  )
  from data.tokenization import BertTokenizer
  from modeling import workers

  tokenizer = BertTokenizer(FLAGS.vocab_file, FLAGS.do_lower_case)
  if distillation_flags.runs_student():
    config = from_flags.bert_config(tokenizer.vocab_size, task.is_pair)
    from_flags.check_init_checkpoint(config, tokenizer.vocab_checksum)
  with workers.running(strategy):
    if FLAGS.do_dump_logits:
      _dump_logits(task, tokenizer, splits['dev'])
    if distillation_flags.runs_student():
      from_flags.run_seeds(
        lambda: _run_student(task, tokenizer, config, splits)
      )


def _dump_logits(task, tokenizer, dev) -> None:
  from data import transfer_set
  from modeling import checkpoints, distillation
  from modeling.task_runs import TaskRun
  from modeling.teacher import DumpJob

  sources = distillation_flags.sources()
  prefix = checkpoints.resolve(FLAGS.teacher_checkpoint)
  config = distillation.teacher_config(prefix, FLAGS.teacher_config_file)
  from_flags.check_fit(config, tokenizer.vocab_size, task.is_pair)
  from_flags.check_casing_beside(prefix, 'teacher_checkpoint')
  dumping = distillation.Dumping(
    TaskRun(task, tokenizer, FLAGS.max_seq_length, FLAGS.logits_dir[0]),
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
  fingerprint = from_flags.task_fingerprint(task, tokenizer.vocab_checksum)
  distillation.dump(
    dumping, config, FLAGS.precision, fingerprint, run_flags.command()
  )


def _run_student(task, tokenizer, config, splits) -> dict[str, float]:
  from data import logits_dump
  from modeling import distillation
  from modeling.models import Classifier
  from modeling.task_runs import TaskRun

  dumps = logits_dump.open_dumps(FLAGS.logits_dir or [], task)
  from_flags.make_output_dir()
  run = TaskRun(task, tokenizer, FLAGS.max_seq_length, FLAGS.output_dir)
  model = Classifier(config, task.num_outputs, FLAGS.precision, FLAGS.seed)
  if FLAGS.do_train:
    _train(model, run, splits, dumps)
  return from_flags.evaluate_and_predict(
    model,
    run,
    splits,
    lambda examples: distillation.teacher_logits_on(dumps, examples, task),
  )


def _train(model, run, splits, dumps) -> None:
  from data.merged_dump import Student
  from modeling import classification, distillation

  lesson = distillation.Lesson(
    dumps,
    Student(run.task, run.tokenizer, run.max_seq_length),
    run.output_dir,
    FLAGS.temperature,
    FLAGS.hard_label_weight,
  )
  lesson.check()
  from_flags.train_on(
    lesson.source,
    model,
    classification.make_distillation_loss(
      model, run.task, FLAGS.temperature, FLAGS.hard_label_weight
    ),
    from_flags.steps_of_epochs(lesson.num_examples),
    {
      'script': 'run_distillation',
      **from_flags.task_fingerprint(run.task, run.tokenizer.vocab_checksum),
      **lesson.fingerprint(),
      **from_flags.evaluation_fingerprint(run.task, splits),
    },
    evaluation=from_flags.evaluation(model, run, splits),
  )


if __name__ == '__main__':
  common_flags.run(main)
