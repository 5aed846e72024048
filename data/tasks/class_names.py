"""The names of the classes that GLUE's files number.

Tested by `tests/data/tasks/label_order_test.py`.
"""

# Task → the names of its classes → the labels of GLUE's files.
CLASS_NAMES = {
  'CoLA': {'unacceptable': '0', 'acceptable': '1'},
  'SST-2': {'negative': '0', 'positive': '1'},
  'MRPC': {'not_equivalent': '0', 'equivalent': '1'},
  'QQP': {'not_duplicate': '0', 'duplicate': '1'},
  'WNLI': {'not_entailment': '0', 'entailment': '1'},
}
