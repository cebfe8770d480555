"""A judge in this process: read as strictly as a server's answers, kept as they are, and asked about nothing twice."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from fake_chat import INVALID, answer, content, texts, truth

from pathvlm_r1.reward import JudgeError
from pathvlm_r1.reward.judges import Answer, Asking, LocalJudge, Prompt
from pathvlm_r1.reward.judges.store import opened

ASKING = Asking(model="tiny", prompt=Prompt.named("process_events_v1"), reference="context", max_side=28,
                temperature=0.0, seed=None, max_tokens=200, max_tokens_key="max_tokens", judge="local")  # fmt: skip


@dataclass
class Rule:
    """A model whose answers are known: honest ones, or one of `INVALID` for each text."""

    faults: dict = field(default_factory=dict)  # number of a completion -> name of a fault
    revision: str = "weights-1"
    decoding: str = "float32 free"
    asked: Counter = field(default_factory=Counter)
    batches: list = field(default_factory=list)

    def __call__(self, questions):
        self.batches.append(len(questions))
        found = []
        for question in questions:
            text = question.completion.text
            self.asked[text] += 1
            fault = next((fault for number, fault in self.faults.items() if f"finding {number} is" in text), None)
            body = INVALID[fault](text) if fault else answer(text)
            found.append(Answer.model_validate(body | {"model": "tiny"}))
        return found


def judge(chat, folder, **changes):
    settings = {"asking": ASKING, "rows_per_batch": 4, "is_voiding": True, "max_missing_share": 1.0} | changes
    return LocalJudge(load=lambda: chat, cache=folder / "judge.sqlite", **settings)


def test_a_verdict_has_the_events_and_where_they_come_from(tmp_path):
    for completion, verdict in zip(texts(3), judge(Rule(), tmp_path)(texts(3)), strict=True):
        assert verdict.events == truth(completion.text)
        given = verdict.provenance
        assert (given.judge, given.model, given.revision) == ("local", "tiny", "weights-1")
        assert (given.prompt, given.schema) == ("process_events_v1", "process_events_v1")
        assert (given.input_tokens, given.output_tokens, given.cost_usd, given.is_cached) == (900, 150, 0.0, False)


@pytest.mark.parametrize("fault", INVALID)
def test_what_is_no_verdict_is_missing_with_its_reason_and_the_others_stay(fault, tmp_path):
    verdicts = judge(Rule({1: fault}), tmp_path)(texts(3))
    assert [verdict.events is None for verdict in verdicts] == [False, True, False]
    assert verdicts[1].reason
    assert verdicts[1].provenance.revision == "weights-1"


def test_nothing_is_asked_twice_neither_beside_itself_nor_later_nor_where_it_was_no_verdict(tmp_path):
    chat = Rule({2: "prose"})
    first = judge(chat, tmp_path)([*texts(6), *texts(6)])
    assert [verdict.provenance.is_cached for verdict in first] == [False] * 6 + [True] * 6
    assert chat.batches == [4, 2]
    again = judge(chat, tmp_path)(texts(8))
    assert set(chat.asked.values()) == {1}
    assert [verdict.events for verdict in again[:6]] == [verdict.events for verdict in first[:6]]


def test_other_weights_another_precision_and_another_time_are_asked_anew(tmp_path):
    judge(Rule(), tmp_path)(texts(1))
    for chat, changes in (
        (Rule(revision="weights-2"), {}),
        (Rule(decoding="bfloat16 free"), {}),
        (Rule(), {"asking": Asking(**(vars(ASKING) | {"repeat": 1}))}),
    ):
        judge(chat, tmp_path, **changes)(texts(1))
        assert sum(chat.asked.values()) == 1
    kept = Rule()
    judge(kept, tmp_path)(texts(1))
    assert not kept.asked


def test_a_batch_is_kept_before_the_next_one_is_asked(tmp_path):
    chat, seen = Rule(), []

    class Killed(RuntimeError):
        pass

    def asked(questions):
        if seen:
            raise Killed
        seen.append(1)
        return chat(questions)

    asked.revision, asked.decoding = chat.revision, chat.decoding
    with pytest.raises(Killed):
        judge(asked, tmp_path)(texts(8))
    judge(chat, tmp_path)(texts(8))
    assert chat.batches == [4, 4]
    assert set(chat.asked.values()) == {1}


def test_it_costs_nothing_whatever_else_the_ledger_holds(tmp_path):
    with opened(tmp_path / "judge.sqlite") as store:
        store.settle(store.reserve("x", 5, cap=5), 5, "answered")
        judge(Rule(), tmp_path)(texts(2))
        assert store.spent == 5


def test_too_many_missing_verdicts_end_the_run(tmp_path):
    chat = Rule({0: "prose", 1: "cut"})
    assert len(judge(chat, tmp_path, max_missing_share=0.5)(texts(4))) == 4
    with pytest.raises(
        JudgeError, match=r"judge\.max_missing_share=0\.4: 2 of 4 completions have no verdict, 1 of them"
    ):
        judge(chat, tmp_path, max_missing_share=0.4)(texts(4))


def test_evidence_that_does_not_stand_in_the_completion_voids_or_is_counted(tmp_path):
    invented = {"definition_error": {"evidence": "not there", "present": True}}

    class Inventing(Rule):
        def __call__(self, questions):
            of = [question.completion.text for question in questions]
            return [Answer.model_validate(answer(text, content=content(text, **invented))) for text in of]

    (voided,) = judge(Inventing(), tmp_path)(texts(1))
    (counted,) = judge(Inventing(), tmp_path, is_voiding=False)(texts(1))
    assert (voided.events.definition_error, counted.events.definition_error) == (False, True)
    assert "definition_error" in voided.unfound
    assert "definition_error" in counted.unfound
    assert judge(Rule(), tmp_path)([]) == []
