"""Public sets of questions on surgical frames, each read from the layout it is published in; see ``catalogue``."""

from describer.vqa_sets.catalogue import SETS, find, named, read_questions
from describer.vqa_sets.question import Question, QuestionSet

__all__ = ["SETS", "Question", "QuestionSet", "find", "named", "read_questions"]
