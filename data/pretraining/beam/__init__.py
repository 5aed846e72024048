"""The same records, made on Apache Beam."""
