"""Checks that a refactoring does not change the bytes that the scripts write.

    python benchmarks/same_bytes.py > before.txt
    python benchmarks/same_bytes.py --compare=before.txt

The script writes small synthetic inputs to a folder `world`, runs the project's
scripts on them through their command lines, and prints a table: the checksum
and the name of every file that depends only on the inputs and the flags. It
imports nothing from the project, so it can run any version. --root names
another checkout to run.

Event files, speeds and locks are left out, and so are the versions in run.json.
The working folder's path counts as WORK in each file. Another processor or
number of cores may give other bytes: compare only tables of one machine.
"""

import concurrent.futures
import fnmatch
import hashlib
import json
import os
import pathlib
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time

from absl import app, flags

_ROOT = flags.DEFINE_string(
  'root',
  str(pathlib.Path(__file__).resolve().parents[1]),
  'The checkout whose scripts to run.',
)
_COMPARE = flags.DEFINE_string(
  'compare', None, 'An earlier table; the exit status is 1 if it differs.'
)
_WORK_DIR = flags.DEFINE_string(
  'work_dir', None, 'An empty folder for all files, which are kept.'
)

_LABELS = ('bad', 'fair', 'good')
_ADJECTIVES = ('bad awful', 'fair plain', 'Good great')
_NOUNS = 'film films plot Café walking unseen'.split()
_PIECES = '[PAD] [UNK] [CLS] [SEP] [MASK] . , the a is was and not ##s ##ing'
_STEMS = 'bad awful fair plain good great film plot cafe walk'
_VOCABULARY = f'{_PIECES} {_STEMS}'.split()
_CONFIG = {
  'attention_probs_dropout_prob': 0.1,
  'hidden_act': 'gelu',
  'hidden_dropout_prob': 0.1,
  'hidden_size': 16,
  'initializer_range': 0.2,
  'intermediate_size': 32,
  'max_position_embeddings': 32,
  'num_attention_heads': 2,
  'num_hidden_layers': 2,
  'type_vocab_size': 2,
  'vocab_size': len(_VOCABULARY),
}
_CORPUS = """--vocab_file=world/vocab.txt --input_file=world/text.txt
  --max_seq_length=32 --max_predictions_per_seq=5 --dupe_factor=4"""
_TRAINING = """--do_train --do_eval --vocab_file=world/vocab.txt
  --log_steps=7 --save_checkpoints_steps=12 --train_batch_size=16"""
_PRETRAINING = f"""{_TRAINING} --bert_config_file=world/config.json
  --max_seq_length=32 --max_predictions_per_seq=5 --learning_rate=1e-2
  --num_train_steps=50 --num_warmup_steps=4"""
_TUNING = f"""{_TRAINING} --init_checkpoint=pretrained
  --max_seq_length=24 --learning_rate=1e-2"""
_THREE = """--task_name=custom --data_dir=world/three
  --text_column=review --id_column=id"""
_DUMP = f"""{_THREE} --do_dump_logits --vocab_file=world/vocab.txt
  --max_seq_length=24 --transfer_file=world/transfer.txt
  --transfer_split=train --max_transfer_examples=200 --keep_text
  --num_logits_shards=3"""
_STUDENT = f"""{_TUNING} {_THREE} --do_predict --eval_steps=16
  --bert_config_file=world/small.json --init=bottom_layers"""
# Blocks run one after another, the commands of a block at the same time. An
# epoch of pre-training has about 30 steps.
_COMMANDS = f"""\
data/create_pretraining_data.py {_CORPUS}
  --output_file=static/records --num_shards=2
data/create_pretraining_data.py {_CORPUS}
  --output_file=dynamic/records --dynamic_masking --do_whole_word_mask

run_pretraining.py {_PRETRAINING}
  --input_file=static/records-*-of-00002 --output_dir=pretrained

run_pretraining.py {_PRETRAINING}
  --input_file=dynamic/records --output_dir=pretrained_on
  --init_checkpoint=pretrained --optimizer=lamb --precision=bfloat16
  --gradient_accumulation_steps=2
run_classifier.py {_TUNING} {_THREE}
  --output_dir=teacher --do_predict --eval_steps=30 --num_train_epochs=10
  --save_checkpoints_steps=40 --dropout_rate=0

run_classifier.py {_TUNING} --task_name=SST-2 --data_dir=world/sst
  --output_dir=seeds --num_seeds=2 --num_train_epochs=2
run_classifier.py {_TUNING} --task_name=custom --data_dir=world/numbers
  --regression --text_column=one --text_pair_column=other --do_predict
  --output_dir=numbers --num_train_epochs=2 --layer_decay=0.8 --freeze=1
  --skip_nonfinite_steps=2

run_distillation.py {_DUMP}
  --teacher_checkpoint=teacher --logits_dir=dump_a
run_distillation.py {_DUMP}
  --teacher_checkpoint=teacher/model.ckpt-120 --logits_dir=dump_b

run_distillation.py {_STUDENT} --logits_dir=dump_a
  --output_dir=student --hard_label_weight=0.5 --temperature=2
run_distillation.py {_STUDENT} --logits_dir=dump_a,dump_b
  --output_dir=student_of_both
run_distillation.py {_STUDENT} --logits_dir=dump_a
  --output_dir=student_of_text --max_seq_length=8 --num_train_epochs=1
  --nodo_eval --nodo_predict --eval_steps=0
"""
# Files that depend on the time or the process.
_LEFT_OUT = ('*/events/*', '*_speed.json', '*.lock')


def _sentence(rng: random.Random) -> tuple[str, int]:
  """Returns a sentence and its class, which one adjective mostly decides."""
  kind = rng.randrange(3)
  words = ['the', rng.choice(_NOUNS), rng.choice(('is', 'was'))]
  words += rng.choice(([], ['not', ','], ['a']))
  words += [rng.choice(_ADJECTIVES[kind].split()), '.']
  return ' '.join(words), rng.randrange(3) if rng.random() < 0.1 else kind


def _write_inputs(folder: pathlib.Path) -> None:
  """Writes a vocabulary, two configurations, texts and three tasks.

  They are the same at each call.
  """
  rng = random.Random(1)

  def write(name: str, lines: list[str]) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')

  def sentences(count: int) -> list[str]:
    return [_sentence(rng)[0] for _ in range(count)]

  write('vocab.txt', _VOCABULARY)
  write('config.json', [json.dumps(_CONFIG)])
  write('small.json', [json.dumps({**_CONFIG, 'num_hidden_layers': 1})])
  documents = ['\n'.join(sentences(rng.randint(1, 9))) for _ in range(60)]
  write('text.txt', ['\n\n'.join(documents)])
  write('transfer.txt', sentences(150))
  for split, count in (('train', 240), ('dev', 37), ('test', 19)):
    rows = [(i, *_sentence(rng)) for i in range(count)]
    if split == 'test':
      sst = ['index\tsentence', *(f'{i}\t{text}' for i, text, _ in rows)]
      three = ['id\treview', *(f't{i}\t{text}' for i, text, _ in rows)]
    else:
      sst = ['sentence\tlabel', *(f'{text}\t{k // 2}' for _, text, k in rows)]
      three = ['id\treview\tlabel']
      three += [f'{i}\t{text}\t{_LABELS[k]}' for i, text, k in rows]
    write(f'sst/{split}.tsv', sst)
    write(f'three/{split}.tsv', three)
    pairs = [f'{a}\t{_sentence(rng)[0]}\t{k + 0.25}' for _, a, k in rows]
    write(f'numbers/{split}.tsv', ['one\tother\tlabel', *pairs])


def _run(folder: pathlib.Path) -> None:
  """Writes the inputs to a folder and runs all commands there."""
  _write_inputs(folder / 'world')
  for name in ('static', 'dynamic'):
    (folder / name).mkdir()
  with concurrent.futures.ThreadPoolExecutor() as pool:
    for block in _COMMANDS.split('\n\n'):
      commands = [text.split() for text in re.split(r'\n(?=\S)', block)]
      # All commands of the block end before a failure is reported.
      for failure in list(pool.map(lambda x: _failure(x, folder), commands)):
        if failure:
          sys.exit(failure)


def _failure(command: list[str], folder: pathlib.Path) -> str:
  """Runs a command; returns '' or, if it fails, the command and its output."""
  root, start = os.path.abspath(_ROOT.value), time.monotonic()
  command = [sys.executable, os.path.join(root, command[0]), *command[1:]]
  done = subprocess.run(
    command,
    cwd=folder,
    env={**os.environ, 'PYTHONPATH': root},
    stdin=subprocess.DEVNULL,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )
  seconds = time.monotonic() - start
  print(f'{seconds:4.0f} s  {command[1]}', file=sys.stderr, flush=True)
  if not done.returncode:
    return ''
  return f'{shlex.join(command)}\n{done.stdout}\nstatus {done.returncode}'


def _checksums(folder: pathlib.Path) -> dict[str, str]:
  """Returns the start of the SHA-256 of each file that must not change."""
  found = {}
  for path in folder.rglob('*'):
    name = path.relative_to(folder).as_posix()
    is_left_out = any(fnmatch.fnmatch(name, each) for each in _LEFT_OUT)
    if path.is_file() and not is_left_out:
      found[name] = hashlib.sha256(_content(path, folder)).hexdigest()[:16]
  return found


def _content(path: pathlib.Path, folder: pathlib.Path) -> bytes:
  """Returns a file's bytes, with WORK for the folder's path, no versions."""
  content = path.read_bytes()
  if path.name == 'run.json':
    run = json.loads(content)
    del run['versions']
    content = json.dumps(run, indent=2).encode()
  return content.replace(str(folder).encode(), b'WORK')


def _differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
  """Lists the files that are missing, extra or different."""
  lines = []
  for name in sorted(before.keys() | now.keys()):
    if name not in now:
      lines.append(f'missing  {name}')
    elif name not in before:
      lines.append(f'extra    {name}')
    elif before[name] != now[name]:
      lines.append(f'differs  {name}')
  return lines


def main(argv: list[str]) -> None:
  """Runs the scripts, prints the table and compares it."""
  if len(argv) > 1:
    raise app.UsageError(f'unexpected arguments: {argv[1:]}')
  before = None
  if _COMPARE.value:
    rows = pathlib.Path(_COMPARE.value).read_text().splitlines()
    before = {name: checksum for checksum, name in map(str.split, rows)}
  with tempfile.TemporaryDirectory(prefix='same_bytes.') as temporary:
    folder = pathlib.Path(_WORK_DIR.value or temporary).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
      sys.exit(f'--work_dir: {folder} is not empty')
    _run(folder)
    now = _checksums(folder)
  for name in sorted(now):
    print(f'{now[name]}  {name}')
  if before is not None and (lines := _differences(before, now)):
    sys.exit('\n'.join(lines))


if __name__ == '__main__':
  app.run(main)
