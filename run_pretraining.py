"""Pre-trains BERT by masked LM and next-sentence prediction.

The input is what `data/create_pretraining_data.py` writes, or
google-research/bert's script of that name; the output is a released-BERT
checkpoint. A run that was stopped goes on when the same command is given again.
"""

import dataclasses

from absl import flags

from cli import (
  device_flags,
  flag_group,
  model_flags,
  run_flags,
  script,
  training_flags,
  vocabulary_flags,
)
from system.errors import UserError

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
  'Masked positions in a record; as in create_pretraining_data.py. Of records '
  'without masks (--dynamic_masking there), the most to mask.',
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
  flag_group.require('input_file', 'output_dir')
  device_flags.check()
  training_flags.check()

  from data.pretraining import input_records
  from data.text import tokenization
  from devices import workers
  from modeling.models import PreTrainer

  tokens = None
  if FLAGS.vocab_file:
    tokens = tokenization.load_vocabulary(FLAGS.vocab_file)
  config = model_flags.bert_config(tokens and len(tokens.tokens))
  found = _find_records(config, tokens)
  vocabulary = (
    tokens.checksum if tokens else input_records.vocab_checksum(found)
  )
  model_flags.check_init_checkpoint(config, vocabulary, has_casing=False)
  strategy = device_flags.strategy()
  source = _source(found, config, tokens)
  source.check()
  with workers.running(strategy):
    model_flags.make_output_dir()
    model = PreTrainer(config, FLAGS.precision, FLAGS.seed)
    if FLAGS.do_train:
      _train(model, source)
    if FLAGS.do_eval:
      # The others wait: the batches are few (--max_eval_steps).
      workers.chief_does(lambda: _evaluate(model, source, vocabulary))


def _find_records(config, tokens):
  """Returns what is known of the records; checks that it fits."""
  from data.pretraining import input_records, manifest

  found = manifest.find(input_records.expand(FLAGS.input_file))
  input_records.check(
    found,
    input_records.Wanted(
      FLAGS.max_seq_length,
      FLAGS.max_predictions_per_seq,
      config.vocab_size,
      (FLAGS.vocab_file, tokens.checksum) if tokens else None,
    ),
  )
  return found


def _source(found, config, tokens):
  """Returns the `RecordSource`; it draws the masks that records lack."""
  from data.pretraining import input_records
  from data.records.feature_spec import PRETRAINING, UNMASKED_PRETRAINING
  from data.records.record_source import RecordSource

  fields, complete = PRETRAINING, None
  if masking := input_records.dynamic_masking(found):
    from data.pretraining.dynamic_masking import DynamicMasking

    masking = dataclasses.replace(
      masking, max_predictions_per_seq=FLAGS.max_predictions_per_seq
    )
    fields = UNMASKED_PRETRAINING
    complete = DynamicMasking(tokens, masking, FLAGS.seed)
  return RecordSource(
    tuple(found),
    fields,
    {'S': FLAGS.max_seq_length, 'P': FLAGS.max_predictions_per_seq},
    config.vocab_size,
    config.type_vocab_size,
    complete,
  )


def _train(model, source) -> None:
  from training import pretraining, run_folder

  masking = source.complete and dataclasses.asdict(source.complete.options)
  training_flags.train_on(
    lambda: source,
    model,
    pretraining.make_loss_function(model),
    (FLAGS.num_train_steps, FLAGS.num_warmup_steps),
    {
      'script': 'run_pretraining',
      'dynamic_masking': masking,
      'input_file': run_folder.fingerprint(source.paths),
      'max_predictions_per_seq': FLAGS.max_predictions_per_seq,
    },
  )


def _evaluate(model, source, vocabulary) -> None:
  from data.records import input_pipeline
  from modeling.checkpoints import loading
  from modeling.models import released_variables
  from training import pretraining, result_files

  prefix = model_flags.trained_checkpoint(vocabulary, has_casing=False)
  loading.load_released(
    prefix, released_variables(model), is_required=lambda name: True
  )
  batches = input_pipeline.inference_batches(
    source, FLAGS.eval_batch_size, FLAGS.max_eval_steps
  )
  with source.explained():
    scores = pretraining.evaluate(model, batches, FLAGS.max_eval_steps)
  result_files.write_eval_results(FLAGS.output_dir, prefix, scores)


if __name__ == '__main__':
  script.run(main)
