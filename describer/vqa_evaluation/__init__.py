"""Questions of a public set put to a Describer or to anybody's answers, with controls, scored and reported."""

from describer.vqa_evaluation.running import Evaluated, Wanted, evaluate_questions

__all__ = ["Evaluated", "Wanted", "evaluate_questions"]
