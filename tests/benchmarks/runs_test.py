"""The rates of several runs, measured in turns."""

from benchmarks import runs


def test_each_model_labels_all_texts_once_a_round_after_a_warm_up():
  calls = []
  label = {
    name: lambda texts, name=name: calls.append((name, len(texts)))
    for name in 'ab'
  }
  results = runs.measure(label, ['x', 'y'], num_rounds=2)
  assert calls == [(x, 2) for x in ('b', 'a', 'a', 'b', 'b', 'a')]
  assert results.keys() == {'a', 'b'}
  assert results['a']['texts_per_second'] > 0
