"""Fine-tunes, evaluates and applies BERT on single sentences or pairs.

A run that was stopped goes on when the same command is given again.
"""

from absl import flags

from cli import (
  device_flags,
  evaluation_flags,
  flag_group,
  model_flags,
  run_flags,
  script,
  task_flags,
  training_flags,
  vocabulary_flags,
)
from system.errors import UserError

FLAGS = flags.FLAGS

training_flags.define_epochs()
for group in (
  run_flags,
  model_flags,
  vocabulary_flags,
  training_flags,
  task_flags,
  evaluation_flags,
  device_flags,
):
  group.define()
  flags.adopt_module_key_flags(group)


def main(_: list[str]) -> None:
  """Checks the flags and reads the task, then does what they say."""
  if not (FLAGS.do_train or FLAGS.do_eval or FLAGS.do_predict):
    raise UserError(
      'at least one of --do_train, --do_eval and --do_predict must be given'
    )
  flag_group.require('task_name', 'vocab_file', 'output_dir')
  device_flags.check()
  training_flags.check()
  vocabulary_flags.check_casing()
  task_flags.check()
  strategy = device_flags.strategy(trains=FLAGS.do_train)
  task = task_flags.task()
  evaluation_flags.check(task)
  splits = evaluation_flags.read_splits(
    task,
    train=FLAGS.do_train,
    eval=FLAGS.do_eval or FLAGS.eval_steps > 0,
    predict=FLAGS.do_predict,
  )

  from data.text.tokenization import BertTokenizer
  from devices import workers

  tokenizer = BertTokenizer(FLAGS.vocab_file, FLAGS.do_lower_case)
  config = model_flags.bert_config(tokenizer.vocab_size, task.is_pair)
  model_flags.check_init_checkpoint(config, tokenizer.vocab_checksum)
  with workers.running(strategy):
    evaluation_flags.run_seeds(lambda: _run(task, tokenizer, config, splits))


def _run(task, tokenizer, config, splits) -> dict[str, float]:
  from modeling.models import Classifier
  from training.task_folder import TaskFolder

  model_flags.make_output_dir()
  run = TaskFolder(task, tokenizer, FLAGS.max_seq_length, FLAGS.output_dir)
  model = Classifier(config, task.num_outputs, FLAGS.precision, FLAGS.seed)
  if FLAGS.do_train:
    _train(model, run, splits)
  return evaluation_flags.evaluate_and_predict(model, run, splits)


def _train(model, run, splits) -> None:
  from data.tasks.classifier_records import checksum
  from training import classification

  examples = splits['train']
  training_flags.train_on(
    lambda: run.write_training_records(examples),
    model,
    classification.make_task_loss(model, run.task),
    training_flags.steps_of_epochs(len(examples)),
    {
      'script': 'run_classifier',
      'num_train_examples': len(examples),
      'train_data': checksum(examples),
      **task_flags.fingerprint(run.task, run.tokenizer.vocab_checksum),
      **evaluation_flags.evaluation_fingerprint(run.task, splits),
    },
    num_labelled_examples=len(examples),
    evaluation=evaluation_flags.evaluation(model, run, splits),
  )


if __name__ == '__main__':
  script.run(main)
