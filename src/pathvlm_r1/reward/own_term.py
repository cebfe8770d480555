"""A user's own term: any function from a completion to a score, held to its signature at every call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pathvlm_r1.reward.completion import Completion, Score


class TermError(RuntimeError):
    """A user's own term that fails; the message names the term, the sample and what to do."""


@dataclass(frozen=True)
class OwnTerm:
    """A term under the name that the configuration gives it.

    Args:
        function: from a completion to a score; with a method `score_all` it is asked for many at once.
        name: the term's key.
    """

    function: Callable[[Completion], Score]
    name: str

    def __call__(self, completion: Completion) -> Score:
        """What the function says.

        Raises:
            TermError: it raises, or does not return a Score.
        """
        try:
            score: object = self.function(completion)
        except Exception as error:
            raise TermError(
                f"reward.terms.{self.name} raised {type(error).__name__} on sample {completion.sample.sample_id} of "
                f"{completion.sample.dataset}: {error}; a term must give every completion a Score, the empty one too"
            ) from error
        return self._checked(score, completion)

    def score_all(self, completions: Sequence[Completion]) -> list[Score]:
        """The same for each, in order; one call where the function takes many."""
        together = getattr(self.function, "score_all", None)
        if together is None:
            return [self(completion) for completion in completions]
        try:
            scores = list(together(completions))
        except Exception as error:
            of = completions[0].sample
            raise TermError(
                f"reward.terms.{self.name} raised {type(error).__name__} on {len(completions)} completions, the first "
                f"of sample {of.sample_id} of {of.dataset}: {error}"
            ) from error
        if len(scores) != len(completions):
            raise TermError(f"reward.terms.{self.name} gave {len(scores)} scores to {len(completions)} completions")
        return [self._checked(score, each) for score, each in zip(scores, completions, strict=True)]

    def _checked(self, score: object, completion: Completion) -> Score:
        if not isinstance(score, Score):
            raise TermError(
                f"reward.terms.{self.name} returned {score!r} for sample {completion.sample.sample_id} of "
                f"{completion.sample.dataset}: return a Score(value, reason), its value None where it does not apply"
            )
        return score
