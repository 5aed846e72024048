"""Pre-training records made on Apache Beam; the bytes are the same."""
