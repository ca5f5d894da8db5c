"""Every question is asked in both languages, of a channel that is there, and every answer is one that may be."""

import pytest

from vitals.answers import QUESTIONS, Question
from vitals.channels import CHANNELS, PRO_CTCAE, UKONS


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=list(QUESTIONS))
def test_a_question_can_be_asked_and_its_answers_filed(question: Question) -> None:
    channel = CHANNELS[question.channel]
    assert question.nb.endswith(("?", ")"))
    assert question.en.endswith(("?", ")"))
    assert all(channel.plausible(choice.value) and choice.nb and choice.en for choice in question.choices)
    values = [choice.value for choice in question.choices]
    assert values == sorted(set(values))


def test_every_item_of_chemotherapy_has_a_question_with_all_its_grades() -> None:
    for name in (*UKONS, *PRO_CTCAE):
        about = CHANNELS[name]
        assert [choice.value for choice in QUESTIONS[name].choices] == list(range(int(about.high) + 1))
