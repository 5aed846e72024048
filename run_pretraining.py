"""Pre-trains BERT by masked LM and next-sentence prediction.

The input is what `data/create_pretraining_data.py` writes, or
google-research/bert's script of that name; the output is a released-BERT
checkpoint. A run that was stopped goes on when the same command is given again.
"""

from absl import flags

from cli import (
  device_flags,
  model_flags,
  run_flags,
  script,
  training_flags,
  vocabulary_flags,
)
from data.errors import UserError

FLAGS = flags.FLAGS

for group in (run_flags, model_flags, training_flags, device_flags):
  group.define()
  flags.adopt_module_key_flags(group)
vocabulary_flags.define_vocab_file()
flags.adopt_module_key_flags(vocabulary_flags)
flags.DEFINE_string(
  'input_file',
  None,
  'Pre-training TFRecords, uncompressed: names and globs, separated by commas.',
)
flags.DEFINE_integer(
  'max_predictions_per_seq',
  20,
  'Masked positions in a record; as in create_pretraining_data.py.',
  lower_bound=1,
)
flags.DEFINE_integer(
  'num_train_steps', 100000, 'Training steps of the whole run.', lower_bound=1
)
flags.DEFINE_integer(
  'num_warmup_steps',
  10000,
  'Steps over which the learning rate rises from 0.',
  lower_bound=0,
)
flags.DEFINE_integer(
  'max_eval_steps', 100, 'The most evaluation batches.', lower_bound=1
)


def main(_: list[str]) -> None:
  """Checks the flags, then trains and evaluates as they say."""
  if not FLAGS.do_train and not FLAGS.do_eval:
    raise UserError('at least one of --do_train and --do_eval must be given')
  script.require('input_file', 'output_dir')
  device_flags.check()
  training_flags.check()

  from data import files, tokenization
  from data.features import PRETRAINING
  from data.record_source import RecordSource
  from modeling import workers
  from modeling.models import PreTrainer

  vocab_size = vocabulary = None
  if FLAGS.vocab_file:
    tokens = tokenization.load_vocabulary(FLAGS.vocab_file)
    vocab_size, vocabulary = len(tokens.tokens), tokens.checksum
  config = model_flags.bert_config(vocab_size)
  model_flags.check_init_checkpoint(config, vocabulary, has_casing=False)
  paths = tuple(files.expand(FLAGS.input_file))
  strategy = device_flags.strategy()
  source = RecordSource(
    paths,
    PRETRAINING,
    {'S': FLAGS.max_seq_length, 'P': FLAGS.max_predictions_per_seq},
    config.vocab_size,
    config.type_vocab_size,
  )
  source.check()
  with workers.running(strategy):
    model_flags.make_output_dir()
    model = PreTrainer(config, FLAGS.precision, FLAGS.seed)
    if FLAGS.do_train:
      _train(model, source)
    if FLAGS.do_eval:
      # The others wait: the batches are few (--max_eval_steps).
      workers.chief_does(lambda: _evaluate(model, source, vocabulary))


def _train(model, source) -> None:
  from modeling import pretraining, run_folder

  training_flags.train_on(
    lambda: source,
    model,
    pretraining.make_loss_function(model),
    (FLAGS.num_train_steps, FLAGS.num_warmup_steps),
    {
      'script': 'run_pretraining',
      'input_file': run_folder.fingerprint(source.paths),
      'max_predictions_per_seq': FLAGS.max_predictions_per_seq,
    },
  )


def _evaluate(model, source, vocabulary) -> None:
  from data import input_pipeline
  from modeling import checkpoints, pretraining, results
  from modeling.models import released_variables

  prefix = model_flags.trained_checkpoint(vocabulary, has_casing=False)
  checkpoints.load_released(
    prefix, released_variables(model), is_required=lambda name: True
  )
  batches = input_pipeline.inference_batches(
    source, FLAGS.eval_batch_size, FLAGS.max_eval_steps
  )
  with source.explained():
    scores = pretraining.evaluate(model, batches, FLAGS.max_eval_steps)
  results.write_eval_results(FLAGS.output_dir, prefix, scores)


if __name__ == '__main__':
  script.run(main)
