"""What the scene itself answers: a free question read as a query of the scene graph, and the query looked up.

`read_question` knows a question by the things it names and a few words around them, not by its wording; `look_up` gives
the exact answer with the regions it rests on, or says which region has to be looked at for one that pixels answer.
"""

from describer.prompts.evidence.found import UNKNOWN_THING, Evidence
from describer.prompts.evidence.lookups import look_up
from describer.prompts.evidence.reading import Noun, Query, read_question
from describer.prompts.evidence.rewording import reworded

__all__ = ["UNKNOWN_THING", "Evidence", "Noun", "Query", "look_up", "read_question", "reworded"]
