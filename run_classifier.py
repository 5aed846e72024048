"""Fine-tunes, evaluates and applies BERT on single sentences or pairs.

A run that was stopped goes on when the same command is given again.
"""

from absl import flags

from data.errors import UserError
from modeling import common_flags, from_flags, run_flags, task_flags

FLAGS = flags.FLAGS

common_flags.define_model_flags()
common_flags.define_training_flags()
common_flags.define_fine_tuning_flags()
task_flags.define()
common_flags.define_device_flags()
flags.adopt_module_key_flags(common_flags)
flags.adopt_module_key_flags(run_flags)
flags.adopt_module_key_flags(task_flags)


def main(_: list[str]) -> None:
  """Checks the flags and reads the task, then does what they say."""
  if not (FLAGS.do_train or FLAGS.do_eval or FLAGS.do_predict):
    raise UserError(
      'at least one of --do_train, --do_eval and --do_predict must be given'
    )
  common_flags.require('task_name', 'vocab_file', 'output_dir')
  from_flags.check_devices()
  from_flags.check_training()
  from_flags.check_casing()
  task_flags.check()
  strategy = from_flags.strategy()
  task = task_flags.task()
  from_flags.check_evaluation(task)
  splits = from_flags.read_splits(
    task,
    train=FLAGS.do_train,
    eval=FLAGS.do_eval or FLAGS.eval_steps > 0,
    predict=FLAGS.do_predict,
  )

  from data.tokenization import BertTokenizer
  from modeling import workers

  tokenizer = BertTokenizer(FLAGS.vocab_file, FLAGS.do_lower_case)
  config = from_flags.bert_config(tokenizer.vocab_size, task.is_pair)
  from_flags.check_init_checkpoint(config, tokenizer.vocab_checksum)
  with workers.running(strategy):
    from_flags.run_seeds(lambda: _run(task, tokenizer, config, splits))


def _run(task, tokenizer, config, splits) -> dict[str, float]:
  from modeling.models import Classifier
  from modeling.task_runs import TaskRun

  from_flags.make_output_dir()
  run = TaskRun(task, tokenizer, FLAGS.max_seq_length, FLAGS.output_dir)
  model = Classifier(config, task.num_outputs, FLAGS.precision, FLAGS.seed)
  if FLAGS.do_train:
    _train(model, run, splits)
  return from_flags.evaluate_and_predict(model, run, splits)


def _train(model, run, splits) -> None:
  from data.classifier_features import checksum
  from modeling import classification

  examples = splits['train']
  from_flags.train_on(
    lambda: run.write_training_records(examples),
    model,
    classification.make_task_loss(model, run.task),
    from_flags.steps_of_epochs(len(examples)),
    {
      'script': 'run_classifier',
      'num_train_examples': len(examples),
      'train_data': checksum(examples),
      **from_flags.task_fingerprint(run.task, run.tokenizer.vocab_checksum),
      **from_flags.evaluation_fingerprint(run.task, splits),
    },
    num_labelled_examples=len(examples),
    evaluation=from_flags.evaluation(model, run, splits),
  )


if __name__ == '__main__':
  common_flags.run(main)
