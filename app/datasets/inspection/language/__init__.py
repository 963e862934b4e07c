"""Sentence pairs and questions: what is refused of them, told of them, and how they are split."""
