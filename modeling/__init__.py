"""BERT: configuration, layers, encoder, heads, and the models made of them.

Read the modules in this order; each uses only those above it:

  configs            the dimensions: bert_config.json and the compact sizes
  dropout            masks that are a function of seed, step and example
  custom_gradients   formulas whose gradients are written by hand, for speed
  layers             initial weights, dense layer, LayerNorm, activations
  embeddings         ids to vectors
  attention          self-attention and its mask
  transformer_block  one layer of the encoder
  encoder            embeddings, all blocks, pooler
  heads              masked-LM head and output layer
  models             PreTrainer and Classifier
  hidden_states      states of the models that a student may imitate

In addition to the model, `options` declares its settings and `checkpoints`
reads and writes its weights.

Shapes use these letters: B examples in a batch, S tokens in a sequence, P
masked positions, H hidden size, I intermediate size, A attention heads, L
layers, V vocabulary, C classes, N any number of rows.
"""
