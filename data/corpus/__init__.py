"""Text of any format as documents."""
