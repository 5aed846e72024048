"""Pre-trains BERT by masked LM and next-sentence prediction.

The input is what `data/create_pretraining_data.py` writes, or
google-research/bert's script of that name; the output is a released-BERT
checkpoint. A run that was stopped goes on when the same command is given again.
"""

from absl import flags

from data.errors import UserError
from modeling import common_flags, from_flags, run_flags

FLAGS = flags.FLAGS

common_flags.define_model_flags()
common_flags.define_training_flags()
common_flags.define_vocab_file()
common_flags.define_device_flags()
flags.adopt_module_key_flags(common_flags)
flags.adopt_module_key_flags(run_flags)

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
  common_flags.require('input_file', 'output_dir')
  from_flags.check_devices()
  from_flags.check_training()

  from data import files, tokenization
  from data.features import PRETRAINING
  from data.record_source import RecordSource
  from modeling import workers
  from modeling.models import PreTrainer

  vocab_size = vocabulary = None
  if FLAGS.vocab_file:
    tokens = tokenization.load_vocabulary(FLAGS.vocab_file)
    vocab_size, vocabulary = len(tokens.tokens), tokens.checksum
  config = from_flags.bert_config(vocab_size)
  from_flags.check_init_checkpoint(config, vocabulary, has_casing=False)
  paths = tuple(files.expand(FLAGS.input_file))
  strategy = from_flags.strategy()
  source = RecordSource(
    paths,
    PRETRAINING,
    {'S': FLAGS.max_seq_length, 'P': FLAGS.max_predictions_per_seq},
    config.vocab_size,
    config.type_vocab_size,
  )
  source.check()
  with workers.running(strategy):
    from_flags.make_output_dir()
    model = PreTrainer(config, FLAGS.precision, FLAGS.seed)
    if FLAGS.do_train:
      _train(model, source)
    if FLAGS.do_eval:
      # The others wait: the batches are few (--max_eval_steps).
      workers.chief_does(lambda: _evaluate(model, source))


def _train(model, source) -> None:
  from modeling import pretraining, run_folder

  from_flags.train_on(
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


def _evaluate(model, source) -> None:
  from data import input_pipeline
  from modeling import checkpoints, pretraining, results
  from modeling.models import released_variables

  prefix = from_flags.trained_checkpoint()
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
  common_flags.run(main)
