"""Text → pre-training records: pairs of segments, masks, shards, manifest."""
