"""A sweep's grid, its flagfiles, and its table of results."""

import dataclasses
import pathlib
import shutil
import types

import pytest

from system import step_runner
from system.errors import Stopped, UserError
from system.steps import to_run
from tools import sweep
from training import class_scores

_WORDS = ('run_classifier.py', '--do_train', '--do_eval')


def _plan(folder, *grid, seeds=()):
  return sweep.plan(str(folder), _WORDS, sweep.parse_grid(grid, seeds))


def test_every_combination_has_a_folder_of_its_own(tmp_path):
  planned = _plan(
    tmp_path, 'learning_rate=1e-4,3e-4', '--freeze=1', seeds=('1', '2')
  )
  assert [step.command[3:] for step in planned] == [
    (
      f'--learning_rate={rate}',
      '--freeze=1',
      f'--seed={seed}',
      f'--output_dir={tmp_path}/runs/{step.name}',
    )
    for step, (rate, seed) in zip(
      planned,
      [('1e-4', 1), ('1e-4', 2), ('3e-4', 1), ('3e-4', 2)],
      strict=True,
    )
  ]
  assert len({step.name for step in planned}) == 4


@pytest.mark.parametrize(
  ('grid', 'message'),
  [
    (['learning_rate'], 'expected name=value'),
    (['a=1', 'a=2'], 'names a twice'),
    (['a=1,1'], 'a value occurs twice'),
    (['output_dir=x'], 'sets output_dir itself'),
    ([], 'give --grid or --seeds'),
  ],
)
def test_a_wrong_grid_is_refused(grid, message):
  with pytest.raises(UserError, match=message):
    sweep.parse_grid(grid, ())


@pytest.mark.parametrize(
  ('words', 'message'),
  [
    ([], 'got nothing'),
    (['train.py'], "got 'train.py'"),
    (['no/run_classifier.py', '--do_eval'], 'no script no/run_classifier.py'),
    (['run_classifier.py', '--do_train'], 'needs --do_eval'),
    ([*_WORDS, '--output_dir=x'], '--output_dir is given after --'),
    ([*_WORDS, '--seed=1'], '--seed is given after --'),
    ([*_WORDS, '--seed', '1'], '--seed is given after --'),
    ([*_WORDS, '--num_seeds=3'], 'has --seeds instead'),
  ],
)
def test_words_that_the_sweep_cannot_run_are_refused(tmp_path, words, message):
  with pytest.raises(UserError, match=message):
    sweep.plan(str(tmp_path), words, {'seed': ['1', '2']})


def test_values_that_would_share_a_folder_are_refused(tmp_path):
  with pytest.raises(UserError, match=r'the folder learning.rate-0\.0001;'):
    _plan(tmp_path, 'learning_rate=1e-4,0.0001')


def test_scores_may_be_asked_for_by_a_file_of_flags_or_a_recorded_run(tmp_path):
  for flag in ('--flagfile=x', '--from_run=x'):
    words = ['run_classifier.py', flag]
    assert len(sweep.plan(str(tmp_path), words, {'seed': ['1', '2']})) == 2


def test_several_seeds_in_one_run_are_refused_in_the_grid(tmp_path):
  with pytest.raises(UserError, match='--num_seeds: a sweep has --seeds inst'):
    _plan(tmp_path, 'num_seeds=1,3')


def test_the_value_of_a_flag_may_be_a_word_of_its_own():
  assert sweep._given(['--task_name', 'SST-2', *_WORDS, '--seed=1']) == {
    'task_name': 'SST-2',
    'do_train': '',
    'do_eval': '',
    'seed': '1',
  }


# A result, a run that a cluster has begun, and one without training.
@pytest.mark.parametrize(
  'made', ['results/a.json', 'runs/a/run.json', 'runs/a/eval_results.txt']
)
def test_a_folder_belongs_to_one_command(tmp_path, made):
  sweep.check_words(str(tmp_path), _WORDS)
  path = tmp_path / made
  path.parent.mkdir(parents=True)
  # Nothing was made yet: a mistake can be mended.
  sweep.check_words(str(tmp_path), [*_WORDS, '--freez=1'])
  sweep.check_words(str(tmp_path), _WORDS)
  path.touch()
  sweep.check_words(str(tmp_path), _WORDS)
  with pytest.raises(UserError, match="other words after --: '--freeze=1'"):
    sweep.check_words(str(tmp_path), [*_WORDS, '--freeze=1'])


def test_a_run_keeps_the_number_of_its_flagfile(tmp_path, monkeypatch):
  def written(grid):
    numbered = sweep.write_flagfiles(str(tmp_path), _plan(tmp_path, grid))
    found = {}
    for number, step in numbered.items():
      lines = (tmp_path / 'flags' / f'{number}.txt').read_text().splitlines()
      assert lines == [*step.command[1:]]
      [epochs] = [x for x in lines if x.startswith('--num_train_epochs=')]
      found[number] = int(epochs.partition('=')[2])
    return found

  assert written('num_train_epochs=1,2,3') == {0: 1, 1: 2, 2: 3}
  # A longer grid adds numbers, a shorter one leaves holes.
  assert written('num_train_epochs=4,1,3,2') == {0: 1, 1: 2, 2: 3, 3: 4}
  assert written('num_train_epochs=3,1') == {0: 1, 2: 3}
  assert written('num_train_epochs=5,2') == {1: 2, 4: 5}
  # A folder may list its files in any order.
  monkeypatch.setattr(sweep.glob, 'glob', lambda _: sorted(files, reverse=True))
  files = [str(x) for x in (tmp_path / 'flags').iterdir()]
  assert written('num_train_epochs=6') == {5: 6}


def test_unfinished_runs_are_listed_as_slurm_takes_them(tmp_path):
  planned = _plan(tmp_path, 'num_train_epochs=1,2,3,4,5,6,7')
  (tmp_path / 'results').mkdir()
  numbered = dict(enumerate(planned))
  assert sweep.unfinished_numbers(numbered) == '0-6'
  for number in (1, 5):
    open(planned[number].done, 'w').close()
  assert sweep.unfinished_numbers(numbered) == '0,2-4,6'
  for step in planned:
    open(step.done, 'w').close()
  assert sweep.unfinished_numbers(numbered) == ''


@pytest.mark.parametrize(
  ('words', 'grid', 'message'),
  [
    (_WORDS, {'learning_rat': ['1']}, "'learning_rat'. Did you mean: learning"),
    ([*_WORDS, '--freez=1'], {'seed': ['1']}, "'freez'. Did you mean: freeze"),
    (_WORDS, {'learning_rate': ['1e-4', 'x', '3e-4']}, 'learning_rate=x'),
  ],
)
def test_what_the_script_does_not_take_is_refused(words, grid, message):
  sweep.check_flags(_WORDS, {'learning_rate': ['1e-4', '3e-4']})
  with pytest.raises(UserError, match='run_classifier.py does not') as raised:
    sweep.check_flags(words, grid)
  assert message in str(raised.value)


def _main(monkeypatch, folder, *words, **flags):
  values = {'sweep_dir': str(folder), 'grid': [], 'seeds': ['1', '2']}
  values |= {'metric': None, 'collect': False, 'write_flagfiles': True}
  values |= {'jobs': 1}
  monkeypatch.setattr(
    sweep, 'FLAGS', types.SimpleNamespace(**{**values, **flags})
  )
  monkeypatch.setattr(sweep.flag_group, 'require', lambda *_: None)
  sweep.main(['sweep', *words])


def test_flagfiles_are_written_once_the_flags_are_checked(
  tmp_path, monkeypatch, caplog
):
  with pytest.raises(UserError, match="'learning_rat'"):
    _main(monkeypatch, tmp_path, *_WORDS, grid=['learning_rat=1'])
  assert not [*tmp_path.iterdir()]
  _main(monkeypatch, tmp_path, *_WORDS)
  assert (tmp_path / 'flags' / '1.txt').exists()
  assert 'unfinished: 0-1' in caplog.text


def test_collecting_writes_no_flagfiles(tmp_path, monkeypatch):
  with pytest.raises(UserError, match='--write_flagfiles exclude each other'):
    _main(monkeypatch, tmp_path, *_WORDS, collect=True)


def test_finished_runs_are_not_planned_again(tmp_path):
  planned = _plan(tmp_path, 'num_train_epochs=1,2')
  (tmp_path / 'results').mkdir()
  open(planned[0].done, 'w').close()
  assert to_run(planned) == planned[1:]
  assert sweep.collect(str(tmp_path), planned) == 1


def test_runs_without_the_score_do_not_hide_that_the_sweep_was_stopped(
  tmp_path, monkeypatch, caplog
):
  def stop(planned, *_):
    run = {'keys': {'seed': 1}, 'scores': {'accuracy': 0.5}}
    monkeypatch.setattr(sweep.run_result, 'read', lambda _: run)
    pathlib.Path(planned[0].done).parent.mkdir()
    pathlib.Path(planned[0].done).touch()
    raise Stopped('saved')

  monkeypatch.setattr(sweep.step_runner, 'run', stop)
  with pytest.raises(Stopped):
    _main(monkeypatch, tmp_path, *_WORDS, metric='f1', write_flagfiles=False)
  assert "--metric=f1: a run has only 'accuracy'" in caplog.text


def test_a_run_that_was_begun_here_is_not_finished_by_its_first_scores(
  tmp_path,
):
  (step,) = _plan(tmp_path, 'learning_rate=1')
  run = tmp_path / 'runs' / step.name
  run.mkdir(parents=True)
  (run / 'eval_results.txt').write_text('eval_accuracy = 0.5\n')
  log = tmp_path / 'logs' / f'{step.name}.log'
  log.parent.mkdir()
  pathlib.Path(step_runner.seconds_file(str(log))).write_text('1.0')
  recorded = []
  step = dataclasses.replace(step, finish=recorded.append)
  assert sweep.collect(str(tmp_path), [step]) == 1
  assert not recorded
  shutil.rmtree(log.parent)
  sweep.collect(str(tmp_path), [step])
  assert recorded == [None]


def test_wrong_commands_are_refused_before_anything_is_written(
  tmp_path, monkeypatch
):
  sweep_dir = tmp_path / 'sweep'
  with pytest.raises(UserError, match='--metric=acuracy: expected a score of'):
    _main(monkeypatch, sweep_dir, *_WORDS, metric='acuracy')
  assert not [*tmp_path.iterdir()]
  _main(monkeypatch, sweep_dir, *_WORDS)
  (sweep_dir / 'results').mkdir()
  (sweep_dir / 'results' / 'a.json').touch()
  with pytest.raises(UserError, match="other words after --: '--freeze=1'"):
    _main(monkeypatch, sweep_dir, *_WORDS, '--freeze=1')


def _collected(monkeypatch, folder, *words, **flags):
  """Returns the score of the table of a sweep with one finished run."""
  scores = {'accuracy': 0.5, 'matthews_correlation': 0.25, 'loss': 1.0}
  run = {'keys': {'seed': 1}, 'scores': scores}
  monkeypatch.setattr(sweep.run_result, 'read', lambda _: run)
  (step,) = _plan(folder, seeds=('1',))
  pathlib.Path(step.done).parent.mkdir(exist_ok=True)
  pathlib.Path(step.done).touch()
  flags |= {'collect': True, 'write_flagfiles': False, 'seeds': ['1']}
  _main(monkeypatch, folder, *words, **flags)
  return (folder / 'sweep.csv').read_text().split(',')[0]


def test_the_task_or_the_user_names_the_score_of_the_table(
  tmp_path, monkeypatch
):
  cola = (*_WORDS, '--task_name=CoLA')
  found = _collected(monkeypatch, tmp_path, *cola)
  assert found == 'matthews_correlation'
  assert _collected(monkeypatch, tmp_path, *cola, metric='loss') == 'loss'


def test_a_label_s_score_is_read_in_the_folder_of_its_run(
  tmp_path, monkeypatch
):
  (step,) = _plan(tmp_path, seeds=('1',))
  run = tmp_path / 'runs' / step.name
  run.mkdir(parents=True)
  class_scores.write(str(run), ('ham', 'spam'), [0, 1, 1], [0, 0, 1])
  name = 'recall:spam'
  assert _collected(monkeypatch, tmp_path, *_WORDS, metric=name) == name
  row = (tmp_path / 'sweep.csv').read_text().splitlines()[1]
  assert row == '0.5000,0.5000,0.5000,1'
