"""The paper's distillation: transfer sets, teachers, logits dumps, students."""
