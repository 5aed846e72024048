"""The paper: transfer sets, teachers, logits dumps and students."""
