"""Judge and term of logged completions: each has what it was given, whatever others of its text were."""

from dataclasses import replace

from written_completions import FLAWLESS, all_samples, reference

from pathvlm_r1.reward import CrossModalProcess, Provenance, RecordedJudge, RecordedTerm, Score, Verdict, process_score

COMPLETION = reference(all_samples()[0])


def recorded(verdict, value=1.0):
    return replace(COMPLETION, recorded={"process": Score(value, "then", verdict)})


def test_equal_texts_keep_the_verdicts_that_each_of_them_was_given():
    verdicts = [
        Verdict(FLAWLESS, "first", Provenance(judge="openai", cost_usd=0.5)),
        Verdict(None, "no answer in time", Provenance(judge="openai")),
        Verdict(replace(FLAWLESS, definition_error=True), "third", Provenance(judge="openai")),
    ]
    assert RecordedJudge()([recorded(verdict) for verdict in verdicts]) == verdicts


def test_a_process_score_follows_from_recorded_events_by_another_coefficient():
    faulty = replace(FLAWLESS, definition_error=True)
    term = CrossModalProcess(RecordedJudge(), 0.3)
    assert term(recorded(Verdict(faulty, "", Provenance(judge="oracle")))).value == process_score(faulty, 0.3) == 0.85


def test_where_none_was_recorded_there_is_no_verdict_and_no_score():
    (verdict,) = RecordedJudge()([COMPLETION])
    assert verdict.events is None
    assert RecordedTerm("alignment")(COMPLETION) == Score(None, "none was recorded")


def test_a_recorded_term_gives_what_it_gave_and_so_does_one_that_did_not_apply():
    kept = {"alignment": Score(0.25, "a similarity"), "consistency": Score(None, "concludes nothing")}
    for name, score in kept.items():
        assert RecordedTerm(name)(replace(COMPLETION, recorded=kept)) == score
