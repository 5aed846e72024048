"""Names of released BERT's variables, and what they say."""

import re

WORDS = 'bert/embeddings/word_embeddings'
POSITIONS = 'bert/embeddings/position_embeddings'
SEGMENTS = 'bert/embeddings/token_type_embeddings'
# The masked-LM head multiplies by the word embeddings, and adds this bias.
MASKED_LM_BIAS = 'cls/predictions/output_bias'
# Of a classifier. The next-sentence head has a prefix before these names.
HEAD_WEIGHTS = 'output_weights'
HEAD_BIAS = 'output_bias'
CLASSIFIER_HEAD = (HEAD_WEIGHTS, HEAD_BIAS)

# Finds the number of an encoder layer in the name of a variable.
LAYER = re.compile(r'(?<=^bert/encoder/layer_)\d+(?=/)')


def is_encoder(name: str) -> bool:
  """Returns whether a variable belongs to the encoder, pooler included."""
  return name.startswith('bert/')
